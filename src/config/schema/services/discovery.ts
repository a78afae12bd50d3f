/** Where endpoints come from that are not written in the file. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { distinct } from '../../collections.js';
import { name, network, port } from '../../fields.js';
import { duration, reject } from '../../units.js';

const RECORD_TYPES = ['A', 'AAAA', 'SRV'] as const;
/** Labels of names in the DNS: `_quotes._tcp.example.internal`. */
const DNS_NAME =
  /^(?=.{1,253}\.?$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})(?:\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*\.?$/;

const dnsOptions = z.strictObject({
  name: dnsName().meta({
    description: 'The name to ask for. Only the DNS is asked: what `/etc/hosts` says does not count.',
    examples: ['quotes.internal', '_quotes._tcp.internal'],
  }),
  type: z
    .enum(RECORD_TYPES)
    .prefault('A')
    .meta({
      description: '`A` and `AAAA` give addresses; `SRV` gives weight, priority and port with them.',
      examples: ['SRV'],
    }),
  port: dialledPort()
    .optional()
    .meta({ description: 'Port of all instances; SRV records say it themselves.', examples: [9001] }),
  scheme: z
    .enum(['http', 'https'])
    .prefault('http')
    .meta({
      description:
        'How instances are spoken to. With `https` their certificate must be for `name`, unless `tls.servername` says otherwise.',
      examples: ['https'],
    }),
  minTtl: duration({ min: 10 })
    .prefault('1s')
    .meta({ description: 'The name is not asked for more often than this.', examples: ['5s'] }),
  maxTtl: duration({ min: 10 })
    .prefault('30s')
    .meta({
      description: 'It is asked for at least this often, however long its records say they hold.',
      examples: ['5m'],
    }),
  stale: duration({ off: true })
    .prefault('1h')
    .meta({
      description:
        'How long the last addresses are used while the name cannot be resolved, or resolves to nothing; `off`: for ever.',
      examples: ['10m'],
    }),
});

export type DnsDiscovery = Readonly<z.output<typeof dnsOptions>> & {
  readonly type: (typeof RECORD_TYPES)[number];
};

/** Where the endpoints of a service come from. */
export type Discovery =
  /** `name` null: the service's own. */
  | { readonly type: 'registry'; readonly name: string | null }
  /** `variable` null: `NAME_SERVICE_URL`. */
  | { readonly type: 'env'; readonly variable: string | null }
  | { readonly type: 'dns'; readonly dns: DnsDiscovery };

const EXPECTED = 'registry, env, dns:host:port, or a mapping with one of registry, env, dns';

const shorthand = z.string().transform((value, context): Discovery => {
  if (value === 'registry') return { type: 'registry', name: null };
  if (value === 'env') return { type: 'env', variable: null };
  const parts = /^dns:([^:]*)(?::(\d{1,5}))?$/.exec(value);
  if (parts === null) return reject(context, `"${value}" is no source of endpoints`, EXPECTED);
  const [, name = '', port] = parts;
  const options = { name, ...(port === undefined ? { type: 'SRV' } : { port: Number(port) }) };
  const result = dnsOptions.safeParse(options);
  if (!result.success) {
    return reject(
      context,
      `"${value}": "${port === undefined ? name : `${name}:${port}`}" cannot be asked for`,
      'dns:host:port, or dns:_name._tcp.host for SRV records',
    );
  }
  return checkedDns(result.data, context);
});

const longhand = z
  .strictObject({
    registry: name()
      .optional()
      .meta({ description: 'The name that instances register under.', examples: ['quotes'] }),
    env: z
      .string()
      .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: 'the name of an environment variable' })
      .optional()
      .meta({
        description: 'The environment variable that holds the URLs, separated by commas.',
        examples: ['QUOTES_URL'],
      }),
    dns: dnsOptions.optional().meta({
      description: 'A name in the DNS.',
      examples: [{ name: '_quotes._tcp.internal', type: 'SRV' }],
    }),
  })
  .transform(({ registry, env, dns }, context): Discovery => {
    const given = [registry, env, dns].filter((value) => value !== undefined);
    if (given.length !== 1) {
      const message = given.length === 0 ? 'names no source' : 'names several sources';
      return reject(context, message, 'exactly one of registry, env, dns');
    }
    if (registry !== undefined) return { type: 'registry', name: registry };
    if (env !== undefined) return { type: 'env', variable: env };
    return checkedDns(dns as DnsDiscovery, context);
  });

/** `services.NAME.discover`. */
export const discover = z.union([shorthand, longhand], { error: EXPECTED });

/** What may be registered, and for how long. */
export const registry = z
  .strictObject({
    allowLoopback: z
      .boolean()
      .prefault(false)
      .meta({
        description:
          'Whether instances may register loopback addresses (127.0.0.0/8, ::1): for one machine alone.',
        examples: [true],
      }),
    networks: distinct(network(), 'network')
      .prefault([])
      .meta({
        description:
          'Networks whose addresses may be registered although they are not public. Without it private, shared, link-local and loopback addresses are refused. Metadata services are refused even inside of these, unless listed by their one address.',
        examples: [['10.0.0.0/8', 'fd00::/8']],
      }),
    ttl: duration({ min: 1000, max: 3_600_000 })
      .prefault('10s')
      .meta({
        description:
          'How long an instance stays registered without a sign of life, unless it asks for another time.',
        examples: ['30s'],
      }),
    grace: duration()
      .prefault('30s')
      .meta({
        description:
          'When Redis comes back after it was away, or comes back empty: for how long known instances stay that have not registered again.',
        examples: ['1m'],
      }),
    maxPerService: count(1, 8_000)
      .prefault(1_000)
      .meta({ description: 'Instances of one service at most; more are refused.', examples: [100] }),
    max: count(1, 8_000)
      .prefault(5_000)
      .meta({ description: 'Instances of all services at most; more are refused.', examples: [1_000] }),
  })
  .prefault({})
  .meta({
    description:
      'The registry of instances, for services with `discover: registry`: in Redis if there is one, else in this gateway.',
  });

export type RegistryConfig = z.output<typeof registry>;

/** Options of all sources. */
export const discovery = z
  .strictObject({
    env: z
      .boolean()
      .prefault(false)
      .meta({
        description:
          'Whether each environment variable `NAME_SERVICE_URL` is a service: `AUTH_SERVICE_URL=http://10.0.0.1:9001,http://10.0.0.2:9001` is the service `auth` with two endpoints.',
        examples: [true],
      }),
    dns: z
      .strictObject({
        servers: distinct(nameServer(), 'server')
          .prefault([])
          .meta({
            description: 'Name servers, addresses with or without port. Absent: those of the machine.',
            examples: [['10.0.0.2', '127.0.0.1:8600']],
          }),
        timeout: duration({ min: 10 })
          .prefault('2s')
          .meta({ description: 'Longest wait for an answer of one name server.', examples: ['500ms'] }),
      })
      .prefault({})
      .meta({ description: 'How names are resolved for `discover: dns:…`.' }),
  })
  .prefault({})
  .meta({ description: 'Where endpoints come from that are not written here.' });

export type DiscoveryConfig = z.output<typeof discovery>;

function checkedDns(dns: DnsDiscovery, context: z.RefinementCtx): Discovery {
  if (dns.type === 'SRV' && dns.port !== undefined) {
    return reject(context, 'SRV records say the port themselves', 'no port, or type A or AAAA');
  }
  if (dns.type !== 'SRV' && dns.port === undefined) {
    return reject(context, `${dns.type} records say no port`, 'port, or type: SRV');
  }
  if (dns.minTtl > dns.maxTtl) return reject(context, 'minTtl is longer than maxTtl', 'minTtl up to maxTtl');
  return { type: 'dns', dns };
}

function dnsName() {
  const expected = 'a host name such as quotes.internal';
  return z.string({ error: expected }).superRefine((value, context) => {
    if (isIP(value) !== 0)
      return reject(context, `"${value}" is an address, there is nothing to resolve`, 'a name, or endpoints');
    if (!DNS_NAME.test(value)) reject(context, `"${value}" is not a name`, expected);
  });
}

function nameServer() {
  const expected = 'an address such as 10.0.0.2, 127.0.0.1:8600 or [::1]:53';
  return z.string({ error: expected }).superRefine((value, context) => {
    const [, bracketed, plain] = /^(?:\[([^\]]*)\](?::\d{1,5})?|([^:]*)(?::\d{1,5})?)$/.exec(value) ?? [];
    if (isIP(bracketed ?? '') === 6 || isIP(plain ?? '') === 4 || isIP(value) !== 0) return;
    reject(context, `"${value}" is not the address of a name server`, expected);
  });
}

function dialledPort() {
  return port().min(1, { error: 'a port from 1 to 65535' });
}

function count(min: number, max: number) {
  const error = `a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}
