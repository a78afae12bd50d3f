/**
 * Who holds which idempotency key, and what became of the request. A claim is durable before it is granted. It belongs to
 * one life of one gateway, which keeps a lease: when that ends, the outcome of what it had under way is unknown, and stays
 * so until the key expires, the gateway turns out to live and says more, or an operator clears it. It is never free again
 * by itself.
 */
import type { ClaimAnswer, Settlement } from '../../idempotency/claims.js';

/** How long a gateway counts as alive after it last said so; and how often it says so. */
export const LEASE_MS = 5000;
export const BEAT_EVERY_MS = 1500;
/** A request may be under way for longer than its outcome is kept. */
export const LONGEST_RUN_MS = 86_400_000;

export interface Claim {
  readonly token: string;
  readonly id: string;
  readonly fingerprint: string;
  readonly ttlMs: number;
}

/** For operators: never the answer itself. */
export interface KeyView {
  readonly state: 'running' | 'done' | 'large' | 'unknown';
  /** Of the answer; 0: there is none. */
  readonly status: number;
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly until: number;
}

export interface Ledger {
  /** Rejects with a StoreFault when it cannot be known; the claim may have been made even so. */
  claim(claim: Claim): Promise<Exclude<ClaimAnswer, { state: 'unavailable' }>>;
  /** False: the key is somebody else's by now, and nothing was written. Rejects with a StoreFault. */
  settle(claim: Claim, settlement: Settlement): Promise<boolean>;
  /** Renews the lease; where claims were lost that are under way here, it makes them again. */
  beat(): Promise<void>;
  look(id: string): Promise<KeyView | null>;
  /** A request that is under way is left alone. */
  clear(id: string): Promise<'cleared' | 'none' | 'running'>;
  close(): Promise<void>;
}
