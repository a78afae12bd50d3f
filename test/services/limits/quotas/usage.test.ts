/** What was used of quotas, with the engine's own counts and a clock that is handed in. */

import { describe, expect, it } from 'vitest';
import type { LimitConfig } from '../../../../src/config/schema/limits/limits.ts';
import type { Exchange } from '../../../../src/exchange.ts';
import { CONTINUE } from '../../../../src/pipeline.ts';
import { Counter } from '../../../../src/services/limits/algorithms/counter.ts';
import { LimitEngine } from '../../../../src/services/limits/engine.ts';
import { limitStages } from '../../../../src/services/limits/gate.ts';
import { LimitMemory } from '../../../../src/services/limits/memory.ts';
import { namedLimits } from '../../../../src/services/limits/plans/named-limits.ts';
import { Plans } from '../../../../src/services/limits/plans/plans.ts';
import { periodAt } from '../../../../src/services/limits/quotas/period.ts';
import { Usage, type UsageConfig } from '../../../../src/services/limits/quotas/usage.ts';
import { csvOf, UsageBook } from '../../../../src/services/limits/quotas/usage-book.ts';
import { QUOTA } from '../../../../src/shared/slots.ts';
import { configOf } from '../../../config/mistakes.ts';
import { plainSegment } from '../../../shared/memory.ts';
import { QUIET } from '../quiet.ts';

const at = (text: string) => Date.parse(text);

/** Limits of a configuration, over a memory whose calendar stands where the test wants it. */
function gatewayAt(time: string, text: string) {
  const config = configOf(text) as UsageConfig & ReturnType<typeof configOf>;
  const memory = new LimitMemory(
    plainSegment({ keys: 1000, workers: 1, holdsPerWorker: 16 }),
    1,
    'reject-new',
  );
  let now = at(time);
  Object.assign(memory.clock, { calendar: () => now });
  const env = {
    ...QUIET,
    memory,
    engine: new LimitEngine(memory.table, memory.holds),
    headers: 'off' as const,
    counter: () => ({ admitted: 0, refused: 0, shadowed: 0, noRoom: 0 }),
  };
  const plans = new Plans(config);
  const stages = new Map(
    config.routes.map((route) => {
      const listed = route.filters.limit ?? [];
      const named = namedLimits(listed as (string | LimitConfig)[], route.name, config.limits);
      const of = { name: route.name, service: null, paramNames: [] };
      return [route.name, limitStages(named, env, of, listed.includes('plan') ? plans : null)];
    }),
  );
  const counter = new Counter(memory.table, QUOTA);
  const usage = new Usage(config, memory.table.seeds().durable);
  return {
    usage,
    read: (h1: number, h2: number) => counter.read(h1, h2),
    move(to: string): void {
      now = at(to);
    },
    /** How many of so many requests are admitted. */
    ask(identity: object, count = 1, route = 'hi'): number {
      const who = { user: '', consumer: '', keyId: '', roles: [], plan: '', claims: {}, ...identity };
      let admitted = 0;
      for (let i = 0; i < count; i++) {
        const x = { identity: who, limitTickets: null, header: () => undefined, refuse: () => 1 };
        if (stages.get(route)?.onRequest?.(x as unknown as Exchange) === CONTINUE) admitted++;
      }
      return admitted;
    },
    rows(subject: object, history = 0) {
      const whole = { consumer: '', user: '', plan: '', roles: [], keys: [], ...subject };
      return usage.rows(whole, (h1, h2) => counter.read(h1, h2), now, history);
    },
  };
}

const ROUTES = (limit: string) => `
routes:
  - { name: hi, match: { path: /hi }, respond: { body: hi }, auth: anonymous, limit: ${limit} }
  - { name: ho, match: { path: /ho }, respond: { body: ho }, auth: anonymous, limit: ${limit} }`;

describe('the period of a quota', () => {
  it.each([
    ['day', '2026-02-28T23:59:59.999Z', '2026-02-28', '2026-03-01'],
    ['day', '2026-03-01T00:00:00.000Z', '2026-03-01', '2026-03-02'],
    ['week', '2026-03-01T23:59:59.999Z', '2026-02-23', '2026-03-02'],
    ['week', '2026-03-02T00:00:00.000Z', '2026-03-02', '2026-03-09'],
    ['week', '2027-01-01T12:00:00.000Z', '2026-12-28', '2027-01-04'],
    ['month', '2026-02-28T23:59:59.999Z', '2026-02-01', '2026-03-01'],
    ['month', '2028-02-29T12:00:00.000Z', '2028-02-01', '2028-03-01'],
    ['month', '2026-12-31T23:59:59.999Z', '2026-12-01', '2027-01-01'],
  ] as const)('by the %s at %s is %s to %s', (per, time, start, end) => {
    expect(periodAt(per, at(time))).toMatchObject({ start: at(start), end: at(end) });
  });
});

describe('usage', () => {
  it('begins anew with the day, the week and the month, and past periods are remembered', () => {
    const gateway = gatewayAt(
      '2026-02-27T10:00:00Z',
      `limits:
  daily: { by: [consumer], algorithm: quota, max: 5, per: day }
  weekly: { by: [consumer], algorithm: quota, max: 12, per: week }
  monthly: { by: [consumer], algorithm: quota, max: 20, per: month }${ROUTES('[daily, weekly, monthly]')}`,
    );
    const acme = { consumer: 'acme' };
    const used = () => gateway.rows(acme).map((row) => row.used);
    expect(gateway.ask(acme, 8)).toBe(5);
    expect(used()).toEqual([5, 5, 5]);
    gateway.move('2026-02-28T10:00:00Z');
    expect(gateway.ask(acme, 4)).toBe(4);
    // A new month on the Sunday, a new week on the Monday.
    gateway.move('2026-03-01T10:00:00Z');
    expect(gateway.ask(acme, 9)).toBe(3);
    expect(used()).toEqual([3, 12, 3]);
    gateway.move('2026-03-02T00:00:00Z');
    expect(gateway.ask(acme, 9)).toBe(5);
    expect(used()).toEqual([5, 5, 8]);
    expect(
      gateway.rows(acme, 3).map(({ quota, since, used, max }) => [quota, since.slice(0, 10), used, max]),
    ).toEqual([
      ['daily', '2026-03-02', 5, 5],
      ['daily', '2026-03-01', 3, null],
      ['daily', '2026-02-28', 4, null],
      ['daily', '2026-02-27', 5, null],
      ['weekly', '2026-03-02', 5, 12],
      ['weekly', '2026-02-23', 12, null],
      ['monthly', '2026-03-01', 8, 20],
      ['monthly', '2026-02-01', 9, null],
    ]);
    expect(gateway.rows(acme)[2]).toMatchObject({ resetsAt: '2026-04-01T00:00:00.000Z', remaining: 12 });
  });

  it('of a rolling window is what the engine goes by', () => {
    const gateway = gatewayAt(
      '2026-03-01T00:00:00Z',
      `limits: { rolling: { by: [consumer], algorithm: quota, max: 10, per: 24h } }${ROUTES('rolling')}`,
    );
    const acme = { consumer: 'acme' };
    expect(gateway.ask(acme, 12)).toBe(10);
    gateway.move('2026-03-02T06:00:00Z');
    // Three quarters of the ten are still covered.
    expect(gateway.rows(acme)[0]).toMatchObject({ used: 8, remaining: 2, per: '24h' });
    expect(gateway.ask(acme, 5)).toBe(2);
    expect(gateway.rows(acme)[0]).toMatchObject({ used: 10, remaining: 0 });
    gateway.move('2026-03-05T00:00:00Z');
    expect(gateway.rows(acme)[0]).toMatchObject({ used: 0, resetsAt: null });
  });

  it('is told apart by key, by route and by role, and not made up for keys nobody can name', () => {
    const gateway = gatewayAt(
      '2026-03-01T00:00:00Z',
      `limits:
  key: { by: [apiKey], algorithm: quota, max: 5, per: day }
  route: { by: [consumer, route], algorithm: quota, max: 6, per: day }
  role: { by: [consumer], algorithm: quota, max: { partner: 9, gold: 8, default: 7 }, per: day }
  address: { by: [ip], algorithm: quota, max: 5, per: day }
  header: { by: [consumer, header:x], algorithm: quota, max: 5, per: day }${ROUTES('[key, route, role, header]')}`,
    );
    gateway.ask({ consumer: 'acme', keyId: 'k1', roles: ['gold', 'partner'] }, 2);
    gateway.ask({ consumer: 'acme', keyId: 'k2', roles: ['gold', 'partner'] }, 1, 'ho');
    const keys = [
      { id: 'k1', plan: '', roles: [] },
      { id: 'k2', plan: '', roles: [] },
    ];
    const rows = gateway.rows({ consumer: 'acme', roles: ['gold', 'partner'], keys });
    expect(rows.map(({ quota, key, route, used, max }) => [quota, key, route, used, max])).toEqual([
      ['key', 'k1', '', 2, 5],
      ['key', 'k2', '', 1, 5],
      ['route', '', 'hi', 2, 6],
      ['route', '', 'ho', 1, 6],
      ['role', '', '', 3, 9],
    ]);
  });

  const PLANS = `plans:
  free: { quotas: [{ per: day, requests: 5 }, { per: month, requests: 50, by: [apiKey] }] }
  pro: { quotas: [{ per: day, requests: 500 }] }
defaultPlan: free`;

  it('of a plan goes with the caller: consumer or user, whatever the plan is', () => {
    const gateway = gatewayAt('2026-03-01T00:00:00Z', `${PLANS}${ROUTES('plan')}`);
    expect(gateway.ask({ consumer: 'acme', keyId: 'k1' }, 9)).toBe(5);
    expect(gateway.ask({ consumer: 'acme', keyId: 'k1', plan: 'pro' }, 9)).toBe(9);
    // A user of the same name is somebody else; a plan that nobody knows is the default.
    expect(gateway.ask({ user: 'acme', plan: 'gold' }, 9)).toBe(5);
    expect(gateway.ask({ user: 'eve' }, 2)).toBe(2);
    expect(gateway.ask({}, 9)).toBe(5);
    const figures = (subject: object) =>
      gateway.rows(subject).map(({ plan, quota, key, used, max }) => [plan, quota, key, used, max]);
    expect(figures({ consumer: 'acme', plan: 'pro' })).toEqual([['pro', 'quota/day', '', 14, 500]]);
    const keys = [{ id: 'k1', plan: 'free', roles: [] }];
    expect(figures({ consumer: 'acme', keys })).toEqual([
      ['free', 'quota/day', '', 14, 5],
      ['free', 'quota/month', 'k1', 5, 50],
    ]);
    expect(figures({ user: 'acme' })).toEqual([['free', 'quota/day', '', 5, 5]]);
    expect(gateway.rows({ user: 'acme' })[0]).toMatchObject({ remaining: 0 });
  });

  it('is listed for those of the records and those who were counted, page by page, in one order', () => {
    const gateway = gatewayAt('2026-03-01T00:00:00Z', `${PLANS}${ROUTES('plan')}`);
    const counted = ['b', 'd', 'é', '😀'];
    const book = new UsageBook({
      usage: gateway.usage,
      read: gateway.read,
      callers: {
        caller: (kind, name) =>
          kind === 'consumer' && counted.includes(name) ? { plan: 'pro', seenAt: 0 } : undefined,
        *callers(kind, after) {
          const known = kind === 'consumer' ? counted : [];
          const rest = known.filter((name) => Buffer.compare(Buffer.from(name), Buffer.from(after)) > 0);
          for (const name of rest) yield [name, { plan: 'pro', seenAt: 0 }];
        },
      },
      records: {
        get: (kind: string, id: string) =>
          kind === 'consumer' && 'abc'.includes(id)
            ? ({ name: id, plan: '', roles: [] } as never)
            : undefined,
        *list(kind: string) {
          if (kind === 'consumer') for (const name of 'abc') yield [name, {} as never] as const;
        },
      },
    });
    const span = { time: at('2026-03-01T00:00:00Z'), history: 0 };
    const seen: string[] = [];
    for (let after: string | null = ''; after !== null; ) {
      const page: { rows: { consumer: string }[]; next: string | null } = book.page(
        'consumer',
        after,
        2,
        span,
      );
      seen.push(...new Set(page.rows.map(({ consumer }) => consumer)));
      after = page.next;
    }
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'é', '😀']);
    expect(book.of('consumer', 'd', span)?.plan).toBe('pro');
    expect(book.of('consumer', 'b', span)?.plan).toBe('free');
    expect(book.of('consumer', 'nobody', span)).toBeNull();
    expect(book.page('user', '', 5, span)).toEqual({ rows: [], next: null });
  });
});

it('makes a CSV that no name can break out of', () => {
  const row = {
    ...{ consumer: 'a,"b"\n', user: '=1+1', key: '', plan: '', quota: 'q', route: '', per: 'day' },
    ...{ since: '2026', used: 1, max: null, remaining: null, resetsAt: null },
  };
  expect(csvOf([row]).split('\r\n')[1]).toBe(`"a,""b""\n",'=1+1,,,q,,day,2026,1,,,`);
});
