/** Under contention for one limit no key gets more than twice its weight while others wait, however it spreads. */
import { describe, expect, it } from 'vitest';
import type { Asked, Caller, Definition, TestWorker } from './workers.ts';
import { World } from './workers.ts';

const queue = { max: 1_000, deadline: '60s', fairBy: ['user'] };

/** Somebody who asks again as soon as something is answered, over so many connections to a worker. */
class Crowd {
  readonly caller: Caller;
  admitted = 0;
  refused = 0;
  readonly #ask: (caller: Caller) => Asked;
  readonly #connections: { asked: Asked; endsAt: number | null }[];
  readonly #holdMs: number;

  constructor(ask: (caller: Caller) => Asked, caller: Caller, connections: number, holdMs: number) {
    this.caller = caller;
    this.#ask = ask;
    this.#holdMs = holdMs;
    this.#connections = Array.from({ length: connections }, () => ({ asked: ask(caller), endsAt: null }));
  }

  step(now: number): void {
    for (const connection of this.#connections) {
      const { asked, endsAt } = connection;
      if (asked.state === 'waiting') continue;
      if (asked.state === 'refused') this.refused++;
      else if (endsAt === null) {
        this.admitted++;
        connection.endsAt = now + this.#holdMs;
        continue;
      } else if (endsAt > now) continue;
      asked.finish();
      connection.asked = this.#ask(this.caller);
      connection.endsAt = null;
    }
  }
}

interface Member {
  caller: Caller;
  /** By worker: how many connections. */
  connections: number[];
}

/** How much each member was let through, after a while to warm up. */
async function contend(
  limit: unknown,
  members: Member[],
  ms: number,
  holdMs = 0,
  workers = 2,
): Promise<number[]> {
  const world = new World(workers);
  const asks = world.workers.map((worker: TestWorker) => worker.route({ limit: limit as Definition }));
  const crowds = members.map(({ caller, connections }) =>
    connections.map((count, i) => new Crowd(asks[i]!, caller, count, holdMs)),
  );
  const all = crowds.flat();
  await world.pass(1_200, (now) => all.forEach((crowd) => void crowd.step(now)));
  for (const crowd of all) crowd.admitted = 0;
  await world.pass(ms, (now) => all.forEach((crowd) => void crowd.step(now)));
  expect(all.reduce((sum, { refused }) => sum + refused, 0)).toBe(0);
  return crowds.map((group) => group.reduce((sum, { admitted }) => sum + admitted, 0));
}

const modest = (n: number): Member[] =>
  Array.from({ length: n }, (_, i) => ({
    caller: { user: `modest ${i}` },
    // Over both workers, one here, the next there.
    connections: i % 2 === 0 ? [8, 0] : [0, 8],
  }));

const greedy: Member = { caller: { user: 'greedy' }, connections: [30, 30] };
const greedyHere: Member = { caller: { user: 'greedy' }, connections: [60, 0] };

describe.each([
  ['token-bucket', { by: ['global'], rate: '200/s', burst: 2 }, 0],
  ['token-bucket, fast', { by: ['route'], rate: '2000/s', burst: 20 }, 0],
  ['sliding-window', { by: ['global'], algorithm: 'sliding-window', rate: '200/s' }, 0],
  ['concurrency', { by: ['global'], algorithm: 'concurrency', max: 4 }, 20],
  ['concurrency, short', { by: ['global'], algorithm: 'concurrency', max: 8 }, 1],
] as [string, object, number][])('a shared limit (%s)', (_, definition, holdMs) => {
  const limit = { ...definition, over: { queue } };

  it.each([
    ['over both workers', greedy],
    ['over one worker', greedyHere],
  ])('gives a greedy key %s no more than the modest ones', async (_where, one) => {
    const shares = await contend(limit, [one, ...modest(4)], 1_500, holdMs);
    const [most, least] = [Math.max(...shares), Math.min(...shares)];
    expect(shares.reduce((a, b) => a + b)).toBeGreaterThan(100);
    // Twice is the promise; this is what there is.
    expect(most / least, `shares ${shares}`).toBeLessThan(1.3);
  });

  it('gives each key turns by its weight, wherever it is', async () => {
    const weighted = { ...limit, over: { queue: { ...queue, weights: { trader: 3, 'plan:gold': 2 } } } };
    const members: Member[] = [
      { caller: { user: 'trader', roles: ['viewer', 'trader'] }, connections: [20, 20] },
      { caller: { user: 'golden', plan: 'gold' }, connections: [0, 40] },
      { caller: { user: 'plain', plan: 'silver', roles: ['viewer'] }, connections: [40, 0] },
    ];
    const shares = await contend(weighted, members, 1_500, holdMs);
    const total = shares.reduce((a, b) => a + b);
    for (const [i, weight] of [3, 2, 1].entries()) {
      expect((shares[i]! / total) * 6, `shares ${shares}`).toBeGreaterThan(weight * 0.8);
      expect((shares[i]! / total) * 6, `shares ${shares}`).toBeLessThan(weight * 1.25);
    }
  });

  it('is used as much as without a queue', async () => {
    const shares = await contend(limit, [greedy, ...modest(4)], 1_000, holdMs);
    const total = shares.reduce((a, b) => a + b);
    const { rate, max } = definition as { rate?: string; max?: number };
    const most = rate === undefined ? ((max ?? 0) * 1_000) / holdMs : Number.parseInt(rate, 10);
    // A hold of the other worker is seen within 4 ms.
    expect(total).toBeGreaterThan(most * (holdMs === 1 ? 0.3 : 0.85));
    expect(total).toBeLessThanOrEqual(most * 1.05);
  });
});

it('a key that comes anew has not saved up turns', async () => {
  const world = new World();
  const ask = world.first.route({
    limit: { by: ['global'], rate: '100/s', burst: 1, over: { queue } },
  });
  const old = new Crowd(ask, { user: 'old' }, 20, 0);
  await world.pass(1_000, (now) => old.step(now));
  const fresh = new Crowd(ask, { user: 'fresh' }, 20, 0);
  old.admitted = 0;
  const step = (now: number) => {
    old.step(now);
    fresh.step(now);
  };
  await world.pass(500, step);
  expect(old.admitted).toBeGreaterThanOrEqual(23);
  expect(fresh.admitted).toBeGreaterThanOrEqual(23);
});

it('what a request costs is what its key pays in turns', async () => {
  const cost = { header: 'x-cost', default: 1, max: 10 };
  const limit: Definition = { by: ['global'], rate: '400/s', burst: 10, cost, over: { queue } };
  const members: Member[] = [
    { caller: { user: 'dear', headers: ['x-cost', '5'] }, connections: [10, 10] },
    { caller: { user: 'cheap' }, connections: [10, 10] },
  ];
  const [dear, cheap] = await contend(limit, members, 1_500);
  expect(cheap! / dear!).toBeGreaterThan(4);
  expect(cheap! / dear!).toBeLessThan(6);
});

it('over four workers, of which each has other keys, a greedy key in all of them gets its share and no more', async () => {
  const limit = { by: ['global'], rate: '400/s', burst: 4, over: { queue } };
  const members = [
    { caller: { user: 'greedy' }, connections: [20, 20, 20, 20] },
    ...[0, 1, 2, 3].map((w) => ({
      caller: { user: `modest ${w}` },
      connections: [0, 1, 2, 3].map((other) => (other === w ? 8 : 0)),
    })),
  ];
  const shares = await contend(limit, members, 1_500, 0, 4);
  expect(Math.max(...shares) / Math.min(...shares), `shares ${shares}`).toBeLessThan(1.3);
  expect(shares.reduce((a, b) => a + b)).toBeGreaterThan(550);
});

it('a worker that stands still for a moment again and again holds up nobody, and its keys get what they missed', async () => {
  const world = new World(2);
  const limit = { by: ['global'], rate: '200/s', burst: 20, over: { queue } };
  const [a, b] = world.workers.map((worker) => worker.route({ limit }));
  const here = [new Crowd(a!, { user: 'greedy' }, 40, 0), new Crowd(a!, { user: 'modest' }, 8, 0)];
  const there = new Crowd(b!, { user: 'unlucky' }, 8, 0);
  const slow = world.workers[1]!;
  let stalls = 0;
  const step = (now: number) => {
    // 40 to 160 ms of standing still in each 400.
    const length = 40 + (Math.floor(now / 400) % 4) * 40;
    const stuck = now % 400 < length;
    if (stuck && !slow.stuck) stalls++;
    slow.stuck = stuck;
    for (const crowd of here) crowd.step(now);
    if (!stuck) there.step(now);
  };
  await world.pass(800, step);
  for (const crowd of [...here, there]) crowd.admitted = 0;
  await world.pass(3_200, step);
  expect(stalls).toBeGreaterThan(6);
  const [greedy, modest] = here.map(({ admitted }) => admitted) as [number, number];
  const shares = `${greedy} ${modest} ${there.admitted}`;
  expect(greedy / modest, shares).toBeLessThan(1.2);
  expect(greedy / there.admitted, shares).toBeLessThan(1.5);
  expect(greedy + modest + there.admitted, shares).toBeGreaterThan(3.2 * 200 * 0.9);
});
