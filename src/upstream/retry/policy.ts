/** When a request is tried again, and after what wait. */
import type { Failure } from '../../errors.js';
import * as failures from '../../errors.js';

export interface RetryOptions {
  readonly attempts: number;
  readonly on: readonly (string | number)[];
  readonly backoff: { readonly base: number; readonly max: number };
}

/** Why a request is tried again: an index into `RETRY_REASONS` of observe/resilience/. */
export const CONNECT = 0;
export const RESET = 1;
export const TIMEOUT = 2;
export const STATUS = 3;
/** Not a reason to try again, whatever the configuration says. */
export const NO_REASON = -1;

export class RetryPolicy {
  /** Further tries at most. */
  readonly attempts: number;
  /** Longest wait, in milliseconds. */
  readonly maxMs: number;
  readonly statuses: StatusSet;
  readonly #reasons: readonly boolean[];
  readonly #timeouts: boolean;
  readonly #baseMs: number;
  readonly #random: () => number;

  constructor({ attempts, on, backoff }: RetryOptions, random: () => number = Math.random) {
    this.attempts = attempts;
    this.maxMs = backoff.max;
    this.statuses = new StatusSet(on);
    this.#reasons = [on.includes('connect'), on.includes('reset'), on.includes('timeout'), true];
    this.#timeouts = on.includes('timeout');
    this.#baseMs = backoff.base;
    this.#random = random;
  }

  /** Why this failure may be tried again; NO_REASON: it may not. */
  reasonOf(failure: Failure): number {
    const reason = kindOf(failure);
    if (reason === NO_REASON || this.#reasons[reason]) return reason;
    return failure === failures.CONNECT_TIMEOUT && this.#timeouts ? TIMEOUT : NO_REASON;
  }

  /** Milliseconds: anything from nothing to a bound that doubles with each retry ("full jitter"). */
  wait(retriesBefore: number): number {
    return this.#random() * Math.min(this.maxMs, this.#baseMs * 2 ** retriesBefore);
  }
}

/** Statuses that say the service could not do its part. */
export class StatusSet {
  readonly #listed: ReadonlySet<string | number>;
  readonly #all5xx: boolean;

  constructor(listed: readonly (string | number)[]) {
    this.#listed = new Set(listed);
    this.#all5xx = this.#listed.has('5xx');
  }

  has(status: number): boolean {
    return (this.#all5xx && status >= 500) || this.#listed.has(status);
  }
}

function kindOf(failure: Failure): number {
  switch (failure) {
    case failures.CONNECT_FAILED:
    case failures.NAME_NOT_RESOLVED:
    case failures.TLS_FAILED:
    case failures.CONNECT_TIMEOUT:
      return CONNECT;
    case failures.UPSTREAM_RESET:
    case failures.UPSTREAM_INCOMPLETE:
      return RESET;
    case failures.FIRST_BYTE_TIMEOUT:
    case failures.IDLE_TIMEOUT:
      return TIMEOUT;
    default:
      return NO_REASON;
  }
}

/**
 * Milliseconds that the service asks to be left alone for (`Retry-After`, RFC 9110 §10.2.3), as seconds or as a date; 0 when
 * it does not. `fields` are flat: name, value, …
 */
export function retryAfterMs(fields: readonly string[], wallClockMs: number): number {
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] !== 'retry-after') continue;
    const value = fields[i + 1];
    if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000;
    const at = Date.parse(value);
    return Number.isNaN(at) ? 0 : Math.max(0, at - wallClockMs);
  }
  return 0;
}
