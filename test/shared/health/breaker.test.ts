import { afterEach, describe, expect, it, vi } from 'vitest';
import { CLOSED, HALF_OPEN, OPEN, RECOVERING, SLOW } from '../../../src/shared/health/breaker.ts';
import { BAD, GOOD, Machine, UNKNOWN } from './breakers.ts';

describe('a closed breaker', () => {
  it('lets everything through', () => {
    const machine = new Machine();
    const caller = machine.process();
    for (let i = 0; i < 1_000; i++) expect(caller.call(GOOD)).toBe(true);
    expect(caller.breaker.counts()).toEqual({ calls: 1_000, failed: 0, slow: 0 });
  });

  it('opens when enough calls have failed, counted over all processes', () => {
    const machine = new Machine({ minimum: 4 });
    const [a, b] = [machine.process(), machine.process()];
    a.calls(2, BAD);
    b.call(BAD);
    expect(a.breaker.state).toBe(CLOSED);
    b.call(BAD);
    expect([a.breaker.state, b.breaker.state]).toEqual([OPEN, OPEN]);
    expect([a.call(GOOD), b.call(GOOD)]).toEqual([false, false]);
    expect(machine.isBlocked).toBe(true);
  });

  it('stays closed below the ratio, and below the minimum', () => {
    const machine = new Machine({ minimum: 10, failureRatio: 0.5 });
    const caller = machine.process();
    caller.calls(9, BAD);
    expect(caller.breaker.state).toBe(CLOSED);
    machine.pass(20_000);
    caller.calls(51, GOOD);
    caller.calls(50, BAD);
    expect(caller.breaker.state).toBe(CLOSED);
    caller.call(BAD);
    expect(caller.breaker.state).toBe(OPEN);
  });

  it('forgets what is older than its window', () => {
    const machine = new Machine({ minimum: 4, window: 10_000 });
    const caller = machine.process();
    caller.calls(3, BAD);
    machine.pass(9_000);
    expect(caller.breaker.counts().failed).toBe(3);
    machine.pass(3_001);
    expect(caller.breaker.counts().failed).toBe(0);
    caller.calls(3, BAD);
    expect(caller.breaker.state).toBe(CLOSED);
  });

  it('opens for slow calls, if told what is slow', () => {
    const machine = new Machine({ minimum: 5, slowRatio: 0.8 });
    const caller = machine.process();
    caller.calls(1, GOOD);
    caller.calls(3, SLOW);
    expect(caller.breaker.state).toBe(CLOSED);
    caller.call(SLOW);
    expect(caller.breaker.state).toBe(OPEN);
  });

  it('does not look at a ratio of 0', () => {
    const machine = new Machine({ failureRatio: 0, slowRatio: 0 });
    const caller = machine.process();
    caller.calls(100, BAD);
    caller.calls(100, SLOW);
    expect(caller.breaker.state).toBe(CLOSED);
  });

  it('counts nothing of which nothing is known', () => {
    const machine = new Machine();
    const caller = machine.process();
    caller.calls(100, UNKNOWN);
    expect(caller.breaker.counts().calls).toBe(0);
  });

  it('can have its window changed: what was counted in spans of another length is not read', () => {
    const machine = new Machine({ window: 1_000 });
    machine.process().calls(3, BAD);
    const longer = new Machine({ window: 60_000 });
    longer.words.set(machine.words);
    const caller = longer.process();
    caller.calls(3, BAD);
    expect(caller.breaker.counts()).toMatchObject({ calls: 3 });
    caller.call(BAD);
    expect(caller.breaker.state).toBe(OPEN);
  });
});

describe('an open breaker', () => {
  it('refuses for exactly as long as it is told, and says for how long', () => {
    const machine = new Machine({ openFor: 5_000 });
    machine.break();
    const caller = machine.process();
    machine.pass(1_000);
    expect(caller.breaker.remaining()).toBeGreaterThan(3_990);
    expect(caller.breaker.remaining()).toBeLessThanOrEqual(4_000);
    machine.pass(3_995);
    expect(caller.call(GOOD)).toBe(false);
    machine.pass(10);
    expect(caller.breaker.admits()).toBe(true);
    expect(caller.breaker.state).toBe(HALF_OPEN);
  });

  it('becomes half-open by the primary, too, when nobody asks', () => {
    const machine = new Machine();
    machine.break();
    const { breaker } = machine.process();
    breaker.tend();
    expect([breaker.state, machine.isBlocked]).toEqual([OPEN, true]);
    machine.pass(5_004);
    breaker.tend();
    expect([breaker.state, machine.isBlocked]).toEqual([HALF_OPEN, false]);
  });

  it('is not moved by calls that began before it opened', () => {
    const machine = new Machine();
    const caller = machine.process();
    const tickets = Array.from({ length: 20 }, () => caller.begin() as number);
    machine.break();
    for (const ticket of tickets.slice(0, 10)) caller.end(ticket, GOOD);
    expect(caller.breaker.state).toBe(OPEN);
    machine.pass(5_004);
    caller.breaker.tend();
    for (const ticket of tickets.slice(10)) caller.end(ticket, BAD);
    expect(caller.breaker.state).toBe(HALF_OPEN);
  });
});

describe('a half-open breaker', () => {
  function halfOpen(options: ConstructorParameters<typeof Machine>[0] = {}) {
    const machine = new Machine(options);
    machine.break();
    machine.pass(5_004);
    return { machine, a: machine.process(), b: machine.process() };
  }

  it('lets exactly its probes through, over all processes', () => {
    const { machine, a, b } = halfOpen({ probes: 3 });
    const begun = [a.begin(), b.begin(), a.begin(), b.begin(), a.begin()];
    expect(begun.map((ticket) => ticket !== null)).toEqual([true, true, true, false, false]);
    expect(machine.isBlocked).toBe(true);
    expect([a.breaker.admits(), b.breaker.admits()]).toEqual([false, false]);
  });

  it('closes when all have succeeded, and begins with nothing counted', () => {
    const { machine, a, b } = halfOpen({ probes: 2 });
    const [one, two] = [a.begin() as number, b.begin() as number];
    a.end(one, GOOD);
    expect(a.breaker.state).toBe(HALF_OPEN);
    // A place has become free, but two probes are enough.
    expect(a.begin()).toBeNull();
    b.end(two, GOOD);
    expect(a.breaker.state).toBe(CLOSED);
    expect(machine.isBlocked).toBe(false);
    a.calls(3, BAD);
    expect(a.breaker.state).toBe(CLOSED);
  });

  it('opens again when one fails, for its whole time', () => {
    const { machine, a, b } = halfOpen({ probes: 3 });
    const tickets = [a.begin() as number, b.begin() as number];
    a.end(tickets[0] as number, BAD);
    expect(a.breaker.remaining()).toBe(5_000);
    // Of the former phase.
    b.end(tickets[1] as number, GOOD);
    expect(b.breaker.state).toBe(OPEN);
    machine.pass(5_004);
    expect([a.begin(), a.begin(), b.begin(), b.begin()].filter((ticket) => ticket !== null)).toHaveLength(3);
  });

  it('takes a slow probe for a failed one', () => {
    const { a } = halfOpen();
    a.call(SLOW);
    expect(a.breaker.state).toBe(OPEN);
  });

  it('gets a probe back that says nothing: its client has left', () => {
    const { machine, a, b } = halfOpen({ probes: 1 });
    const ticket = a.begin() as number;
    expect(b.begin()).toBeNull();
    a.end(ticket, UNKNOWN);
    expect(machine.isBlocked).toBe(false);
    expect(b.call(GOOD)).toBe(true);
    expect(b.breaker.state).toBe(CLOSED);
  });

  it('gets back the probes of a process that was killed, as soon as its calls are forgotten', () => {
    const { machine, a, b } = halfOpen({ probes: 2 });
    a.begin();
    const kept = b.begin() as number;
    machine.inFlight--; // what `releaseWorker` does
    b.breaker.tend();
    expect(b.call(GOOD)).toBe(true);
    b.end(kept, GOOD);
    expect(b.breaker.state).toBe(CLOSED);
  });

  it('takes answers that have begun well for good after a while: streams have no end', () => {
    const { machine, a, b } = halfOpen({ probes: 2, openFor: 5_000, patience: 12_000 });
    const tickets = [a.begin() as number, b.begin() as number];
    a.breaker.answered(tickets[0] as number);
    machine.pass(5_010);
    expect(a.breaker.admits()).toBe(false);
    b.breaker.answered(tickets[1] as number);
    expect(a.breaker.admits()).toBe(true);
    expect(a.breaker.state).toBe(CLOSED);
    // In the end one fails: it was let through in another phase.
    b.end(tickets[1] as number, BAD);
    expect(a.breaker.counts().failed).toBe(0);
  });

  it('gives probes up in the end, when other calls hide that they are lost', () => {
    const { machine, a, b } = halfOpen({ probes: 1, patience: 12_000 });
    a.begin();
    machine.inFlight += 100;
    machine.pass(11_000);
    b.breaker.tend();
    expect(b.begin()).toBeNull();
    machine.pass(1_010);
    expect(b.call(GOOD)).toBe(true);
    expect(b.breaker.state).toBe(CLOSED);
  });
});

describe('a recovering breaker', () => {
  afterEach(() => void vi.restoreAllMocks());

  function recovering() {
    const machine = new Machine({ rampUp: 10_000, probes: 1 });
    machine.break();
    machine.pass(5_004);
    const caller = machine.process();
    caller.call(GOOD);
    machine.inFlight = 100;
    return { machine, caller };
  }

  it('lets a growing share through', () => {
    const { machine, caller } = recovering();
    expect(caller.breaker.state).toBe(RECOVERING);
    const share = () => {
      let admitted = 0;
      for (let i = 0; i < 1_000; i++) {
        vi.spyOn(Math, 'random').mockReturnValueOnce(i / 1_000);
        if (caller.breaker.admits()) admitted++;
      }
      return admitted;
    };
    expect(share()).toBe(100);
    machine.pass(5_000);
    expect(share()).toBeGreaterThan(490);
    expect(share()).toBeLessThanOrEqual(500);
    machine.pass(5_010);
    expect(caller.breaker.admits()).toBe(true);
    expect(caller.breaker.state).toBe(CLOSED);
  });

  it('lets few at once through in any case', () => {
    const { machine, caller } = recovering();
    vi.spyOn(Math, 'random').mockReturnValue(0.99);
    expect(caller.breaker.admits()).toBe(false);
    machine.inFlight = 0;
    expect(caller.breaker.admits()).toBe(true);
  });

  it('opens again when enough fail', () => {
    const { caller } = recovering();
    caller.calls(4, BAD);
    expect(caller.breaker.state).toBe(OPEN);
  });
});

it('counts each change once', () => {
  const machine = new Machine({ probes: 1 });
  const { breaker } = machine.process();
  for (let i = 0; i < 5; i++) {
    machine.break();
    machine.pass(5_004);
    machine.process().call(GOOD);
  }
  for (const state of [OPEN, HALF_OPEN, CLOSED] as const) expect(breaker.began(state)).toBe(5);
});

it('is right when its times come round', () => {
  const machine = new Machine({ probes: 1 });
  // Times have 30 bits of 4 ms.
  machine.now = 2 ** 30 * 4 - 2_000;
  machine.break();
  const caller = machine.process();
  machine.pass(4_900);
  expect(caller.call(GOOD)).toBe(false);
  machine.pass(110);
  expect(caller.call(GOOD)).toBe(true);
  expect(caller.breaker.state).toBe(CLOSED);
});

it('takes no harm from a process whose clock was read a moment earlier', () => {
  const machine = new Machine();
  machine.break();
  machine.now -= 50;
  expect(machine.process().call(GOOD)).toBe(false);
});
