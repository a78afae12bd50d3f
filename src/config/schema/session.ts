import { z } from 'zod';
import { TOKEN } from '../../listen/method.js';
import { distinct } from '../collections.js';
import { text, webUrl } from '../fields.js';
import { duration } from '../units.js';
import { mappedClaims } from './claims.js';

/** The gateway as a client of an authorisation server. */
export const client = {
  clientId: text().meta({ description: 'What the gateway is called there.', examples: ['sluice'] }),
  clientSecret: text()
    .optional()
    .meta({ description: 'Secret of the client.', examples: ['${CLIENT_SECRET}'] }),
};

const localPath = (fallback: string) =>
  z
    .string()
    .regex(/^\/(?![/\\])[^\\]*$/, { error: 'a path that begins with one /' })
    .prefault(fallback);

const login = z.strictObject({
  issuer: webUrl().meta({
    description: 'The OpenID provider; its endpoints are found by discovery.',
    examples: ['https://id.example.com'],
  }),
  ...client,
  scopes: distinct(text(), 'scope')
    .prefault(['openid'])
    .meta({ description: 'Scopes to ask for.', examples: [['openid', 'profile', 'offline_access']] }),
  callback: localPath('/auth/callback').meta({
    description: 'Path of the route with `builtin: callback`; with the origin it is the redirect URI.',
    examples: ['/auth/callback'],
  }),
  origin: webUrl()
    .optional()
    .meta({
      description: "The gateway's origin as browsers see it. Absent: scheme and `Host` of the request.",
      examples: ['https://app.example.com'],
    }),
  parameters: z
    .record(z.string().min(1), text())
    .prefault({})
    .meta({
      description: 'Further parameters of the authorisation request.',
      examples: [{ prompt: 'consent' }],
    }),
  after: localPath('/').meta({
    description: 'Where a login ends that began nowhere in particular.',
    examples: ['/app'],
  }),
  afterLogout: localPath('/').meta({ description: 'Where a logout ends.', examples: ['/bye'] }),
});

/** Browsers that have logged in. */
export const session = z.strictObject({
  type: z
    .literal('session')
    .meta({ description: 'Browser sessions after a login with OpenID Connect.', examples: ['session'] }),
  cookie: z
    .string()
    .regex(TOKEN, { error: 'the name of a cookie' })
    .prefault('__Host-sid')
    .meta({
      description: 'Cookie of the session; always `HttpOnly`, `Secure`, `SameSite=Lax`, `Path=/`.',
      examples: ['__Host-sid'],
    }),
  login: login.meta({ description: 'Where people log in.' }),
  idle: duration({ min: 1000 })
    .prefault('30m')
    .meta({ description: 'A session that is not used for this long ends.', examples: ['8h'] }),
  absolute: duration({ min: 1000 })
    .prefault('12h')
    .meta({ description: 'A session ends after this long in any case.', examples: ['24h'] }),
  claims: mappedClaims,
  forwardToken: z
    .boolean()
    .prefault(false)
    .meta({ description: 'The service gets the access token as `Authorization: Bearer`.', examples: [true] }),
});
