/** Whether and when another try follows; what a reload changes of it, and what it leaves. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { ServiceConfig } from '../../../src/config/schema/services/service.ts';
import { Exchange } from '../../../src/exchange.ts';
import { ResilienceStats } from '../../../src/observe/resilience/service-stats.ts';
import type { Attempt } from '../../../src/upstream/attempt.ts';
import { RESET, type RetryPolicy } from '../../../src/upstream/retry/policy.ts';
import { Recovery } from '../../../src/upstream/retry/recovery.ts';
import { type Resilience, ResiliencePool } from '../../../src/upstream/retry/resilience.ts';
import { configOf } from '../../config/mistakes.ts';

let pool: ResiliencePool;
let stats: ResilienceStats;

beforeEach(() => {
  pool = new ResiliencePool();
  stats = new ResilienceStats();
});

function options(text: string): ServiceConfig {
  return configOf(`services: { quotes: { endpoints: [http://a], ${text} } }\n`).services.quotes;
}

/** As a reload does it. */
function load(text: string): Resilience {
  const resilience = pool.get('quotes', options(text), false, stats) as Resilience;
  pool.adopt([resilience]);
  return resilience;
}

function tryAgain(resilience: Resilience, x: Exchange, askedMs = 0, now = 0): number {
  x.recovery ??= new Recovery();
  return resilience.retryIn(x, x.recovery, resilience.retries as RetryPolicy, RESET, askedMs, now);
}

describe('another try', () => {
  it('follows as often as it is allowed', () => {
    const resilience = load('retries: { attempts: 2, backoff: { base: 100ms } }');
    const x = new Exchange(0);
    const first = tryAgain(resilience, x);
    expect(first).toBeGreaterThanOrEqual(0);
    expect(first).toBeLessThan(100);
    expect(tryAgain(resilience, x)).toBeLessThan(200);
    expect(tryAgain(resilience, x)).toBe(-1);
  });

  it('does not follow when it would have less time than the service usually takes', () => {
    const resilience = load('retries: { attempts: 9, backoff: { base: 1ms } }');
    const x = new Exchange(0);
    x.dueAt = 150;
    expect(tryAgain(resilience, x)).toBeGreaterThanOrEqual(0);
    for (let i = 0; i < 40; i++) {
      const startedAt = performance.now() - 200;
      resilience.answered({ startedAt, since: startedAt } as Attempt, 200);
    }
    expect(tryAgain(resilience, x)).toBe(-1);
    x.dueAt = 1_000;
    expect(tryAgain(resilience, x)).toBeGreaterThanOrEqual(0);
    expect(tryAgain(resilience, x, 0, 900)).toBe(-1);
  });

  it('does not follow at the very end of the time, whatever the service', () => {
    const resilience = load('retries: { backoff: { base: 1ms } }');
    const x = new Exchange(0);
    x.dueAt = 15;
    expect(tryAgain(resilience, x)).toBe(-1);
  });

  it('waits for what the service asks, up to the longest wait', () => {
    const resilience = load('retries: { attempts: 3, backoff: { base: 1ms, max: 2s } }');
    const x = new Exchange(0);
    expect(tryAgain(resilience, x, 2_000)).toBe(2_000);
    expect(tryAgain(resilience, x, 3_000)).toBe(-1);
  });

  it('does not follow when the budget is used up', () => {
    const resilience = load('retries: { budget: { share: 0, minimum: 0.3 } }');
    const tries = [1, 2, 3, 4].map(() => tryAgain(resilience, new Exchange(0)) >= 0);
    expect(tries).toEqual([true, true, true, false]);
  });
});

describe('a reload', () => {
  it('does not give back what was spent', () => {
    const text = 'retries: { budget: { share: 0, minimum: 0.1 } }';
    expect(tryAgain(load(text), new Exchange(0))).toBeGreaterThanOrEqual(0);
    expect(tryAgain(load(text), new Exchange(0))).toBe(-1);
    expect(
      tryAgain(load('retries: { budget: { share: 0, minimum: 1 } }'), new Exchange(0)),
    ).toBeGreaterThanOrEqual(0);
  });

  it('that is built and never taken into force changes nothing', () => {
    const { bulkhead } = load('bulkhead: { maxInFlight: 5 }');
    pool.get('quotes', options('bulkhead: { maxInFlight: 9 }'), false, stats);
    expect(bulkhead?.limit).toBe(5);
  });

  it('keeps the places that are taken, under the new bound', () => {
    const before = load('bulkhead: { maxInFlight: 2 }').bulkhead;
    before?.enter(new Exchange(0));
    const after = load('bulkhead: { maxInFlight: 1 }').bulkhead;
    expect(after).toBe(before);
    expect(after?.enter(new Exchange(0))).toBe(false);
  });

  it('that takes a bulkhead away takes its gauges away', () => {
    load('bulkhead: { maxInFlight: 2 }');
    expect(stats.flush().services).toHaveLength(1);
    pool.adopt([]);
    expect(stats.flush().services).toEqual([]);
  });

  it('that takes the options away takes what was learnt away', () => {
    const text = 'retries: { budget: { share: 0, minimum: 0.1 } }';
    tryAgain(load(text), new Exchange(0));
    expect(pool.get('quotes', options('balance: random'), false, stats)).toBeNull();
    pool.adopt([]);
    expect(tryAgain(load(text), new Exchange(0))).toBeGreaterThanOrEqual(0);
  });
});
