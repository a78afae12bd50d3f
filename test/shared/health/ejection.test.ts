import { beforeEach, describe, expect, it } from 'vitest';
import { EJECTED, EndpointTable, endpointTableBytes, UNHEALTHY } from '../../../src/shared/endpoint-table.ts';
import {
  BY_SUCCESS_RATE,
  CAUSES,
  Ejection,
  type EjectionOptions,
} from '../../../src/shared/health/ejection.ts';
import { mayBeOut, mostEjected } from '../../../src/shared/health/room.ts';
import { createInProcess } from '../../../src/shared/segment.ts';
import { killedAt, stoppedAt } from '../interruption.ts';

const OPTIONS: EjectionOptions = {
  consecutive5xx: 0,
  consecutiveErrors: 5,
  baseEjection: 30_000,
  maxEjection: 100_000,
  counted: false,
};
const START = 86_400_123;
const region = createInProcess({ endpoints: endpointTableBytes(2) }).region('endpoints');
const table = new EndpointTable(region, 1);

let now: number;
beforeEach(() => {
  now = START;
  table.words.fill(0);
  table.inFlight.fill(0);
});

/** What one process makes of the endpoints with slots from 0. */
function endpoints(count: number, options: Partial<EjectionOptions> = {}, share = 0.5): Ejection[] {
  const slots = Array.from({ length: count }, (_, slot) => slot);
  const mayEject = (slot: number) => mayBeOut(table, slots, slot, mostEjected(count, share));
  return slots.map((slot) => new Ejection(table, slot, { ...OPTIONS, ...options }, () => now, mayEject));
}

function fail(ejection: Ejection | undefined, times: number, answered = false): void {
  for (let i = 0; i < times; i++) ejection?.failed(answered);
}

const isOut = (slot: number) => !table.isAvailable(slot);

describe('an endpoint', () => {
  it('is put out after so many errors in a row, counted over all processes', () => {
    const [a] = endpoints(2);
    const [alsoA] = endpoints(2);
    fail(a, 2);
    fail(alsoA, 2);
    expect(isOut(0)).toBe(false);
    fail(a, 1);
    expect(isOut(0)).toBe(true);
    expect(a).toMatchObject({ view: 'ejected', ejections: 1 });
    expect(CAUSES[a?.cause ?? 0]).toBe('consecutive errors');
  });

  it('stays when an answer comes in between', () => {
    const [a] = endpoints(2);
    for (let i = 0; i < 10; i++) {
      fail(a, 4);
      a?.succeeded();
    }
    expect(isOut(0)).toBe(false);
  });

  it('is not put out for answers with 5xx, unless told so', () => {
    const [a] = endpoints(2);
    fail(a, 100, true);
    expect(isOut(0)).toBe(false);
    const [, b] = endpoints(2, { consecutive5xx: 3, consecutiveErrors: 0 });
    fail(b, 2, true);
    expect(isOut(1)).toBe(false);
    fail(b, 1, false);
    expect(isOut(1)).toBe(true);
    expect(CAUSES[b?.cause ?? 1]).toBe('consecutive 5xx');
  });

  it('comes back after its time, on trial, and is trusted after an answer', () => {
    const [a] = endpoints(2);
    fail(a, 5);
    expect(a?.remaining()).toBeGreaterThan(29_900);
    now += 29_900;
    a?.tend();
    expect(isOut(0)).toBe(true);
    now += 200;
    a?.tend();
    expect([isOut(0), a?.view]).toEqual([false, 'on trial']);
    a?.succeeded();
    expect(a?.view).toBe('trusted');
  });

  it('takes one request at a time while on trial', () => {
    const [a] = endpoints(2);
    fail(a, 5);
    now += 30_100;
    a?.tend();
    expect(a?.hesitates()).toBe(false);
    table.inFlight[0] = 1;
    expect(a?.hesitates()).toBe(true);
    a?.succeeded();
    expect(a?.hesitates()).toBe(false);
  });

  it('is put out by the first failure on trial, each time for longer, up to the longest', () => {
    const [a] = endpoints(2);
    fail(a, 5);
    const terms = [a?.remaining() as number];
    for (let i = 0; i < 4; i++) {
      now += 200_000;
      a?.tend();
      fail(a, 1);
      terms.push(a?.remaining() as number);
    }
    expect(terms.map((ms) => Math.round(ms / 1_000))).toEqual([30, 60, 90, 100, 100]);
    expect(a?.ejections).toBe(5);
  });

  it('is forgiven once for each base time without trouble', () => {
    const [a] = endpoints(2);
    fail(a, 5);
    for (let i = 0; i < 2; i++) {
      now += 100_000;
      a?.tend();
      fail(a, 1);
    }
    now += 100_000;
    a?.tend();
    a?.succeeded();
    now += 61_000;
    fail(a, 5);
    // The fourth time; two are forgiven.
    expect(Math.round((a?.remaining() as number) / 1_000)).toBe(60);
  });

  it('is trusted again when nobody has tried it for long', () => {
    const [a] = endpoints(2);
    fail(a, 5);
    now += 30_100;
    a?.tend();
    now += 30_100;
    a?.tend();
    expect(a?.view).toBe('trusted');
  });

  it('comes back in its time when times come round', () => {
    // Times have 24 bits of 64 ms.
    now = 2 ** 24 * 64 - 10_000;
    const [a] = endpoints(2);
    fail(a, 5);
    now += 20_000;
    a?.tend();
    expect(isOut(0)).toBe(true);
    now += 10_100;
    a?.tend();
    expect(isOut(0)).toBe(false);
  });

  it('is trusted again when it answers what it was asked as the last resort, and not for what began before', () => {
    const [a] = endpoints(2);
    now += 1_000;
    fail(a, 5);
    expect(isOut(0)).toBe(true);
    now += 500;
    a?.isWellAfterAll(600);
    expect([a?.isOut, isOut(0)]).toEqual([true, true]);
    a?.isWellAfterAll(100);
    expect([a?.view, isOut(0)]).toEqual(['trusted', false]);
  });

  it('stays out for a success rate that is far worse, whatever single answers say', () => {
    const [a] = endpoints(2);
    a?.eject(BY_SUCCESS_RATE);
    now += 5_000;
    a?.isWellAfterAll(10);
    expect(isOut(0)).toBe(true);
  });

  it('can be put out for a reason that is found elsewhere', () => {
    const [a] = endpoints(3);
    expect(a?.eject(BY_SUCCESS_RATE)).toBe(true);
    expect(a?.eject(BY_SUCCESS_RATE)).toBe(false);
    expect(CAUSES[a?.cause ?? 0]).toBe('success rate');
  });
});

describe('how many may be out at once', () => {
  it.each([
    [1, 1, 0],
    [2, 0.5, 1],
    [2, 1, 1],
    [3, 0.5, 1],
    [3, 0.1, 1],
    [10, 0.5, 5],
    [10, 1, 9],
    [10, 0, 0],
  ])('of %i and a share of %d: %i', (count, share, most) => {
    expect(mostEjected(count, share)).toBe(most);
  });

  it('is kept when all fail', () => {
    const all = endpoints(4, {}, 0.5);
    for (let i = 0; i < 20; i++) for (const one of all) fail(one, 1);
    expect([0, 1, 2, 3].filter(isOut)).toHaveLength(2);
  });

  it('is kept by two processes that put out another one each at the same moment', () => {
    let n = 1;
    for (let reached = true; reached; n++) {
      table.words.fill(0);
      const [a] = endpoints(3, {}, 0.4);
      const [, b] = endpoints(3, {}, 0.4);
      fail(a, 4);
      fail(b, 4);
      reached = stoppedAt(
        n,
        () => fail(a, 1),
        () => fail(b, 1),
      );
      expect([0, 1, 2].filter(isOut).length).toBeLessThanOrEqual(1);
    }
    expect(n).toBeGreaterThan(15);
  });

  it('leaves clients somebody: the last one that is available stays', () => {
    const [a] = endpoints(3);
    table.mark(1, UNHEALTHY, true);
    table.mark(2, UNHEALTHY, true);
    fail(a, 20);
    expect(isOut(0)).toBe(false);
    table.mark(2, UNHEALTHY, false);
    fail(a, 1);
    expect(isOut(0)).toBe(true);
  });
});

it('is put out once by two processes that see the last failure at the same time', () => {
  let n = 1;
  for (let reached = true; reached; n++) {
    table.words.fill(0);
    const [a] = endpoints(2);
    const [alsoA] = endpoints(2);
    fail(a, 4);
    reached = stoppedAt(
      n,
      () => fail(a, 1),
      () => fail(alsoA, 1),
    );
    expect({ n, ejections: a?.ejections, out: isOut(0) }).toEqual({ n, ejections: 1, out: true });
  }
});

it.each([
  ['while it is put out', (a: Ejection) => fail(a, 5), 0],
  ['while it comes back', (a: Ejection) => a.tend(), 30_100],
  ['while it is trusted', (a: Ejection) => a.succeeded(), 60_200],
])('a process may be killed %s', (_title, work, after) => {
  let n = 1;
  for (let killed = true; killed; n++) {
    table.words.fill(0);
    now = START;
    const [a, other] = [endpoints(2)[0] as Ejection, endpoints(2)[0] as Ejection];
    if (after > 0) fail(a, 5);
    for (let ms = 0; ms < after; ms += 30_100) {
      now += 30_100;
      if (ms > 0) other.tend();
    }
    killed = killedAt(n, () => work(a));
    // Bit and word agree as soon as the primary has looked, and in the end it is back.
    other.tend();
    expect({ n, out: isOut(0) }).toEqual({ n, out: other.view === 'ejected' });
    for (let i = 0; i < 3; i++) {
      now += 30_100;
      other.tend();
      other.succeeded();
    }
    expect({ n, view: other.view, out: isOut(0) }).toEqual({ n, view: 'trusted', out: false });
    expect((table.words[table.endpointAt(0)] as number) & EJECTED).toBe(0);
  }
});
