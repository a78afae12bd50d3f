import {
  BAD,
  BREAKER_WORDS,
  Breaker,
  type BreakerOptions,
  GOOD,
  type Result,
  UNKNOWN,
} from '../../../src/shared/health/breaker.ts';

export const OPTIONS: BreakerOptions = {
  window: 10_000,
  minimum: 4,
  failureRatio: 0.5,
  slowRatio: 0.8,
  openFor: 5_000,
  probes: 2,
  rampUp: 0,
  patience: 12_000,
};

/** Long after the machine has started, and at no round number. */
export const START = 86_400_123;

/** Calls of one process. */
export class Caller {
  readonly breaker: Breaker;
  readonly #machine: Machine;

  constructor(breaker: Breaker, machine: Machine) {
    this.breaker = breaker;
    this.#machine = machine;
  }

  /** The ticket of a call that has begun; null: it must not. */
  begin(): number | null {
    this.#machine.inFlight++;
    if (this.breaker.begin()) return this.breaker.ticket;
    this.#machine.inFlight--;
    return null;
  }

  end(ticket: number, result: Result): void {
    this.breaker.end(ticket, result);
    this.#machine.inFlight--;
  }

  /** A whole call. False: it was refused. */
  call(result: Result): boolean {
    const ticket = this.begin();
    if (ticket !== null) this.end(ticket, result);
    return ticket !== null;
  }

  calls(count: number, result: Result): void {
    for (let i = 0; i < count; i++) this.call(result);
  }
}

/** Processes that share a breaker. */
export class Machine {
  now = START;
  inFlight = 0;
  blocked = false;
  readonly words = new Int32Array(BREAKER_WORDS);
  readonly #options: BreakerOptions;

  constructor(options: Partial<BreakerOptions> = {}) {
    this.#options = { ...OPTIONS, ...options };
  }

  process(): Caller {
    const breaker = new Breaker(
      this.words,
      0,
      this.#options,
      () => this.now,
      () => this.inFlight,
      (blocked) => {
        // As the bit in the endpoint table: one access.
        Atomics.store(this.bit, 0, blocked ? 1 : 0);
      },
    );
    return new Caller(breaker, this);
  }

  readonly bit = new Int32Array(1);

  get isBlocked(): boolean {
    return this.bit[0] === 1;
  }

  pass(ms: number): void {
    this.now += ms;
  }

  /** Until it opens. */
  break(): void {
    this.process().calls(this.#options.minimum, BAD);
  }
}

export { BAD, GOOD, UNKNOWN };
