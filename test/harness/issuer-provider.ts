/** How the `oidc-provider` of the tests is set up, see issuer.ts. */
import { randomBytes } from 'node:crypto';
// @ts-expect-error: without types
import Provider from 'oidc-provider';
import type { IssuerKey } from './issuer-keys.ts';

/** The client that is registered. Any redirect URI is accepted. */
export const CLIENT = { clientId: 'sluice', clientSecret: 'a-secret-of-the-client-that-is-long-enough' };

export interface IssuerOptions {
  /** One key for each. RS256 must be among them, ID tokens are signed with it. */
  readonly algorithms?: readonly string[];
  /** Seconds that access tokens live. */
  readonly accessTokenSeconds?: number;
  /** False: an issuer that knows no `end_session_endpoint`. */
  readonly logout?: boolean;
}

const COOKIE_KEY = randomBytes(32).toString('hex');

export function createProvider(
  url: string,
  keys: readonly IssuerKey[],
  storage: unknown,
  /** By user: more claims in ID tokens and introspection. */
  claims: ReadonlyMap<string, Record<string, unknown>>,
  options: IssuerOptions,
) {
  const jwks = keys.map(({ kid, alg, privateKey }) => ({
    ...privateKey.export({ format: 'jwk' }),
    kid,
    alg,
    use: 'sig',
  }));
  const provider = new Provider(url, {
    adapter: storage,
    jwks: { keys: jwks },
    cookies: { keys: [COOKIE_KEY] },
    clients: [
      {
        client_id: CLIENT.clientId,
        client_secret: CLIENT.clientSecret,
        redirect_uris: ['https://app.example.com/auth/callback'],
        grant_types: ['authorization_code', 'refresh_token'],
      },
    ],
    scopes: ['openid', 'offline_access', 'profile'],
    claims: { openid: ['sub', 'roles', 'plan'], profile: ['name'] },
    conformIdTokenClaims: false,
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: () => true },
      rpInitiatedLogout: { enabled: options.logout ?? true, logoutSource },
    },
    extraTokenClaims: (_context: unknown, { accountId, told }: { accountId: string; told?: object }) => ({
      ...claims.get(accountId),
      ...told,
    }),
    findAccount: (_context: unknown, accountId: string) => ({
      accountId,
      claims: () => ({ sub: accountId, roles: [], ...claims.get(accountId) }),
    }),
    interactions: { url: (_context: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
    loadExistingGrant: grantEverything,
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    pkce: { required: () => true },
    ttl: {
      AccessToken: options.accessTokenSeconds ?? 3600,
      IdToken: 3600,
      RefreshToken: 86_400,
      Grant: 86_400,
      Session: 86_400,
      Interaction: 600,
    },
  });
  // Gateways under test listen on any port.
  provider.Client.prototype.redirectUriAllowed = () => true;
  provider.Client.prototype.postLogoutRedirectUriAllowed = () => true;
  return provider;
}

/** Nobody is asked for consent. */
// biome-ignore lint/suspicious/noExplicitAny: the library comes without types
async function grantEverything({ oidc }: any) {
  const { client, session, provider } = oidc;
  const known = session.grantIdFor(client.clientId);
  const found = known === undefined ? undefined : await provider.Grant.find(known);
  if (found !== undefined) return found;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope('openid offline_access profile');
  await grant.save();
  return grant;
}

function logoutSource(context: { body: string }, form: string): void {
  context.body = form;
}
