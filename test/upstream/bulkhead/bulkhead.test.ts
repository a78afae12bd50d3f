import { describe, expect, it } from 'vitest';
import { Exchange } from '../../../src/exchange.ts';
import { ServiceStats } from '../../../src/observe/resilience/service-stats.ts';
import { Bulkhead } from '../../../src/upstream/bulkhead/bulkhead.ts';
import { Deadlines } from '../../../src/upstream/deadlines.ts';
import { eventually } from '../../harness/eventually.ts';

const OPTIONS = { maxInFlight: 2, maxWaiting: 3, maxWaitMs: 60_000, adaptive: null };

class Room {
  readonly stats = new ServiceStats('quotes');
  readonly bulkhead: Bulkhead;
  readonly deadlines = new Deadlines();
  /** In the order in which it was said, with what. */
  readonly told: [name: string, admitted: boolean][] = [];

  constructor(options = OPTIONS) {
    this.bulkhead = new Bulkhead(options, this.stats);
  }

  enter(): Exchange | null {
    const x = new Exchange(performance.now());
    return this.bulkhead.enter(x) ? x : null;
  }

  wait(name: string, then: (x: Exchange) => void = () => {}): Exchange | null {
    const now = performance.now();
    const x = new Exchange(now);
    const waits = this.bulkhead.wait(x, this.deadlines, now, (admitted) => {
      this.told.push([name, admitted]);
      then(x);
    });
    return waits ? x : null;
  }

  get counts() {
    const { inFlight, waiting } = this.bulkhead;
    return [inFlight, waiting];
  }
}

it('gives as many places as it has', () => {
  const room = new Room();
  const first = room.enter() as Exchange;
  expect(room.enter()).not.toBeNull();
  expect(room.enter()).toBeNull();
  room.bulkhead.leave(first);
  expect(first.place).toBeNull();
  expect(room.enter()?.place).toBe(room.bulkhead);
});

describe('who waits', () => {
  it('is let in in the order of arrival', () => {
    const room = new Room();
    const inside = [room.enter(), room.enter()] as Exchange[];
    for (const name of ['a', 'b', 'c']) expect(room.wait(name)).not.toBeNull();
    expect(room.wait('d')).toBeNull();
    for (const x of inside) room.bulkhead.leave(x);
    expect(room.told).toEqual([
      ['a', true],
      ['b', true],
    ]);
    expect(room.counts).toEqual([2, 1]);
    expect(room.stats.flush()?.counters?.slice(-2)).toEqual(new Float64Array([1, 0]));
  });

  it('frees its place in the queue when its client leaves', () => {
    const room = new Room();
    const [inside] = [room.enter(), room.enter()] as [Exchange, Exchange];
    const a = room.wait('a') as Exchange;
    room.wait('b');
    a.attempt?.abandon();
    expect(room.counts).toEqual([2, 1]);
    room.bulkhead.leave(inside);
    expect(room.told).toEqual([['b', true]]);
  });

  it('comes before who arrives', () => {
    const room = new Room({ ...OPTIONS, maxInFlight: 1 });
    const inside = room.enter() as Exchange;
    // It leaves as soon as it is let in, and somebody arrives in the same moment.
    room.wait('a', (x) => {
      expect(room.enter()).toBeNull();
      room.bulkhead.leave(x);
    });
    room.wait('b');
    room.bulkhead.leave(inside);
    expect(room.told).toEqual([
      ['a', true],
      ['b', true],
    ]);
    expect(room.counts).toEqual([1, 0]);
  });

  it('by the ten thousand, is let in without a stack of calls', () => {
    const room = new Room({ ...OPTIONS, maxInFlight: 1, maxWaiting: 10_000 });
    const inside = room.enter() as Exchange;
    for (let i = 0; i < 10_000; i++) room.wait(String(i), (x) => room.bulkhead.leave(x));
    room.bulkhead.leave(inside);
    expect(room.told).toHaveLength(10_000);
    expect(room.counts).toEqual([0, 0]);
  });

  it('is told when it has waited for too long', async () => {
    const room = new Room({ ...OPTIONS, maxInFlight: 1, maxWaitMs: 30 });
    room.enter();
    const x = room.wait('a') as Exchange;
    await eventually(() => room.told.length > 0);
    expect(room.told).toEqual([['a', false]]);
    expect([x.place, x.attempt]).toEqual([null, null]);
    expect(room.counts).toEqual([1, 0]);
    expect(room.stats.flush()?.counters?.slice(-2)).toEqual(new Float64Array([0, 1]));
  });

  it('is let in when a reload makes room', () => {
    const room = new Room({ ...OPTIONS, maxInFlight: 1 });
    room.enter();
    room.wait('a');
    room.bulkhead.configure({ ...OPTIONS, maxInFlight: 2 });
    expect(room.told).toEqual([['a', true]]);
  });

  it('is let in when the limit follows a fast service', () => {
    const room = new Room({ ...OPTIONS, maxInFlight: 100, adaptive: { min: 2, tolerance: 1.5 } } as never);
    while (room.enter() !== null);
    expect(room.bulkhead.inFlight).toBe(2);
    room.wait('a');
    for (let i = 0; i <= 300; i++) room.bulkhead.answered(5, i);
    expect(room.told).toEqual([['a', true]]);
  });
});
