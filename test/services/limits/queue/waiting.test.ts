import { describe, expect, it } from 'vitest';
import { RATE_LIMITED } from '../../../../src/errors.ts';
import { settled, TestWorker, World } from './workers.ts';

const queue = { max: 10, deadline: '2s' };
const byIp = { by: ['ip'], rate: '10/s', burst: 1, over: { queue } };
const inFlight = { by: ['global'], algorithm: 'concurrency' as const, max: 2, over: { queue } };

describe('a request over a limit with a queue', () => {
  it('waits until the limit admits it, in the order of arrival', async () => {
    const world = new World();
    const ask = world.first.route({ byIp });
    const all = Array.from({ length: 4 }, () => ask({}));
    expect(all.map(({ state }) => state)).toEqual(['admitted', 'waiting', 'waiting', 'waiting']);
    await world.pass(101);
    expect(all.map(({ state }) => state)).toEqual(['admitted', 'admitted', 'waiting', 'waiting']);
    await world.pass(210);
    expect(all.map(({ state }) => state)).toEqual(['admitted', 'admitted', 'admitted', 'admitted']);
    expect(all[2]?.x.waitedMs).toBeCloseTo(200, -1);
    expect(world.first.room.waiting).toBe(0);
  });

  it('has the fields of the time when it was decided, once', async () => {
    const world = new World();
    const ask = world.first.route({ byIp });
    ask({});
    const late = ask({});
    expect([late.x.rateLimit, late.x.rateLimitPolicy]).toEqual(['', '']);
    await world.pass(101);
    expect(late.x.rateLimitPolicy).toBe('"byIp";q=10;w=1');
    expect(late.x.rateLimit).toBe('"byIp";r=0;t=1');
  });

  it('gets 429 with Retry-After when the deadline passes, and has consumed nothing', async () => {
    const world = new World();
    const ask = world.first.route({ inFlight });
    const held = [ask({}), ask({})];
    const late = ask({});
    await world.pass(1_999);
    expect(late.state).toBe('waiting');
    await world.pass(2);
    expect([late.x.failure, late.x.retryAfterS]).toEqual([RATE_LIMITED, 1]);
    expect(late.x.rateLimit).toBe('"inFlight";r=0;t=0');
    expect(world.first.counters.get('inFlight')).toMatchObject({ admitted: 2, refused: 1 });
    for (const one of held) one.finish();
    late.finish();
    expect([ask({}).state, ask({}).state, ask({}).state]).toEqual(['admitted', 'admitted', 'waiting']);
  });

  it('is told at once when its turn cannot come before the deadline', () => {
    const world = new World();
    const ask = world.first.route({ slow: { by: ['ip'], rate: '1/min', over: { queue } } });
    ask({});
    const late = ask({});
    expect([late.x.failure, late.x.retryAfterS]).toEqual([RATE_LIMITED, 60]);
  });

  it('is refused at once when it costs more than the limit ever admits', () => {
    const world = new World();
    const cost = { header: 'x-cost', default: 1, max: 100 };
    const ask = world.first.route({ byIp: { ...byIp, cost } });
    expect(ask({ headers: ['x-cost', '5'] }).state).toBe('refused');
    expect(world.first.room.waiting).toBe(0);
  });

  it('leaves the queue at once when its client does, and what other limits had taken for it is given back', async () => {
    const world = new World();
    // One limit before authentication, the queue after it.
    const total = { by: ['global'], rate: '1/h', burst: 3 };
    const window = { by: ['ip'], algorithm: 'sliding-window' as const, rate: '3/h' };
    const perUser = { by: ['user'], rate: '1/s', burst: 1, over: { queue } };
    const ask = world.first.route({ total, window, perUser });
    ask({ user: 'alice' });
    const waiting = [ask({ user: 'alice' }), ask({ user: 'alice' })];
    expect(ask({ user: 'bob' }).state).toBe('refused');
    waiting[0]?.finish();
    await settled();
    expect([waiting[0]?.verdict, world.first.room.waiting]).toEqual([1, 1]);
    expect(ask({ user: 'bob' }).state).toBe('admitted');
    // The one behind has moved up.
    await world.pass(1_001);
    expect(waiting[1]?.state).toBe('admitted');
  });

  it('that has its turn is refused by a limit without a queue that is used up by then', async () => {
    const world = new World();
    const ask = world.first.route({ byIp, hourly: { by: ['global'], rate: '1/h', burst: 3 } });
    const other = world.first.route({ hourly: { by: ['global'], rate: '1/h', burst: 3 } });
    ask({});
    const late = ask({});
    other({});
    other({});
    await world.pass(101);
    expect([late.x.failure, late.x.detail]).toEqual([RATE_LIMITED, 'The limit "hourly" is used up.']);
    // And has taken nothing of the other.
    expect(world.first.route({ byIp: { ...byIp, over: 'reject' } })({}).state).toBe('admitted');
  });

  it('goes from the queue of one limit to that of the next, and nobody waits behind it for what it does not wait for', async () => {
    const world = new World();
    const all = { by: ['global'], rate: '100/s', burst: 1, over: { queue: { ...queue, fairBy: ['ip'] } } };
    const ask = world.first.route({ all, byIp });
    ask({ ip: '10.0.0.1' });
    const second = ask({ ip: '10.0.0.1' });
    const other = ask({ ip: '10.0.0.2' });
    await world.pass(12);
    expect([second.state, other.state]).toEqual(['waiting', 'admitted']);
    await world.pass(100);
    expect(second.state).toBe('admitted');
  });

  it('of a limit on trial waits for nothing', () => {
    const world = new World();
    const ask = world.first.route({ byIp: { ...byIp, shadow: true } });
    expect([ask({}).state, ask({}).state]).toEqual(['admitted', 'admitted']);
  });
});

describe('who comes later', () => {
  it('comes after those who wait, also when there is room at that moment', async () => {
    const world = new World();
    const cost = { header: 'x-cost', default: 1, max: 100 };
    const ask = world.first.route({ byIp: { ...byIp, burst: 5, cost } });
    ask({ headers: ['x-cost', '5'] });
    const dear = ask({ headers: ['x-cost', '4'] });
    world.now += 150;
    const cheap = ask({});
    expect([dear.state, cheap.state]).toEqual(['waiting', 'waiting']);
    await world.pass(252);
    expect([dear.state, cheap.state]).toEqual(['admitted', 'waiting']);
  });

  it('also when they wait in another worker', async () => {
    const world = new World(2);
    const cost = { header: 'x-cost', default: 1, max: 100 };
    const [a, b] = world.workers.map((worker) => worker.route({ byIp: { ...byIp, burst: 5, cost } }));
    a!({ headers: ['x-cost', '5'] });
    const dear = a!({ headers: ['x-cost', '4'] });
    await world.pass(150);
    const cheap = b!({});
    expect([dear.state, cheap.state]).toEqual(['waiting', 'waiting']);
    await world.pass(252);
    expect([dear.state, cheap.state]).toEqual(['admitted', 'waiting']);
    await world.pass(120);
    expect(cheap.state).toBe('admitted');
  });

  it('and workers take turns in the order of arrival', async () => {
    const world = new World(2);
    const [a, b] = world.workers.map((worker) => worker.route({ byIp }));
    a!({});
    const all: ReturnType<NonNullable<typeof a>>[] = [];
    for (let i = 0; i < 8; i++) {
      all.push((i % 2 === 0 ? a : b)!({}));
      await world.pass(12);
    }
    for (let n = 1; n <= 8; n++) {
      await world.pass(n === 1 ? 10 : 100);
      expect(all.map(({ state }) => state === 'admitted')).toEqual(all.map((_, i) => i < n));
    }
  });

  it('does not wait for those of a worker that is gone', async () => {
    const world = new World(2);
    const other = { ...inFlight, max: 1 };
    const [a, b] = world.workers.map((worker) => worker.route({ inFlight }));
    const held = [b!({}), b!({})];
    a!({});
    world.workers[0]!.stuck = true;
    await world.pass(100);
    held[0]!.finish();
    expect(b!({}).state).toBe('admitted');
    // Another one starts under its id and has requests that wait, for something else: what the dead one wrote is not its own.
    const next = new TestWorker(world, 1);
    world.workers[0] = next;
    const ask = next.route({ other });
    ask({});
    expect(ask({}).state).toBe('waiting');
    await world.pass(20);
    held[1]!.finish();
    expect(b!({}).state).toBe('admitted');
  });
});

describe('a limit of requests in flight', () => {
  it('hands on what is given back, in this worker at once', async () => {
    const world = new World();
    const ask = world.first.route({ inFlight });
    const held = [ask({}), ask({})];
    const late = ask({});
    held[0]!.finish();
    await world.pass(0.5);
    expect(late.state).toBe('admitted');
    late.finish();
    held[1]!.finish();
    expect(world.first.memory.holds.heldBy(1)).toBe(0);
  });

  it('in another worker within some milliseconds', async () => {
    const world = new World(2);
    const [a, b] = world.workers.map((worker) => worker.route({ inFlight }));
    const held = [a!({}), a!({})];
    const late = b!({});
    await world.pass(50);
    held[0]!.finish();
    await world.pass(5);
    expect(late.state).toBe('admitted');
  });
});

describe('a queue that is full', () => {
  const queue = { max: 4, deadline: '2s', fairBy: ['user'] };
  const all = { by: ['global'], rate: '10/s', burst: 1, over: { queue } };

  it('refuses the key with the most, at once', () => {
    const world = new World();
    const ask = world.first.route({ all });
    ask({ user: 'greedy' });
    for (let i = 0; i < 4; i++) expect(ask({ user: 'greedy' }).state).toBe('waiting');
    const late = ask({ user: 'greedy' });
    expect([late.x.failure, late.x.retryAfterS]).toEqual([RATE_LIMITED, 1]);
  });

  it('makes room for a key with fewer: the last of the key with the most goes', async () => {
    const world = new World();
    const ask = world.first.route({ all });
    ask({ user: 'greedy' });
    const greedy = Array.from({ length: 4 }, () => ask({ user: 'greedy' }));
    const modest = [ask({ user: 'modest' }), ask({ user: 'modest' })];
    await settled();
    expect(greedy.map(({ state }) => state)).toEqual(['waiting', 'waiting', 'refused', 'refused']);
    expect(modest.map(({ state }) => state)).toEqual(['waiting', 'waiting']);
    // As many as anybody: no more room.
    expect(ask({ user: 'modest' }).state).toBe('refused');
    expect(world.first.room.report().get('all')).toMatchObject({ waiting: 4, entered: 6, full: 3 });
  });

  it('has its bound for each key, too', () => {
    const world = new World();
    const ask = world.first.route({ all: { ...all, over: { queue: { ...queue, perKey: 2 } } } });
    ask({ user: 'greedy' });
    const states = Array.from({ length: 3 }, () => ask({ user: 'greedy' }).state);
    expect(states).toEqual(['waiting', 'waiting', 'refused']);
    expect(ask({ user: 'modest' }).state).toBe('waiting');
  });
});

describe('a reload', () => {
  it('lets those who wait keep their place, before those who come after it', async () => {
    const world = new World();
    const old = world.first.route({ byIp });
    old({});
    const first = old({});
    const renewed = world.first.route({ byIp: { ...byIp, over: { queue: { max: 50, deadline: '3s' } } } });
    const second = renewed({});
    expect(second.state).toBe('waiting');
    await world.pass(101);
    expect([first.state, second.state]).toEqual(['admitted', 'waiting']);
    await world.pass(100);
    expect(second.state).toBe('admitted');
  });
});

it('reports how waits ended', async () => {
  const world = new World();
  const ask = world.first.route({ inFlight });
  const held = [ask({}), ask({})];
  const [served, gone] = [ask({}), ask({}), ask({})];
  held[0]!.finish();
  await world.pass(10);
  gone!.finish();
  await world.pass(2_000);
  expect(served!.state).toBe('admitted');
  const counts = world.first.room.report().get('inFlight');
  expect(counts).toMatchObject({ waiting: 0, entered: 3, admitted: 1, left: 1, expired: 1, full: 0 });
  expect(counts!.waitedMs).toBeGreaterThan(2_000);
  expect(counts!.classes.reduce((a, b) => a + b)).toBe(3);
  expect(world.first.room.report().size).toBe(0);
});
