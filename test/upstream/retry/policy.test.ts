import { describe, expect, it } from 'vitest';
import * as failures from '../../../src/errors.ts';
import {
  CONNECT,
  NO_REASON,
  RESET,
  RetryPolicy,
  retryAfterMs,
  StatusSet,
  TIMEOUT,
} from '../../../src/upstream/retry/policy.ts';

const backoff = { base: 25, max: 1_000 };

function policy(...on: (string | number)[]): RetryPolicy {
  return new RetryPolicy({ attempts: 2, on, backoff });
}

describe('a reason to try again', () => {
  it.each([
    [failures.CONNECT_FAILED, 'connect', CONNECT],
    [failures.NAME_NOT_RESOLVED, 'connect', CONNECT],
    [failures.TLS_FAILED, 'connect', CONNECT],
    [failures.CONNECT_TIMEOUT, 'connect', CONNECT],
    [failures.CONNECT_TIMEOUT, 'timeout', TIMEOUT],
    [failures.UPSTREAM_RESET, 'reset', RESET],
    [failures.UPSTREAM_INCOMPLETE, 'reset', RESET],
    [failures.FIRST_BYTE_TIMEOUT, 'timeout', TIMEOUT],
    [failures.IDLE_TIMEOUT, 'timeout', TIMEOUT],
  ])('%o with on: [%s]', (failure, condition, reason) => {
    expect(policy(condition).reasonOf(failure)).toBe(reason);
    const others = ['connect', 'reset', 'timeout'].filter((other) => other !== condition);
    if (failure !== failures.CONNECT_TIMEOUT)
      expect(policy(...others, 503).reasonOf(failure)).toBe(NO_REASON);
  });

  it('is never a mistake of the client or of ours, nor the end of all time', () => {
    const all = policy('connect', 'reset', 'timeout', '5xx');
    for (const failure of failures.failures) {
      if (failure.blame !== 'upstream') expect(all.reasonOf(failure), failure.code).toBe(NO_REASON);
    }
    expect(all.reasonOf(failures.TOTAL_TIMEOUT)).toBe(NO_REASON);
    expect(all.reasonOf(failures.UPSTREAM_PROTOCOL_ERROR)).toBe(NO_REASON);
  });
});

describe('the wait', () => {
  it('is anything below a bound that doubles up to the longest', () => {
    const bounds = [25, 50, 100, 200, 400, 800, 1_000, 1_000];
    const most = new RetryPolicy({ attempts: 10, on: ['reset'], backoff }, () => 1);
    const least = new RetryPolicy({ attempts: 10, on: ['reset'], backoff }, () => 0);
    expect(bounds.map((_, n) => most.wait(n))).toEqual(bounds);
    expect(bounds.map((_, n) => least.wait(n))).toEqual(bounds.map(() => 0));
  });

  it('is spread evenly', () => {
    const waits = Array.from({ length: 4_000 }, () => policy('reset').wait(2));
    const mean = waits.reduce((sum, wait) => sum + wait, 0) / waits.length;
    expect(mean).toBeGreaterThan(45);
    expect(mean).toBeLessThan(55);
    expect(Math.max(...waits)).toBeLessThan(100);
  });
});

describe('a list of statuses', () => {
  it('holds those that it names', () => {
    const statuses = new StatusSet(['connect', 503, 429]);
    expect([429, 500, 503].map((status) => statuses.has(status))).toEqual([true, false, true]);
  });

  it('holds all above 500 with 5xx', () => {
    const statuses = new StatusSet(['5xx']);
    expect([404, 500, 503, 599].map((status) => statuses.has(status))).toEqual([false, true, true, true]);
  });
});

describe('Retry-After', () => {
  const now = Date.parse('Wed, 21 Oct 2026 07:28:00 GMT');
  it.each([
    ['absent', [], 0],
    ['seconds', ['x-a', '1', 'retry-after', '2'], 2_000],
    ['a date', ['retry-after', 'Wed, 21 Oct 2026 07:28:05 GMT'], 5_000],
    ['a date that has passed', ['retry-after', 'Wed, 21 Oct 2026 07:27:05 GMT'], 0],
    ['nonsense', ['retry-after', 'soon'], 0],
    ['below nothing', ['retry-after', '-5'], 0],
    ['as a value of another field', ['x-a', 'retry-after', 'x-b', '3'], 0],
  ])('%s', (_what, fields, ms) => {
    expect(retryAfterMs(fields as string[], now)).toBe(ms);
  });
});
