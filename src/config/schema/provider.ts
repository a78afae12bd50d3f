import { z } from 'zod';
import { headerName, text, webUrl } from '../fields.js';
import { duration } from '../units.js';
import { expected, mappedClaims } from './claims.js';
import { ALGORITHMS, material, oneOrMore } from './key-material.js';
import { client, session } from './session.js';

const jwt = z.strictObject({
  type: z
    .literal('jwt')
    .meta({ description: 'JSON Web Tokens (RFC 7519), checked by RFC 8725.', examples: ['jwt'] }),
  algorithms: z
    .array(z.enum(ALGORITHMS))
    .min(1, { error: 'at least one algorithm' })
    .meta({
      description:
        'Signature algorithms that are accepted. Each key is bound to one of them: its own `alg`, else the first in this list that fits its type; the header of a token never chooses.',
      examples: [['RS256', 'ES256', 'EdDSA']],
    }),
  secret: oneOrMore(material(), 'secret')
    .optional()
    .meta({
      description:
        'Shared secret for HS256, HS384, HS512, at least as long as the hash. Several while one is replaced.',
      examples: ['${JWT_SECRET}', { file: 'jwt.secret' }],
    }),
  publicKey: oneOrMore(material(), 'public key')
    .optional()
    .meta({
      description: 'Public key or certificate, PEM. RSA keys have at least 2048 bits.',
      examples: ['${JWT_PUBLIC_KEY}', { file: 'issuer.pem' }],
    }),
  jwks: webUrl()
    .optional()
    .meta({
      description:
        'Where the issuer publishes its keys (RFC 7517). Absent, and no `secret` or `publicKey`: found by OpenID Connect discovery at `issuer`.',
      examples: ['https://id.example.com/jwks.json'],
    }),
  issuer: expected('issuer')
    .optional()
    .meta({
      description:
        'Value of `iss`, compared exactly. Required with public keys; `any` switches the check off. With a `secret` absent means `any`.',
      examples: ['https://id.example.com'],
    }),
  audience: expected('audience')
    .optional()
    .meta({
      description:
        'Value that `aud` must be or hold, compared exactly. Required with public keys; `any` switches the check off.',
      examples: ['https://api.example.com'],
    }),
  typ: text()
    .optional()
    .meta({
      description:
        'Value that `typ` in the header must have; the case and `application/` do not matter. Absent: not checked.',
      examples: ['at+jwt'],
    }),
  skew: duration({ max: 60_000 })
    .prefault('30s')
    .meta({
      description: 'How far clocks may differ, for `exp`, `nbf` and `iat`; at most 60s.',
      examples: ['5s'],
    }),
  claims: mappedClaims,
  cookie: text()
    .optional()
    .meta({
      description: 'Cookie that may carry the token instead of `Authorization: Bearer`.',
      examples: ['access_token'],
    }),
  websocket: z
    .strictObject({
      query: text()
        .optional()
        .meta({ description: 'Query parameter that may carry the token.', examples: ['access_token'] }),
      subprotocol: text()
        .optional()
        .meta({
          description: 'Prefix of the offered subprotocol that carries the token.',
          examples: ['bearer.'],
        }),
    })
    .prefault({})
    .meta({
      description:
        'Where else the handshake of a WebSocket may carry the token, because browsers cannot set headers there. Neither reaches the service or a log.',
    }),
  cache: z
    .strictObject({
      entries: z
        .int({ error: 'a whole number' })
        .min(0)
        .max(10_000_000)
        .prefault(50_000)
        .meta({ description: 'Verified tokens a worker remembers.', examples: [200_000] }),
      ttl: duration({ min: 1, max: 300_000 })
        .prefault('5m')
        .meta({ description: 'How long at most, if the token does not expire earlier.', examples: ['1m'] }),
    })
    .prefault({})
    .meta({ description: 'Cache of verified tokens.' }),
});

const apiKey = z.strictObject({
  type: z
    .literal('apiKey')
    .meta({ description: 'API keys, made with `sluice key create`.', examples: ['apiKey'] }),
  header: headerName()
    .transform((header) => header.toLowerCase())
    .prefault('x-api-key')
    .meta({
      description: 'Header that carries the key. It does not go on to the service.',
      examples: ['x-partner-key'],
    }),
  cache: z
    .int({ error: 'a whole number' })
    .min(0)
    .max(10_000_000)
    .prefault(50_000)
    .meta({ description: 'Verified keys a worker remembers.', examples: [1000] }),
});

const introspection = z.strictObject({
  type: z.literal('introspection').meta({
    description: 'Opaque tokens that the authorisation server explains (RFC 7662).',
    examples: ['introspection'],
  }),
  url: webUrl().meta({
    description: 'Introspection endpoint.',
    examples: ['https://id.example.com/oauth/introspect'],
  }),
  ...client,
  ttl: duration({ max: 3_600_000 })
    .prefault('60s')
    .meta({
      description: 'How long an active token is remembered, if it does not expire earlier.',
      examples: ['10s'],
    }),
  negativeTtl: duration({ max: 60_000 })
    .prefault('5s')
    .meta({ description: 'How long an inactive token is remembered.', examples: ['1s'] }),
  timeout: duration({ min: 1, max: 60_000 })
    .prefault('2s')
    .meta({ description: 'How long an answer may take; then 503.', examples: ['500ms'] }),
  issuer: expected('issuer')
    .optional()
    .meta({
      description: 'Value of `iss` in the answer, when it must have one.',
      examples: ['https://id.example.com'],
    }),
  audience: expected('audience')
    .optional()
    .meta({
      description: 'Value that `aud` in the answer must be or hold.',
      examples: ['https://api.example.com'],
    }),
  claims: mappedClaims,
});

/** One of the ways in. */
export const provider = z
  .discriminatedUnion('type', [jwt, apiKey, introspection, session], {
    error: 'a mapping with type: jwt, apiKey, introspection or session',
  })
  .meta({ description: 'One way in.' });
