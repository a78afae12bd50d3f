/** Tokens letter by letter. Nothing here checks anything. */
import { createHmac } from 'node:crypto';
import { encode, type IssuerKey, signature } from '../../../harness/issuer-keys.ts';
import { AUDIENCE, type Scene } from '../scene.ts';

export const SECRET = 'a secret of forty-eight bytes, enough for HS384!';

export function nowS(): number {
  return Math.floor(Date.now() / 1000);
}

/** Claims that both kinds of providers accept; undefined leaves one out. */
export function claimsOf(scene: Scene, more: Record<string, unknown> = {}): Record<string, unknown> {
  const iat = nowS();
  return { iss: scene.issuer.url, aud: AUDIENCE, sub: 'alice', iat, exp: iat + 300, ...more };
}

/** The third segment: an HMAC over the first two. */
export function hmac(signed: string, secret: string | Buffer = SECRET, hash = 'sha256'): string {
  return createHmac(hash, secret).update(signed).digest('base64url');
}

/** HS256 by the right secret, over any header and payload. */
export function hs(payload: unknown, header: object = { alg: 'HS256', typ: 'JWT' }): string {
  const signed = `${encode(header)}.${typeof payload === 'string' ? segment(payload) : encode(payload)}`;
  return `${signed}.${hmac(signed)}`;
}

/** Signed by a key, over any header and payload; `kid` and `alg` are those of the key unless the header says otherwise. */
export function signed(key: IssuerKey, payload: unknown, header: object = {}): string {
  const body = typeof payload === 'string' ? segment(payload) : encode(payload);
  const both = `${encode({ alg: key.alg, kid: key.kid, typ: 'JWT', ...header })}.${body}`;
  return `${both}.${signature(both, key)}`;
}

export function segment(text: string | Buffer): string {
  return Buffer.from(text).toString('base64url');
}

/** Providers by name: `players` with published keys, `internal` with a shared secret. */
export function providers(issuer: { url: string; jwksUrl: string }) {
  const expected = { issuer: issuer.url, audience: AUDIENCE };
  return {
    players: {
      type: 'jwt',
      algorithms: ['RS256', 'ES256', 'EdDSA'],
      jwks: issuer.jwksUrl,
      ...expected,
    },
    internal: { type: 'jwt', algorithms: ['HS256'], secret: SECRET, ...expected },
  };
}
