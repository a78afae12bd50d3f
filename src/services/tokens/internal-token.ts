/** Short-lived tokens for services, signed by the gateway: who is calling, in a form that a service can check. */
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { createSigner } from 'fast-jwt';
import type { AuthConfig } from '../../config/schema/auth.js';
import type { Audience, Introduction } from '../access.js';
import { BoundedMap } from '../bounded-map.js';
import { claimAt, type Identity } from '../identity.js';
import { textOf } from './verifying-key.js';

type Config = NonNullable<AuthConfig['context']['jwt']>;

/** Callers with tokens at hand. */
const REMEMBERED = 10_000;

interface Signed {
  readonly token: string;
  readonly freshUntil: number;
}

export class InternalTokens implements Introduction {
  readonly header: string;
  /** Key set for services (RFC 7517); empty for HS256, whose key is nobody's business. */
  readonly jwks: string;
  readonly #config: Config;
  readonly #now: () => number;
  readonly #sign: (payload: Record<string, unknown>) => string;
  /** By caller, then by audience. */
  readonly #signed = new BoundedMap<Identity, Map<Audience, Signed>>(REMEMBERED);

  /** Throws when the key file has vanished. */
  constructor(config: Config, now: () => number) {
    this.header = config.header;
    this.#config = config;
    this.#now = now;
    const material = textOf(config.key);
    const publicJwk = config.algorithm === 'ES256' ? publicKeyOf(material) : null;
    this.jwks = JSON.stringify({ keys: publicJwk === null ? [] : [publicJwk] });
    this.#sign = createSigner({
      algorithm: config.algorithm,
      key: material,
      ...(publicJwk !== null && { kid: publicJwk.kid }),
    });
  }

  /** Handed out again until half of its life is over: signing takes 30 us or more. */
  token(identity: Identity, audience: Audience): string {
    const now = this.#now();
    let byService = this.#signed.get(identity);
    const known = byService?.get(audience);
    if (known !== undefined && now < known.freshUntil) return known.token;
    if (byService === undefined) {
      byService = new Map();
      this.#signed.set(identity, byService);
    }
    const { lifetime } = this.#config;
    // Never longer than what the caller has shown.
    const expiresAt = Math.min(now + lifetime, identity.expiresAt);
    const token = this.#sign(this.#payload(identity, audience, now, expiresAt));
    byService.set(audience, { token, freshUntil: Math.min(now + lifetime / 2, expiresAt) });
    return token;
  }

  #payload(
    identity: Identity,
    { service, claims }: Audience,
    now: number,
    expiresAt: number,
  ): Record<string, unknown> {
    const { user, consumer, roles, scopes, method, plan } = identity;
    return {
      ...mapped(identity, claims),
      iss: this.#config.issuer,
      aud: service,
      iat: Math.floor(now / 1000),
      exp: Math.floor(expiresAt / 1000),
      auth_method: method,
      ...(user !== '' && { sub: user }),
      ...(consumer !== '' && { consumer }),
      ...(plan !== '' && { plan }),
      ...(roles.length > 0 && { roles }),
      ...(scopes.length > 0 && { scope: scopes.join(' ') }),
    };
  }
}

function mapped(identity: Identity, claims: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    claims.flatMap((claim) => {
      const value = claimAt(identity.claims, claim);
      return value === undefined ? [] : [[claim, value]];
    }),
  );
}

function publicKeyOf(pem: string) {
  const jwk = createPublicKey(createPrivateKey(pem)).export({ format: 'jwk' });
  const { kty, crv, x, y } = jwk;
  // RFC 7638: the thumbprint names the key, whoever computes it.
  const kid = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
  return { kty, crv, x, y, kid, alg: 'ES256', use: 'sig' };
}
