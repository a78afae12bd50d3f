/** What the store knows of a session. Its id there is the SHA-256 of the cookie's value: who reads the store cannot use it. */
import { createHash } from 'node:crypto';

export interface SessionRecord {
  readonly provider: string;
  readonly user: string;
  /** Of the ID token. */
  readonly claims: Readonly<Record<string, unknown>>;
  readonly accessToken: string;
  /** null: the identity provider gave none. */
  readonly refreshToken: string | null;
  readonly idToken: string;
  /** Times are milliseconds since 1970. null: the identity provider did not say. */
  readonly accessExpiresAt: number | null;
  readonly issuedAt: number;
  readonly lastSeenAt: number;
  readonly idleUntil: number;
  readonly absoluteUntil: number;
  /** All sessions that one login has led to. */
  readonly family: string;
  /** The session that took the place of this one. */
  readonly replacedBy?: string;
  readonly replacedAt?: number;
}

/** Requests under way with the old cookie may still arrive for this long. */
export const REPLACED_GRACE_MS = 10_000;

export function sessionId(sid: string): string {
  return createHash('sha256').update(sid).digest('hex');
}
