/** Counts of quotas between memory and disk, with a real file. */

import { beforeEach, expect, it, onTestFinished } from 'vitest';
import type { Config } from '../../../src/config/schema.ts';
import { QuotaControl } from '../../../src/control/quotas/quota-control.ts';
import { createLog } from '../../../src/observe/log.ts';
import { Quota } from '../../../src/services/limits/algorithms/quota.ts';
import { Decision } from '../../../src/services/limits/decision.ts';
import { LimitMemory } from '../../../src/services/limits/memory.ts';
import { QuotaFile, SWEEP_BEGIN } from '../../../src/services/store/quotas/quota-file.ts';
import { eventually } from '../../harness/eventually.ts';
import { storeFolder } from '../../services/store/store-folder.ts';
import { plainSegment } from '../../shared/memory.ts';

const DAY = 86_400_000;
let logged: Record<string, unknown>[];
const log = createLog({ write: (line) => void logged.push(JSON.parse(line)) }, 'info', {});

beforeEach(() => {
  logged = [];
});

function memoryFor(keys = 1000): LimitMemory {
  return new LimitMemory(plainSegment({ keys, workers: 1, holdsPerWorker: 16 }, Date.now()), 1, 'reject-new');
}

function controlOf(memory: LimitMemory, data: string): QuotaControl {
  const control = new QuotaControl({ data, memory, log });
  control.follow({ limiter: { history: 62 * DAY } } as Config);
  return control;
}

function counting(memory: LimitMemory) {
  const d = new Decision();
  const quota = new Quota(memory.table, 1000, 'day', (now) => memory.clock.calendar(now), memory.calendar);
  return {
    add: (key: number, cost = 1) =>
      quota.take(d, 0, Math.imul(key, 0x9e3779b1), key, cost, memory.clock.now()),
    used(key: number) {
      quota.peek(d, 0, Math.imul(key, 0x9e3779b1), key, 1, memory.clock.now());
      return 1000 - (d.remaining[0] as number);
    },
    refund: (key: number, cost: number) =>
      quota.refund(d, 0, Math.imul(key, 0x9e3779b1), cost, memory.clock.now()),
  };
}

const note = (h1: number, used: number) => ({
  ...{ limit: 'daily', per: 'day' as const, h1, h2: 7, used, max: 100, warn: true },
  ...{ consumer: 'acme', user: '', keyId: '', plan: 'free' },
});

it('brings counts and the seed back, with what was refunded', async () => {
  const data = storeFolder();
  const before = memoryFor();
  const first = controlOf(before, data);
  const count = counting(before);
  for (let i = 0; i < 500; i++) count.add(i, 1 + (i % 9));
  count.add(7, 5);
  count.refund(7, 5);
  await first.close();

  const after = memoryFor();
  expect(after.table.seeds().durable).not.toEqual(before.table.seeds().durable);
  const second = controlOf(after, data);
  expect(after.table.seeds().durable).toEqual(before.table.seeds().durable);
  const again = counting(after);
  expect(Array.from({ length: 500 }, (_, i) => again.used(i))).toEqual(
    Array.from({ length: 500 }, (_, i) => 1 + (i % 9)),
  );
  await second.close();
});

it('writes by itself, twice a second, and only what has changed', async () => {
  const data = storeFolder();
  const memory = memoryFor();
  const control = controlOf(memory, data);
  onTestFinished(() => control.close());
  const count = counting(memory);
  count.add(1);
  const reader = QuotaFile.open(data);
  onTestFinished(() => reader.close());
  const entries = () => [...reader.valid(Date.now())].map((one) => one.count);
  await eventually(() => entries().join() === '1');
  count.add(2, 5);
  await control.flush();
  // What the reader has opened in this turn of the event loop, it keeps.
  await eventually(() => entries().sort().join() === '1,5');
});

it('says that there is no room for all that comes back', async () => {
  const data = storeFolder();
  const large = memoryFor(5000);
  const first = controlOf(large, data);
  const count = counting(large);
  for (let i = 0; i < 5000; i++) count.add(i);
  await first.close();
  const second = controlOf(memoryFor(40), data);
  const lost = logged.find(({ msg }) => String(msg).startsWith('counts of quotas found no room'));
  expect(lost).toMatchObject({ level: 'warn', counts: expect.any(Number) });
  await second.close();
});

it('tells once per key and period that it comes near its end, over restarts too', async () => {
  const data = storeFolder();
  const first = controlOf(memoryFor(), data);
  const now = Date.parse('2026-03-01T12:00:00Z');
  first.thresholds.passed(note(1, 80), now);
  first.thresholds.passed(note(1, 81), now);
  first.thresholds.passed(note(2, 90), now);
  expect(first.thresholds.counts).toEqual(new Map([['daily', 2]]));
  await first.close();
  const second = controlOf(memoryFor(), data);
  second.thresholds.passed(note(1, 99), now);
  expect(second.thresholds.counts.size).toBe(0);
  second.thresholds.passed(note(1, 80), now + DAY);
  expect(second.thresholds.counts).toEqual(new Map([['daily', 1]]));
  await second.close();
  expect(logged.filter(({ msg }) => msg === 'a quota comes near its end')).toEqual([
    expect.objectContaining({
      level: 'warn',
      limit: 'daily',
      consumer: 'acme',
      plan: 'free',
      used: 80,
      max: 100,
      share: 0.8,
      until: '2026-03-02T00:00:00.000Z',
    }),
    expect.objectContaining({ used: 90 }),
    expect.objectContaining({ used: 80, until: '2026-03-03T00:00:00.000Z' }),
  ]);
});

it('forgets what is older than the history, and windows that are over at once', async () => {
  const file = QuotaFile.open(storeFolder());
  onTestFinished(() => file.close());
  const one = (h1: number, expires: number, kept: boolean) => ({ h1, h2: 0, count: 5, expires, kept });
  await file.write([one(1, 100, true), one(2, 900, true), one(3, 900, false), one(4, 1100, false)]);
  await file.setCaller('consumer', 'old', { plan: '', seenAt: 100 });
  await file.setCaller('consumer', 'new', { plan: '', seenAt: 900 });
  let mark = SWEEP_BEGIN;
  do mark = file.sweep(mark, 2, 1000, 500);
  while (mark.callers !== '' || mark.counts.length > 1);
  await file.write([one(9, 2000, true)]);
  await file.setCaller('consumer', 'newer', { plan: '', seenAt: 900 });
  expect([1, 2, 3, 4].map((h1) => file.count(h1, 0))).toEqual([0, 5, 0, 5]);
  expect([...file.callers('consumer', '')].map(([name]) => name)).toEqual(['new', 'newer']);
});
