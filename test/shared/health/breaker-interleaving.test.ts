/** One process is stopped, or killed, before each of its accesses to shared memory in turn, while another works. */
import { describe, expect, it } from 'vitest';
import { CLOSED, HALF_OPEN, OPEN } from '../../../src/shared/health/breaker.ts';
import { killedAt, stoppedAt } from '../interruption.ts';
import { BAD, type Caller, GOOD, Machine } from './breakers.ts';

function eachPoint(run: (n: number) => boolean): number {
  let n = 1;
  while (run(n)) n++;
  return n;
}

function due(probes: number) {
  const machine = new Machine({ probes });
  machine.break();
  machine.pass(5_004);
  const begun: number[] = [];
  const begin = (caller: Caller) => {
    const ticket = caller.begin();
    if (ticket !== null) begun.push(ticket);
  };
  return { machine, begun, begin };
}

describe.each([1, 2, 3])('with %i probes', (probes) => {
  it('two processes let exactly as many through', () => {
    const points = eachPoint((n) => {
      const { machine, begun, begin } = due(probes);
      const [a, b] = [machine.process(), machine.process()];
      const reached = stoppedAt(
        n,
        () => begin(a),
        () => {
          for (let i = 0; i < probes; i++) begin(b);
        },
      );
      for (const caller of [a, b, a, b]) begin(caller);
      expect({ n, begun: begun.length }).toEqual({ n, begun: probes });
      expect(machine.isBlocked).toBe(true);
      return reached;
    });
    expect(points).toBeGreaterThan(8);
  });

  it('three do, each stopped while the next one works', () => {
    eachPoint((n) => {
      let reached = false;
      eachPoint((m) => {
        const { machine, begun, begin } = due(probes);
        const [a, b, c] = [machine.process(), machine.process(), machine.process()];
        let deeper = false;
        reached = stoppedAt(
          n,
          () => begin(a),
          () => {
            deeper = stoppedAt(
              m,
              () => begin(b),
              () => begin(c),
            );
          },
        );
        for (let i = 0; i < probes; i++) begin(a);
        if (begun.length !== probes) expect({ n, m, begun: begun.length }).toEqual({ n, m, begun: probes });
        return deeper;
      });
      return reached;
    });
  });
});

it('a process that sleeps over a whole phase lets nothing more through in the next one', () => {
  eachPoint((n) => {
    const { machine, begun, begin } = due(2);
    const [a, b] = [machine.process(), machine.process()];
    const reached = stoppedAt(
      n,
      () => begin(a),
      () => {
        begin(b);
        b.end(begun[0] as number, BAD);
        machine.pass(5_004);
        begun.length = 0;
        begin(b);
      },
    );
    for (let i = 0; i < 3; i++) begin(b);
    // Where `a` had its probe before it slept, that one was of the former phase.
    const ofThisPhase = begun.filter((ticket) => (ticket & 3) === HALF_OPEN && ticket === begun.at(-1));
    expect({ n, count: ofThisPhase.length }).toEqual({ n, count: 2 });
    expect(begun.length).toBeLessThanOrEqual(3);
    return reached;
  });
});

it('it opens once, whoever fails at the same time', () => {
  eachPoint((n) => {
    const machine = new Machine({ minimum: 4 });
    const [a, b] = [machine.process(), machine.process()];
    a.calls(3, BAD);
    const reached = stoppedAt(
      n,
      () => a.call(BAD),
      () => b.call(BAD),
    );
    expect({ n, state: a.breaker.state, opened: a.breaker.began(OPEN) }).toEqual({
      n,
      state: OPEN,
      opened: 1,
    });
    expect(machine.isBlocked).toBe(true);
    return reached;
  });
});

it('counts lose nothing and gain nothing when a bucket is renewed by two at once', () => {
  eachPoint((n) => {
    const machine = new Machine({ minimum: 1_000 });
    const [a, b] = [machine.process(), machine.process()];
    for (let i = 0; i < 6; i++) {
      a.calls(3, BAD);
      machine.pass(2_000);
    }
    machine.pass(60_000);
    const reached = stoppedAt(
      n,
      () => a.call(BAD),
      () => b.calls(5, GOOD),
    );
    if (!reached) return false;
    expect({ n, ...a.breaker.counts() }).toEqual({ n, calls: 6, failed: 1, slow: 0 });
    return reached;
  });
});

describe('a process may be killed anywhere', () => {
  /** Ends well, whatever was left: closes after some successes, and soon. */
  function closesAgain(machine: Machine): void {
    machine.inFlight = 0; // the primary forgets what the dead one had in flight
    const caller = machine.process();
    for (let i = 0; i < 200 && (caller.breaker.state !== CLOSED || machine.isBlocked); i++) {
      machine.pass(100);
      caller.breaker.tend();
      caller.call(GOOD);
    }
    expect([caller.breaker.state, machine.isBlocked]).toEqual([CLOSED, false]);
    for (let i = 0; i < 10; i++) expect(caller.call(GOOD)).toBe(true);
  }

  it.each([
    ['while it opens', (a: Caller) => a.calls(4, BAD), 0],
    ['while it makes it half-open and takes a probe', (a: Caller) => void a.begin(), 1],
    ['while its probe succeeds', (a: Caller) => void a.call(GOOD), 1],
    ['while its probe fails', (a: Caller) => void a.call(BAD), 1],
    ['while the last probe succeeds', (a: Caller) => a.calls(2, GOOD), 1],
  ])('%s', (_title, work, broken) => {
    const points = eachPoint((n) => {
      const machine = new Machine({ probes: 2 });
      if (broken === 1) {
        machine.break();
        machine.pass(5_004);
      }
      const killed = killedAt(n, () => work(machine.process()));
      closesAgain(machine);
      return killed;
    });
    expect(points).toBeGreaterThan(5);
  });
});
