/** A request comes to limits of which some let it wait. */
import type { QueueConfig } from '../../../config/schema/limits/queue.js';
import type { Exchange } from '../../../exchange.js';
import type { Env, Verdict } from '../../../pipeline.js';
import type { Decision } from '../decision.js';
import type { KeyHasher } from '../key-hash.js';
import { compileKey } from '../key-parts.js';
import type { NamedLimit } from '../plans/named-limits.js';
import { type Desk, type Judge, type Question, Waiter } from './waiter.js';
import { lowestBit, mayWait, type WaitingRoom } from './waiting-room.js';

class Arrivals {
  readonly #judge: Judge;
  readonly #decision: Decision;
  readonly #room: WaitingRoom;
  readonly #desks: readonly (Desk | null)[];

  /** `hasher` is of this start: the same for all workers. */
  constructor(
    limits: readonly NamedLimit[],
    env: { judge: Judge; decision: Decision; room: WaitingRoom; hasher: KeyHasher },
    route: Env['route'],
  ) {
    this.#judge = env.judge;
    this.#decision = env.decision;
    this.#room = env.room;
    this.#desks = limits.map(({ name, config }) => {
      const { over, shadow } = config;
      // One on trial refuses nobody, so nobody waits for it.
      if (over === 'reject' || shadow) return null;
      const { queue } = over;
      return {
        queue: env.room.queue(name),
        max: queue.max,
        perKey: queue.perKey ?? queue.max,
        deadlineMs: queue.deadline,
        keyOf: keyOf(config.ipv6Prefix, queue, env.hasher, route),
        weightOf: weightOf(queue),
        isTimed: config.algorithm !== 'concurrency',
      };
    });
  }

  /** The question is written anew for the next request. */
  take(x: Exchange, question: Question, now: number): Verdict | Promise<Verdict> {
    const d = this.#decision;
    const judge = this.#judge;
    const behind = this.#room.isBusy(now) ? this.#behind(question, now) : -1;
    if (behind < 0) judge.decide(question, now);
    else judge.look(question, now);
    if (d.admitted ? behind < 0 : !mayWait(d, this.#desks) || this.#isInVain(d)) {
      return judge.conclude(x, now);
    }
    const at = behind >= 0 ? behind : lowestBit(d.refused);
    const { deadlineMs } = this.#desks[at] as Desk;
    const { variants, hashes, prices } = question;
    const copy = { variants: variants.slice(), hashes: hashes.slice(), prices: prices.slice() };
    const waiter = new Waiter(x, judge, copy, this.#desks, now, deadlineMs);
    if (this.#room.enter(waiter, at, now)) return waiter.over;
    d.overrule(at);
    return judge.conclude(x, now);
  }

  /** The first limit at which others wait for the same bucket; -1: none. */
  #behind({ hashes, prices }: Question, now: number): number {
    for (let i = 0; i < this.#desks.length; i++) {
      const desk = this.#desks[i] as Desk | null;
      // What costs nothing has nothing to wait for.
      if (desk === null || prices[i] === 0) continue;
      const h1 = hashes[2 * i] as number;
      const h2 = hashes[2 * i + 1] as number;
      if (this.#room.isAwaited(h1, h2, desk.keyOf !== null, now)) return i;
    }
    return -1;
  }

  /** A limit by time says when it will admit again. If that is after the deadline, the client may as well know now. */
  #isInVain(d: Decision): boolean {
    for (let i = 0; i < this.#desks.length; i++) {
      if ((d.refused & (1 << i)) === 0) continue;
      const { deadlineMs, isTimed } = this.#desks[i] as Desk;
      if (isTimed && (d.waits[i] as number) > deadlineMs) return true;
    }
    return false;
  }
}

/** The room, and the way into it for the limits of a route. */
export class Queues {
  readonly room: WaitingRoom;
  readonly #decision: Decision;
  readonly #hasher: KeyHasher;

  constructor(room: WaitingRoom, decision: Decision, hasher: KeyHasher) {
    this.room = room;
    this.#decision = decision;
    this.#hasher = hasher;
  }

  at(limits: readonly NamedLimit[], judge: Judge, route: Env['route']): Arrivals {
    const env = { judge, decision: this.#decision, room: this.room, hasher: this.#hasher };
    return new Arrivals(limits, env, route);
  }
}

/** The key of a request at one bucket; in the hash, each bucket has its own. */
function keyOf(
  ipv6Prefix: number,
  { fairBy }: QueueConfig,
  hasher: KeyHasher,
  route: Env['route'],
): Desk['keyOf'] {
  if (fairBy === undefined) return null;
  const parts = compileKey({ by: fairBy, rate: undefined, ipv6Prefix }, route);
  const salt = hasher.salt(JSON.stringify(['fair', fairBy, ipv6Prefix]));
  const out = new Int32Array(2);
  return function hashFairKey(x, h1, h2) {
    hasher.begin(salt);
    hasher.number(h1);
    hasher.number(h2);
    for (const part of parts) part(hasher, x);
    hasher.end(out, 0);
    return { h1: out[0] as number, h2: out[1] as number };
  };
}

const PLAN = 'plan:';

/** Of several roles, or of role and plan, the highest weight counts. */
function weightOf({ weights }: QueueConfig): Desk['weightOf'] {
  if (weights === undefined) return () => 1;
  const { default: usual = 1, ...named } = weights;
  const byRole = Object.entries(named).filter(([name]) => !name.startsWith(PLAN));
  return function weighByRoleAndPlan({ identity }) {
    if (identity === null) return usual;
    let most = named[PLAN + identity.plan] ?? 0;
    for (const [role, weight] of byRole) {
      if (weight > most && identity.roles.includes(role)) most = weight;
    }
    return most === 0 ? usual : most;
  };
}
