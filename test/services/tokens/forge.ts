/** What the tests of tokens have in common: requests, providers, and tokens good and bad. */
import { createHmac } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { auth, type JwtConfig } from '../../../src/config/schema/auth.ts';
import { Exchange } from '../../../src/exchange.ts';
import { isIdentity, type Outcome } from '../../../src/services/identity.ts';
import { VerifyPool } from '../../../src/services/threads/pool.ts';
import { JwtProvider, type TokenEnv } from '../../../src/services/tokens/jwt-provider.ts';
import { createKey, encode, type IssuerKey, signature } from '../../harness/issuer-keys.ts';

export const NOW = 1_800_000_000_000;
export const NOW_S = NOW / 1000;
export const SECRET = 'a secret of forty-eight bytes, enough for HS384!';
export const ISSUER = 'https://id.example.com';
export const AUDIENCE = 'https://api.example.com';

/** One of each kind, for all tests of a file: RSA keys take long to make. */
export const RS256 = createKey('RS256');
export const ES256 = createKey('ES256');
export const EDDSA = createKey('EdDSA');

export const CLAIMS = { iss: ISSUER, aud: AUDIENCE, sub: 'alice', iat: NOW_S - 10, exp: NOW_S + 300 };

export function pem(key: IssuerKey): string {
  return key.publicKey.export({ type: 'spki', format: 'pem' }).toString();
}

export function jwtConfig(options: Record<string, unknown>): JwtConfig {
  return auth.parse({ providers: { players: { type: 'jwt', ...options } } }).providers.players as JwtConfig;
}

export function hsConfig(options: Record<string, unknown> = {}): JwtConfig {
  return jwtConfig({ algorithms: ['HS256'], secret: SECRET, issuer: ISSUER, audience: AUDIENCE, ...options });
}

export function pemConfig(options: Record<string, unknown> = {}): JwtConfig {
  const publicKey = [RS256, ES256, EDDSA].map(pem);
  const algorithms = ['RS256', 'ES256', 'EdDSA'];
  return jwtConfig({ algorithms, publicKey, issuer: ISSUER, audience: AUDIENCE, ...options });
}

/** Time stands still unless `env` has a clock. */
export function provider(config: JwtConfig, env: Partial<TokenEnv> = {}): JwtProvider {
  const pool = () => {
    throw new Error('no threads here');
  };
  return new JwtProvider('players', config, { now: () => NOW, keys: null, pool, revocations: null, ...env });
}

/** A pool that ends with the test, or whenever `close` says. */
export function pool(options: Partial<ConstructorParameters<typeof VerifyPool>[0]> = {}): VerifyPool {
  const made = new VerifyPool({ threads: 1, maxQueue: 4096, ...options });
  try {
    onTestFinished(() => made.close());
  } catch {
    // In a hook: it closes it.
  }
  return made;
}

/** Signs two segments as they are. */
export function hmac(signed: string, secret: string | Buffer = SECRET, hash = 'sha256'): string {
  return createHmac(hash, secret).update(signed).digest('base64url');
}

export function hs(claims: object = CLAIMS, header: object = { alg: 'HS256', typ: 'JWT' }): string {
  return hsRaw(JSON.stringify(claims), JSON.stringify(header));
}

/** With header and payload letter by letter. */
export function hsRaw(payload: string | Buffer, header = '{"alg":"HS256"}'): string {
  const signed = `${segment(header)}.${segment(payload)}`;
  return `${signed}.${hmac(signed)}`;
}

export function segment(text: string | Buffer): string {
  return Buffer.from(text).toString('base64url');
}

export function signed(key: IssuerKey, claims: object = CLAIMS, header: object = {}): string {
  const signed = `${encode({ alg: key.alg, kid: key.kid, ...header })}.${encode(claims)}`;
  return `${signed}.${signature(signed, key)}`;
}

export function request(headers: readonly string[], parts: Partial<Exchange> = {}): Exchange {
  return Object.assign(new Exchange(0), { headers, ...parts });
}

export function bearer(token: string): Exchange {
  return request(['host', 'x', 'authorization', `Bearer ${token}`]);
}

/** The user, or why not. */
export function said(outcome: Outcome): string | null {
  if (outcome === null) return null;
  return isIdentity(outcome) ? `user ${outcome.user}` : `${outcome.failure.status} ${outcome.reason}`;
}

export async function tell(jwt: JwtProvider, token: string): Promise<string | null> {
  return said(await jwt.authenticate(bearer(token)));
}
