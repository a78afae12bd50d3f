/** What workers and the primary say to each other about idempotency keys: plain data, it crosses process borders. */

/** An answer of the service, complete. */
export interface KeptAnswer {
  readonly status: number;
  /** Flat, as the service sent them, without those of its connection. */
  readonly headers: readonly string[];
  readonly body: Buffer;
}

/** May this request be sent? */
export interface ClaimCall {
  /** Of this claim alone: only who has it may say what became of the request. */
  readonly token: string;
  /** Stands for caller and key. */
  readonly id: string;
  /** Stands for all of the request that must be the same. */
  readonly fingerprint: string;
  /** How long the outcome is kept, in milliseconds. */
  readonly ttlMs: number;
  readonly worker: number;
  readonly pid: number;
}

export type ClaimAnswer =
  /** It is the first with its key: it may be sent. */
  | { readonly state: 'claimed' }
  /** The first one is under way. */
  | { readonly state: 'running' }
  /** The key belongs to another request. */
  | { readonly state: 'reused' }
  /** The first one was sent, and nobody knows what became of it. */
  | { readonly state: 'unknown' }
  /** The first one was answered, with more than is kept. */
  | { readonly state: 'large'; readonly status: number }
  | { readonly state: 'done'; readonly answer: KeptAnswer }
  /** Nobody can say. */
  | { readonly state: 'unavailable'; readonly why: string };

/** What became of a request that was claimed. `released`: it never left, or the service says that it did nothing. */
export type Settlement =
  | { readonly state: 'released' }
  | { readonly state: 'unknown' }
  | { readonly state: 'large'; readonly status: number }
  | { readonly state: 'done'; readonly answer: KeptAnswer };

export interface SettleCall {
  readonly token: string;
  readonly settlement: Settlement;
}

/** What a worker asks of the primary: the argument and the answer of each question. */
export interface KeyCalls {
  /** May a request with an idempotency key be sent? */
  claimKey: [ClaimCall, ClaimAnswer];
  /** What became of it. `stored` is false when the key is no longer the caller's. */
  settleKey: [SettleCall, { stored: boolean }];
}
