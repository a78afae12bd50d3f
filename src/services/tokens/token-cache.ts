import { BoundedMap } from '../bounded-map.js';
import type { Identity, Refusal } from '../identity.js';
import type { Candidates } from './key-ring.js';

/** A token that was good, and what must stay as it is for it to be good. */
export interface Verified {
  readonly identity: Identity;
  readonly keys: Candidates;
  /** Seconds since 1970; 0 when the token does not say. */
  readonly issuedAt: number;
  /** '' when it has none. */
  readonly tokenId: string;
  /** Milliseconds since 1970. */
  readonly deadAt: number;
  /** State of keys and revocations it was last compared with. */
  comparedWith: number;
}

interface Refused {
  readonly refusal: Refusal;
  readonly until: number;
}

const REFUSED_MS = 5000;
const MOST_REFUSED = 2000;

/** Tokens that were judged, by their exact text. Times are milliseconds since 1970. */
export class TokenCache {
  readonly #verified: BoundedMap<string, Verified>;
  /** Apart: a flood of bad tokens must not push out the good ones. */
  readonly #refused = new BoundedMap<string, Refused>(MOST_REFUSED);

  constructor(entries: number) {
    this.#verified = new BoundedMap(entries);
  }

  verified(token: string, now: number): Verified | undefined {
    const entry = this.#verified.get(token);
    return entry !== undefined && now < entry.deadAt ? entry : undefined;
  }

  refused(token: string, now: number): Refusal | undefined {
    const entry = this.#refused.get(token);
    return entry !== undefined && now < entry.until ? entry.refusal : undefined;
  }

  accept(token: string, entry: Verified): void {
    this.#verified.set(token, entry);
  }

  refuse(token: string, refusal: Refusal, now: number): void {
    this.#refused.set(token, { refusal, until: now + REFUSED_MS });
  }

  forget(token: string): void {
    this.#verified.delete(token);
  }

  /** Why a token was refused may no longer hold. */
  forgetRefused(): void {
    this.#refused.clear();
  }

  clear(): void {
    this.#verified.clear();
    this.#refused.clear();
  }
}
