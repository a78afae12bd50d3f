/** Ten thousand that wait hold up nobody else. */
import { describe, expect, it } from 'vitest';
import { type Asked, settled, World } from './workers.ts';

const CROWD = 10_000;
const queue = { max: CROWD, deadline: '2s' };

/** How many end in each go of the timer, until all have; at most so many goes. */
async function goes(world: World, all: readonly Asked[]): Promise<number[]> {
  const ended: number[] = [];
  let before = all.filter(({ state }) => state === 'waiting').length;
  while (before > 0 && ended.length < 1_000) {
    world.now = Math.max(world.now, world.first.timerAt ?? world.now);
    world.first.runTimer();
    await settled();
    const after = all.filter(({ state }) => state === 'waiting').length;
    if (after !== before) ended.push(before - after);
    before = after;
  }
  return ended;
}

describe('ten thousand requests', () => {
  it('whose deadline passes at the same moment end a few at a time, and soon', async () => {
    const world = new World();
    const limit = { by: ['global'], algorithm: 'concurrency' as const, max: 1, over: { queue } };
    const ask = world.first.route({ limit });
    ask({});
    const all = Array.from({ length: CROWD }, () => ask({}));
    world.now += 2_000;
    const at = world.now;
    const ended = await goes(world, all);
    expect(ended.reduce((a, b) => a + b)).toBe(CROWD);
    expect(Math.max(...ended)).toBeLessThanOrEqual(128);
    expect(world.now - at).toBeLessThan(10);
    expect([world.first.room.waiting, world.first.timerAt]).toEqual([0, null]);
  });

  it('that can all go on at once do so a few at a time', async () => {
    const world = new World();
    const limit = { by: ['global'], rate: '100000/s', burst: CROWD, over: { queue } };
    const ask = world.first.route({ limit });
    for (let i = 0; i < CROWD; i++) ask({});
    const all = Array.from({ length: CROWD }, () => ask({}));
    world.now += 200;
    const ended = await goes(world, all);
    expect(ended.reduce((a, b) => a + b)).toBe(CROWD);
    expect(Math.max(...ended)).toBeLessThanOrEqual(128);
  });

  it('each for a bucket of its own are looked at by turns', async () => {
    const world = new World(1, 40_000);
    const limit = { by: ['user'], algorithm: 'concurrency' as const, max: 1, over: { queue } };
    const ask = world.first.route({ limit });
    let decisions = 0;
    const { engine } = world.first;
    const { decide } = engine;
    engine.decide = (...question) => {
      decisions++;
      return decide.apply(engine, question);
    };
    // Every bucket is in use by another worker's request.
    const users = Array.from({ length: 200 }, (_, i) => `user ${i}`);
    for (const user of users) ask({ user });
    const all = users.flatMap((user) => Array.from({ length: 5 }, () => ask({ user })));
    decisions = 0;
    await world.pass(100);
    // Each some 25 times, every four milliseconds.
    expect(decisions).toBeLessThan(200 * 30);
    expect(all.every(({ state }) => state === 'waiting')).toBe(true);
  });

  it('may leave in any order, and nothing is left of them', async () => {
    const world = new World();
    const limit = { by: ['global'], rate: '1/s', burst: 1, over: { queue: { ...queue, fairBy: ['user'] } } };
    const ask = world.first.route({ limit });
    ask({});
    const all = Array.from({ length: CROWD }, (_, i) => ask({ user: `user ${i % 1_000}` }));
    const order = all.map((asked, i) => ({ asked, key: (i * 7_919) % CROWD }));
    for (const { asked } of order.sort((a, b) => a.key - b.key)) asked.finish();
    expect(world.first.room.waiting).toBe(0);
    world.now += 20;
    world.first.runTimer();
    expect(world.first.timerAt).toBe(null);
    world.now += 1_000;
    expect(ask({}).state).toBe('admitted');
  });
});
