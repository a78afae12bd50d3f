import { z } from 'zod';
import { distinct, headerNames, lowerCase } from '../collections.js';
import { address, fileName, hostPattern, listenHost, network, port, text, token } from '../fields.js';
import { duration, ratio, size } from '../units.js';

const certificate = {
  cert: fileName().meta({
    description: 'File with the certificate chain, PEM, the own certificate first.',
    examples: ['tls/example.com.crt'],
  }),
  key: fileName().meta({
    description: 'File with the private key of the certificate, PEM.',
    examples: ['tls/example.com.key'],
  }),
  passphrase: text()
    .optional()
    .meta({ description: 'Passphrase of the private key.', examples: ['${TLS_PASSPHRASE}'] }),
};

const tls = z.strictObject({
  ...certificate,
  sni: z
    .array(
      z.strictObject({
        host: hostPattern().meta({
          description: 'Name the client asks for: exact, or `*.` and a domain.',
          examples: ['shop.example.com', '*.example.org'],
        }),
        ...certificate,
      }),
    )
    .prefault([])
    .meta({ description: 'Further certificates, chosen by the name the client asks for (RFC 6066 §3).' }),
});

const listenOptions = z.strictObject({
  host: listenHost()
    .prefault('0.0.0.0')
    .meta({
      description: 'Address to listen on; `::` takes IPv6 and IPv4.',
      examples: ['127.0.0.1'],
    }),
  port: port()
    .prefault(8080)
    .meta({ description: 'Port to listen on; 0 takes any free one.', examples: [8443] }),
  tls: tls
    .nullable()
    .prefault(null)
    .meta({
      description: 'TLS for the clients. Absent: plain HTTP. The files are read again at each reload.',
      examples: [{ cert: 'tls/example.com.crt', key: 'tls/example.com.key' }],
    }),
  maxHeaderBytes: size({ min: 1_024, max: 1_048_576 })
    .prefault('16KiB')
    .meta({
      description:
        'Largest request line and header block together; more is answered 431. Read when a worker starts: a reload does not change it.',
      examples: ['32KiB'],
    }),
  maxMessageBytes: size({ min: 1_024, max: 1_073_741_823 })
    .prefault('4MiB')
    .meta({
      description:
        'Largest message of a WebSocket that is read at all, from any client: a connection that announces more is cut. Routes have bounds of their own below it (`websocket.maxMessage`), which close with 1009. Read when a worker starts: a reload does not change it.',
      examples: ['16MiB'],
    }),
  underscoreHeaders: z
    .enum(['reject', 'drop', 'allow'])
    .prefault('reject')
    .meta({
      description:
        'What happens to a request whose header names contain `_`. Many services read `X_User_Id` and `X-User-Id` as the same name, so a client could forge one that Sluice sets.',
      examples: ['drop'],
    }),
  trustedProxies: distinct(network(), 'network')
    .prefault([])
    .meta({
      description:
        "Networks whose `X-Forwarded-For`, `Forwarded`, `X-Request-Id` and `X-Request-Deadline` are believed. The client's address is the right-most one outside of them.",
      examples: [['10.0.0.0/8', 'fd00::/8']],
    }),
  proxyProtocol: z
    .boolean()
    .prefault(false)
    .meta({
      description:
        'Every connection begins with a PROXY protocol v2 header, written by the load balancer in front.',
      examples: [true],
    }),
});

/** Where clients connect. */
export const listen = z
  .union(
    [
      address('0.0.0.0').transform((where): z.output<typeof listenOptions> => listenOptions.parse(where)),
      listenOptions,
    ],
    { error: 'host:port, a port, or a mapping with host, port, tls' },
  )
  .prefault('0.0.0.0:8080')
  .meta({
    description: 'Where clients connect: `host:port`, a port, or a mapping.',
    examples: ['0.0.0.0:8080', '[::]:8080', 8080],
  });

const adminOptions = z.strictObject({
  host: listenHost()
    .prefault('127.0.0.1')
    .meta({
      description: 'Address to listen on. Anything but a loopback address needs a token.',
      examples: ['10.0.0.5'],
    }),
  port: port()
    .prefault(9901)
    .meta({ description: 'Port to listen on; 0 takes any free one.', examples: [9901] }),
  token: token()
    .nullable()
    .prefault(null)
    .meta({
      description:
        'Callers send it as `Authorization: Bearer TOKEN`. Absent: no check, on a loopback address only.',
      examples: ['${ADMIN_TOKEN}'],
    }),
});

/** Where operators connect. */
export const admin = z
  .union(
    [
      z.literal(['off', false]).transform(() => null),
      address('127.0.0.1').transform((where): z.output<typeof adminOptions> => adminOptions.parse(where)),
      adminOptions,
    ],
    { error: 'host:port, a port, off, or a mapping with host, port, token' },
  )
  .prefault('127.0.0.1:9901')
  .meta({
    description:
      'Where operators connect (health, metrics, reload): `host:port`, a port, `off`, or a mapping.',
    examples: ['127.0.0.1:9901', 'off'],
  });

const accessLogModes = z.enum(['all', 'sampled', 'off']);

const accessLogOptions = z.strictObject({
  mode: accessLogModes.prefault('all').meta({
    description: 'Which exchanges get a line: `all`, a `sampled` share of them, or none (`off`).',
    examples: ['sampled'],
  }),
  sample: ratio()
    .prefault('1%')
    .meta({
      description: 'Share of the exchanges that get a line when the mode is `sampled`.',
      examples: ['10%', 0.5],
    }),
  headers: headerNames()
    .transform((names) => names.map(lowerCase))
    .prefault([])
    .meta({
      description:
        'Request headers to write into the line. `Authorization`, `Cookie` and their like stay redacted.',
      examples: [['user-agent', 'referer']],
    }),
  redactQuery: distinct(text(), 'parameter', lowerCase)
    .prefault([
      'access_token',
      'api_key',
      'assertion',
      'auth',
      'code',
      'id_token',
      'jwt',
      'key',
      'passwd',
      'password',
      'secret',
      'sig',
      'signature',
      'ticket',
      'token',
    ])
    .meta({
      description:
        'Query parameters whose values never reach the log. `token` stands for `refresh_token`, `idToken` and `user[token]` too, `api_key` for `api-key` and `apiKey`; the case does not matter.',
      examples: [['token', 'session']],
    }),
});

/** One line for each exchange. */
export const accessLog = z
  .union(
    [
      accessLogModes.transform((mode): z.output<typeof accessLogOptions> => accessLogOptions.parse({ mode })),
      accessLogOptions,
    ],
    { error: 'all, sampled, off, or a mapping with mode, sample, headers, redactQuery' },
  )
  .prefault('all')
  .meta({
    description: 'One JSON line for each exchange: `all`, `sampled`, `off`, or a mapping.',
    examples: ['off', { mode: 'sampled', sample: '10%' }],
  });

export const drain = z
  .strictObject({
    delay: duration()
      .prefault('2s')
      .meta({
        description:
          'How long `/readyz` answers 503 before the port closes, so that load balancers turn away first.',
        examples: ['10s', 0],
      }),
    timeout: duration()
      .prefault('30s')
      .meta({
        description: 'How long running exchanges may take to end before they are cut.',
        examples: ['5m'],
      }),
    sockets: duration()
      .optional()
      .meta({
        description:
          'Over how long WebSockets are closed at most, evenly and in no order, when the gateway leaves or a reload closes them. Absent: half of `timeout`.',
        examples: ['20s', 0],
      }),
  })
  .superRefine(({ sockets, timeout }, context) => {
    if (sockets === undefined || sockets <= timeout) return;
    const params = { expected: 'at most `timeout`' };
    const message = 'sockets would be cut before it is their turn';
    context.addIssue({ code: 'custom', path: ['sockets'], message, params });
  })
  .prefault({})
  .meta({ description: 'How the gateway leaves after SIGTERM.' });

export const log = z
  .strictObject({
    level: z
      .enum(['debug', 'info', 'warn', 'error', 'silent'])
      .prefault('info')
      .meta({
        description: 'The least important message to write. The access log has its own switch, `accessLog`.',
        examples: ['debug'],
      }),
  })
  .prefault({})
  .meta({ description: "Sluice's own log: JSON lines on standard output." });
