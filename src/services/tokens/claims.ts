/** What the payload of a token must say, and who the caller is by it. */
import type { ClaimsConfig, JwtConfig } from '../../config/schema/auth.js';
import { type AuthMethod, claimAt, type Identity, type Refusal } from '../identity.js';
import { AUDIENCE, CLAIMS, EXPIRED, ISSUER, NOT_YET } from './refusals.js';

type Claims = Readonly<Record<string, unknown>>;

export interface IdentityParts {
  readonly method: AuthMethod;
  readonly provider: string;
  /** Which claims say what. */
  readonly claims: ClaimsConfig;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** The last second that a `Date` can name: beyond, it is no time. */
const LAST_SECOND = 8.64e12;

const NOTHING: readonly string[] = Object.freeze([]);

/** RFC 7519 §4.1, RFC 8725 §3.8 to 3.10. `now` in milliseconds since 1970; null: nothing to say against it. */
export function judgeClaims(claims: Claims, config: JwtConfig, now: number): Refusal | null {
  const { exp, nbf, iat, iss, aud, sub, jti } = claims;
  if (!isTime(exp)) return CLAIMS;
  if (nbf !== undefined && !isTime(nbf)) return CLAIMS;
  if (iat !== undefined && !isTime(iat)) return CLAIMS;
  if (iss !== undefined && typeof iss !== 'string') return CLAIMS;
  if (sub !== undefined && typeof sub !== 'string') return CLAIMS;
  if (jti !== undefined && typeof jti !== 'string') return CLAIMS;
  if (aud !== undefined && typeof aud !== 'string' && !isTexts(aud)) return CLAIMS;
  if (!isExpectedIssuer(iss, config)) return ISSUER;
  if (config.audience && !isExpectedAudience(aud, config.audience)) return AUDIENCE;
  const { skew } = config;
  if (now >= exp * 1000 + skew) return EXPIRED;
  if (nbf !== undefined && now + skew < nbf * 1000) return NOT_YET;
  if (iat !== undefined && now + skew < iat * 1000) return NOT_YET;
  return null;
}

export function isExpectedIssuer(iss: unknown, { issuer }: JwtConfig): boolean {
  return !issuer || (typeof iss === 'string' && issuer.includes(iss));
}

/** Who calls, by claims that have been judged. Claims of another type than theirs say nothing. */
export function identityOf(claims: Claims, parts: IdentityParts): Identity {
  const { user, roles, scopes, consumer, plan } = parts.claims;
  return Object.freeze({
    method: parts.method,
    provider: parts.provider,
    user: wordAt(claims, user),
    consumer: consumer === undefined ? '' : wordAt(claims, consumer),
    roles: wordsAt(claims, roles),
    scopes: wordsAt(claims, scopes),
    plan: plan === undefined ? '' : wordAt(claims, plan),
    keyId: '',
    claims,
    expiresAt: parts.expiresAt,
  });
}

/** RFC 7519 §2, NumericDate. */
export function isTime(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= LAST_SECOND;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((member) => typeof member === 'string');
}

export function isExpectedAudience(aud: unknown, expected: readonly string[]): boolean {
  if (typeof aud === 'string') return expected.includes(aud);
  return Array.isArray(aud) && aud.some((one) => expected.includes(one));
}

/** Some issuers number their users. */
function wordAt(claims: Claims, path: string): string {
  const value = claimAt(claims, path);
  if (typeof value === 'string') return value;
  return Number.isSafeInteger(value) ? String(value) : '';
}

function wordsAt(claims: Claims, path: string): readonly string[] {
  const value = claimAt(claims, path);
  if (typeof value === 'string') {
    if (value === '') return NOTHING;
    return Object.freeze(value.split(' ').filter((word) => word !== ''));
  }
  if (!Array.isArray(value)) return NOTHING;
  return Object.freeze(value.filter((word): word is string => typeof word === 'string' && word !== ''));
}
