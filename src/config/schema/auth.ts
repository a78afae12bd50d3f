import { z } from 'zod';
import { byHeader } from '../collections.js';
import { headerName, label, text, webUrl } from '../fields.js';
import { duration } from '../units.js';
import { material } from './key-material.js';
import { provider } from './provider.js';

const decision = z.strictObject({
  url: webUrl().meta({
    description:
      'Where to POST `{ identity, request, route }`. The answer is `{ "allow": true }` or `{ "result": … }`, with `ttl` in seconds or `Cache-Control: max-age`.',
    examples: ['http://127.0.0.1:8181/v1/data/sluice/allow'],
  }),
  timeout: duration({ min: 1, max: 10_000 })
    .prefault('10ms')
    .meta({ description: 'How long the answer may take.', examples: ['50ms'] }),
  onError: z
    .enum(['deny', 'allow'])
    .prefault('deny')
    .meta({
      description: 'What holds when there is no answer: `deny` (fail closed, 503) or `allow` (fail open).',
      examples: ['deny'],
    }),
  maxTtl: duration({ max: 3_600_000 })
    .prefault('60s')
    .meta({ description: 'Longest time an answer is remembered, whatever it says.', examples: ['5s'] }),
  headers: byHeader(text())
    .prefault({})
    .meta({ description: 'Headers of the question.', examples: [{ authorization: 'Bearer ${PDP_TOKEN}' }] }),
});

const internalJwt = z.strictObject({
  algorithm: z.enum(['ES256', 'HS256']).meta({ description: 'How it is signed.', examples: ['ES256'] }),
  key: material().meta({
    description: 'Private key (PEM, P-256) for ES256, shared secret for HS256.',
    examples: [{ file: 'identity.key' }, '${IDENTITY_SECRET}'],
  }),
  header: headerName()
    .transform((header) => header.toLowerCase())
    .prefault('x-identity-token')
    .meta({ description: 'Header that carries it.', examples: ['x-identity-token'] }),
  issuer: text()
    .prefault('sluice')
    .meta({ description: 'Value of `iss`.', examples: ['sluice'] }),
  lifetime: duration({ min: 1000, max: 60_000 })
    .prefault('60s')
    .meta({ description: 'How long it is valid; at most 60s.', examples: ['30s'] }),
});

/** Who may be calling, and what they may do. */
export const auth = z.strictObject({
  providers: z
    .record(label(), provider)
    .prefault({})
    .meta({ description: 'Ways in, by the names that routes use. `anonymous` is always there.' }),
  roles: z
    .record(text(), z.array(text()))
    .prefault({})
    .meta({
      description:
        'Role → permissions. `*` stands for any part between colons, at the end for all that follows; a leading `!` denies, whatever other roles allow.',
      examples: [{ trader: ['orders:*', '!orders:delete'], viewer: ['orders:read'] }],
    }),
  decisions: z
    .record(label(), decision)
    .prefault({})
    .meta({ description: 'External decision points, by name.' }),
  context: z
    .strictObject({
      jwt: internalJwt.optional().meta({
        description:
          'A short-lived token signed by the gateway instead of plain headers; `aud` is the name of the service.',
      }),
    })
    .prefault({})
    .meta({ description: 'How services learn who is calling.' }),
  verification: z
    .strictObject({
      threads: z
        .union([z.literal('auto'), z.int().min(1).max(64)], { error: 'auto, or a whole number from 1 to 64' })
        .prefault('auto')
        .meta({
          description:
            'Threads that verify signatures, for each worker; `auto` shares the cores among the workers.',
          examples: [2],
        }),
      queue: z
        .int({ error: 'a whole number' })
        .min(1)
        .max(1_000_000)
        .prefault(4096)
        .meta({ description: 'Tokens that may wait for a thread; more are answered 503.', examples: [1000] }),
    })
    .prefault({})
    .meta({ description: 'Verification of public-key signatures, off the path of requests.' }),
});

export type AuthConfig = z.output<typeof auth>;
export type ProviderConfig = AuthConfig['providers'][string];
export type JwtConfig = Extract<ProviderConfig, { type: 'jwt' }>;
export type ApiKeyConfig = Extract<ProviderConfig, { type: 'apiKey' }>;
export type IntrospectionConfig = Extract<ProviderConfig, { type: 'introspection' }>;
export type SessionConfig = Extract<ProviderConfig, { type: 'session' }>;
export type ClaimsConfig = JwtConfig['claims'];
/** JWS algorithms (RFC 7518 §3.1, RFC 8037). */
export type Algorithm = JwtConfig['algorithms'][number];
/** A secret or a key, as a text or in a file. */
export type Material = NonNullable<JwtConfig['secret']>[number];
export type DecisionConfig = AuthConfig['decisions'][string];
