/** What was decided about one request. One object per engine, overwritten by the next decision. */

/** Limits that one request may be subject to. */
export const MOST_LIMITS = 32;

/** Waiting does not help: the request costs more than the limit ever admits. */
export const NEVER = Number.POSITIVE_INFINITY;

/** What a client is told where nobody can know: a concurrency limit, or a table without room. */
export const SOON_MS = 1_000;

export class Decision {
  admitted = true;
  /** The limit that refused, of several the one that would for longest, by its place in the list; -1: none. */
  refusedBy = -1;
  /** Not the limit but the table is full (policy `reject-new`). */
  noRoom = false;
  /** Bit i: limit i would have refused, but is on trial. */
  shadowed = 0;
  /** Bit i: limit i refuses, and would after `waits[i]` milliseconds no longer. */
  refused = 0;
  readonly waits = new Float64Array(MOST_LIMITS);
  /** Milliseconds until the request would have been admitted by all, as far as one can tell; NEVER. */
  get retryAfterMs(): number {
    return this.figures[0] as number;
  }

  /** For each limit what is left to this key, and the milliseconds until all of it is there again. */
  readonly remaining = new Float64Array(MOST_LIMITS);
  readonly resetMs = new Float64Array(MOST_LIMITS);
  /** For each limit on concurrency the token that `release` takes; -1: nothing is held. Copy them before the next decision. */
  readonly holds = new Int32Array(MOST_LIMITS).fill(-1);

  /** For the algorithms: numbers with a fraction, which as fields would be allocated anew with each change. */
  readonly figures = new Float64Array(1);
  /** For the algorithms: the slot each limit has looked at or taken from; -1: none yet. */
  readonly slots = new Int32Array(MOST_LIMITS);

  begin(limits: number): void {
    this.admitted = true;
    this.refusedBy = -1;
    this.noRoom = false;
    this.shadowed = 0;
    this.refused = 0;
    this.figures[0] = 0;
    for (let i = 0; i < limits; i++) {
      this.holds[i] = -1;
      this.slots[i] = -1;
    }
  }

  /** It is refused by limit i after all: not for what that counts, but as others wait for it. */
  overrule(i: number): void {
    this.admitted = false;
    this.refusedBy = i;
    this.noRoom = false;
  }

  /** For the algorithms: how long to wait because of limit i. */
  wait(ms: number): void {
    this.figures[0] = ms;
  }
}

/** One way of counting, with the figures of one limit. `i` is where in the decision its figures go. */
export interface Algorithm {
  /** What `quota` and `w` of RateLimit-Policy say: how many, in how many seconds; 0 without a window. */
  readonly quota: number;
  readonly windowSeconds: number;
  /** What is counted, in the words of RateLimit-Policy. Absent: requests. */
  readonly unit?: 'concurrent-requests';
  /** Its figures are not for clients. */
  readonly untold?: boolean;
  /** Whether the request would be admitted. Changes nothing in shared memory. */
  peek(d: Decision, i: number, h1: number, h2: number, cost: number, now: number): boolean;
  /** Admits it and counts it, both or neither. On false `d.figures[0]` says how long to wait. */
  take(d: Decision, i: number, h1: number, h2: number, cost: number, now: number): boolean;
  /** Takes back what `take` has just counted. */
  refund(d: Decision, i: number, h1: number, cost: number, now: number): void;
}
