import type { SessionConfig } from '../../config/schema/auth.js';
import type { Log } from '../../observe/log.js';
import { Availability } from './availability.js';
import { OpenIdClient, type Tokens } from './openid-client.js';
import type { StoredSession } from './sessions.js';

/** A session provider of the configuration, and the identity provider behind it. */
export interface Site {
  readonly name: string;
  readonly config: SessionConfig;
  readonly client: OpenIdClient;
  readonly availability: Availability;
}

export function createSite(name: string, config: SessionConfig, log: Log, now: () => number): Site {
  const client = new OpenIdClient(config.login, now);
  return { name, config, client, availability: new Availability(log, { provider: name }, now) };
}

/** The gateway as browsers see it; `seen` is what the request says of it. */
export function originOf({ config }: Site, seen: string): string {
  const { origin } = config.login;
  return origin === undefined ? seen : new URL(origin).origin;
}

/** What a session keeps of tokens. What did not come this time stays as it was. */
export function keptTokens(tokens: Tokens, before: Partial<StoredSession>, now: number) {
  const claims = tokens.claims ?? before.claims ?? {};
  const scope = tokens.scope ?? before.claims?.scope;
  return {
    // ID tokens do not say what was granted (RFC 6749 §5.1), and rules ask for it.
    claims: claims.scope === undefined && scope !== undefined ? { ...claims, scope } : claims,
    accessToken: tokens.accessToken,
    refreshToken: tokens.refreshToken ?? before.refreshToken ?? null,
    idToken: tokens.idToken ?? before.idToken ?? '',
    accessExpiresAt: tokens.expiresInMs === null ? null : now + tokens.expiresInMs,
    tokensAt: now,
  };
}

/** In the background, as well as it goes: the session is over here whatever the identity provider does. */
export function revokeTokens(
  { client }: Site,
  tokens: { refreshToken: string | null; accessToken: string },
): void {
  const all = async () => {
    if (tokens.refreshToken !== null) await client.revoke(tokens.refreshToken);
    await client.revoke(tokens.accessToken);
  };
  all().catch(() => {});
}
