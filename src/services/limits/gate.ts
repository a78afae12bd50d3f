/** The limits of a route: those that need no identity before anybody is asked who he is, the others after. */
import type { LimitConfig } from '../../config/schema/limits/limits.js';
import { LIMIT_TABLE_FULL, RATE_LIMITED } from '../../errors.js';
import type { Exchange } from '../../exchange.js';
import { CONTINUE, type Env, type Stage, type Stages, type Verdict } from '../../pipeline.js';
import { AdaptiveWatch, type WatchEnv } from './adaptive/watch.js';
import type { Algorithm } from './decision.js';
import { checkLimitCount, type LimitEngine } from './engine.js';
import { compileKey, type KeyPart, needsIdentity } from './key-parts.js';
import { Limit, type LimitVariant } from './limit.js';
import { type HeaderStyle, LimitTeller, tellLimits } from './limit-fields.js';
import type { NamedLimit } from './plans/named-limits.js';
import type { Plans } from './plans/plans.js';
import type { Queues } from './queue/arrival.js';
import type { Judge, Question } from './queue/waiter.js';
import type { QuotaLookout, QuotaNotes } from './quotas/notes.js';
import { isStrict, type StrictAsker, strictStage } from './sync/strict-gate.js';

export interface GateEnv extends WatchEnv {
  readonly engine: LimitEngine;
  readonly headers: HeaderStyle;
  /** For limits that ask Redis for each request; null: there are none. */
  readonly strict: StrictAsker | null;
  /** By the limit's name; the same for all routes. */
  readonly counter: (limit: string) => LimitCounter;
  /** For requests that wait; null: no limit of the configuration lets any. */
  readonly queues: Queues | null;
  /** null: no limit is a quota. */
  readonly quotas?: QuotaNotes | null;
}

/** What a limit has decided since the last report. */
export interface LimitCounter {
  admitted: number;
  refused: number;
  /** Would have been refused. */
  shadowed: number;
  /** The table was full. */
  noRoom: number;
}

/** What a route's limits have taken for a request, to be given back. */
export interface LimitTicket {
  readonly algorithms: readonly Algorithm[];
  readonly slots: Int32Array;
  readonly holds: Int32Array;
  readonly hashes: Int32Array;
  readonly costs: Float64Array;
  /** Bit i: limit i was on trial and would have refused, so nothing was taken from it. */
  readonly shadowed: number;
  /** When that was. */
  readonly takenAt: number;
}

/**
 * The stages of a route's limits, and of the caller's plan unless `plans` is null. Throws a RangeError for more than a
 * decision has room for.
 */
export function limitStages(
  limits: readonly NamedLimit[],
  env: GateEnv,
  route: Env['route'],
  plans: Plans | null = null,
): Stages {
  checkLimitCount(limits.length + (plans?.most ?? 0));
  const early = limits.filter(({ config }) => !needsIdentity(config));
  const late = limits.filter(({ config }) => needsIdentity(config));
  const all = plans === null ? limits : [...limits, ...plans.limits];
  const strict = all.some(isStrict);
  const isBoth = early.length > 0 && (late.length > 0 || plans !== null);
  const holds = all.some(({ config }) => config.algorithm === 'concurrency');
  // What is taken may have to be given back: at the end, or when a limit decided later refuses.
  const reversible = holds || strict;
  const waits = all.some(({ config }) => config.over !== 'reject');
  const adaptive = all.filter(({ config }) => config.algorithm === 'adaptive');
  const watch = adaptive.length === 0 ? null : new AdaptiveWatch(adaptive, env, route);
  const told = (check: Stage) => watch?.telling(check) ?? check;
  const watchEnd = watch?.onDone ?? null;
  const gate = (some: readonly NamedLimit[], takesNote: boolean) => {
    const asking = some.filter(isStrict);
    const others = some.filter((limit) => !isStrict(limit));
    const check = others.length === 0 ? null : told(new Gate(others, env, route, takesNote).check);
    if (asking.length === 0) return check;
    return strictStage(check, asking, env, route, { price: priceOf, giveBack });
  };
  const before = gate(early, isBoth || reversible);
  // Known when the caller is: a plan's limits are all decided with those that need an identity.
  const after =
    plans === null
      ? gate(late, reversible)
      : plans.stage((own) => gate([...late, ...own], reversible), late.length === 0, reversible);
  return {
    ...(before !== null && { onArrival: before }),
    ...(after !== null && { onRequest: after }),
    ...(env.headers !== 'off' && { onResponse: tellLimits(env.headers) }),
    ...((holds || waits || watchEnd !== null) && {
      onDone: (x: Exchange) => {
        if (holds || waits) release(x, env);
        watchEnd?.(x);
      },
    }),
  };
}

class Gate implements Judge {
  readonly check: Stage;
  readonly #env: GateEnv;
  readonly #limits: readonly Limit[];
  readonly #keys: readonly (readonly KeyPart[])[];
  readonly #costs: readonly ((x: Exchange) => number)[];
  readonly #counters: readonly LimitCounter[];
  readonly #takesNote: boolean;
  readonly #teller: LimitTeller | null;
  readonly #quotas: QuotaLookout | null;
  // Of the request at hand: the engine is synchronous, so one set is enough.
  readonly #variants: LimitVariant[];
  readonly #hashes: Int32Array;
  readonly #prices: Float64Array;
  readonly #question: Question;
  /** null: no limit of these lets anybody wait. */
  readonly #arrivals: ReturnType<Queues['at']> | null;

  constructor(limits: readonly NamedLimit[], env: GateEnv, route: Env['route'], takesNote: boolean) {
    this.#env = env;
    this.#limits = limits.map(({ name, config }) => new Limit(name, config, env.memory));
    this.#keys = limits.map(({ config }) => compileKey(config, route));
    this.#costs = limits.map(({ config }) => priceOf(config.cost));
    this.#counters = limits.map(({ name }) => env.counter(name));
    this.#takesNote = takesNote;
    this.#teller = env.headers === 'off' ? null : new LimitTeller(env.headers);
    this.#quotas = env.quotas?.lookout(limits) ?? null;
    this.#variants = this.#limits.map((limit) => limit.variant([]));
    this.#hashes = new Int32Array(2 * limits.length);
    this.#prices = new Float64Array(limits.length);
    this.#question = { variants: this.#variants, hashes: this.#hashes, prices: this.#prices };
    const waits = limits.some(({ config }) => config.over !== 'reject');
    this.#arrivals = waits && env.queues !== null ? env.queues.at(limits, this, route) : null;
    this.check = (x) => this.#decide(x);
  }

  #decide(x: Exchange): Verdict | Promise<Verdict> {
    const roles = x.identity?.roles ?? NO_ROLES;
    for (let i = 0; i < this.#limits.length; i++) {
      const variant = this.#limits[i].variant(roles);
      const { hasher, salt } = variant;
      this.#variants[i] = variant;
      hasher.begin(salt);
      const parts = this.#keys[i];
      for (let p = 0; p < parts.length; p++) parts[p](hasher, x);
      hasher.end(this.#hashes, i);
      this.#prices[i] = this.#costs[i](x);
    }
    const now = this.#env.memory.clock.now();
    if (this.#arrivals !== null) return this.#arrivals.take(x, this.#question, now);
    this.#env.engine.decide(this.#variants, this.#hashes, this.#prices, now);
    return this.conclude(x, now);
  }

  decide(question: Question, now: number): void {
    this.#load(question);
    this.#env.engine.decide(this.#variants, this.#hashes, this.#prices, now);
  }

  look(question: Question, now: number): void {
    this.#load(question);
    this.#env.engine.look(this.#variants, this.#hashes, this.#prices, now);
  }

  #load({ variants, hashes, prices }: Question): void {
    if (hashes === this.#hashes) return;
    for (let i = 0; i < variants.length; i++) this.#variants[i] = variants[i];
    this.#hashes.set(hashes);
    this.#prices.set(prices);
  }

  giveBack(x: Exchange): void {
    giveBack(x, this.#env);
  }

  conclude(x: Exchange, now: number): Verdict {
    const { decision } = this.#env.engine;
    this.#teller?.tell(x, this.#variants, decision);
    if (decision.admitted) {
      for (let i = 0; i < this.#counters.length; i++) {
        if ((decision.shadowed & (1 << i)) === 0) this.#counters[i].admitted++;
        else this.#counters[i].shadowed++;
      }
      if (this.#takesNote) this.#note(x, now);
      if (this.#quotas !== null)
        this.#quotas.look(x, decision, this.#variants, this.#hashes, this.#prices, now);
      return CONTINUE;
    }
    return this.#refuse(x);
  }

  #refuse(x: Exchange): Verdict {
    const { refusedBy, noRoom, retryAfterMs } = this.#env.engine.decision;
    const { name } = this.#variants[refusedBy];
    const isTooDear = !noRoom && !Number.isFinite(retryAfterMs);
    if (noRoom) this.#counters[refusedBy].noRoom++;
    else this.#counters[refusedBy].refused++;
    const waitS = Math.ceil(retryAfterMs / 1000);
    // A refused request consumes nothing anywhere.
    giveBack(x, this.#env);
    x.retryAfterS = Number.isFinite(waitS) ? Math.max(1, waitS) : A_DAY_S;
    if (noRoom) return x.refuse(LIMIT_TABLE_FULL);
    const why = isTooDear ? 'never admits what costs so much' : 'is used up';
    return x.refuse(RATE_LIMITED, `The limit "${name}" ${why}.`);
  }

  /** Copies what is needed to take it all back. Only where something may have to be: it costs an object. */
  #note(x: Exchange, takenAt: number): void {
    const { decision } = this.#env.engine;
    const n = this.#variants.length;
    const ticket: LimitTicket = {
      algorithms: this.#variants.map(({ algorithm }) => algorithm),
      slots: decision.slots.slice(0, n),
      holds: decision.holds.slice(0, n),
      hashes: this.#hashes.slice(),
      costs: this.#prices.slice(),
      shadowed: decision.shadowed,
      takenAt,
    };
    if (x.limitTickets === null) x.limitTickets = [ticket];
    else x.limitTickets.push(ticket);
  }
}

const NO_ROLES: readonly string[] = Object.freeze([]);
/** What costs more than the limit ever admits: there is no good time to come back. */
const A_DAY_S = 86_400;

/** Of a request that is refused after all: everything that was taken for it before. */
function giveBack(x: Exchange, { engine }: GateEnv): void {
  const { decision } = engine;
  for (const { algorithms, slots, holds, hashes, costs, shadowed, takenAt } of x.limitTickets ?? []) {
    for (let i = 0; i < algorithms.length; i++) {
      if ((shadowed & (1 << i)) !== 0) continue;
      decision.slots[i] = slots[i];
      decision.holds[i] = holds[i];
      algorithms[i].refund(decision, i, hashes[2 * i], costs[i], takenAt);
    }
  }
  x.limitTickets = null;
}

/** The request has ended: it is no longer in flight. */
function release(x: Exchange, { engine, queues }: GateEnv): void {
  if (x.limitWait !== null) queues?.room.leave(x.limitWait);
  for (const { holds, hashes } of x.limitTickets ?? []) {
    for (let i = 0; i < holds.length; i++) {
      if (holds[i] < 0) continue;
      engine.release(holds[i]);
      queues?.room.released(hashes[2 * i], hashes[2 * i + 1]);
    }
  }
  x.limitTickets = null;
}

function priceOf(cost: LimitConfig['cost']): (x: Exchange) => number {
  if (cost === undefined) return () => 1;
  const { header, value, min, max } = cost;
  if (header === undefined) {
    const fixed = value ?? cost.default;
    return () => fixed;
  }
  return function priceByHeader(x) {
    const text = x.header(header);
    if (text === undefined || !/^\d+$/.test(text)) return cost.default;
    return Math.max(min, Math.min(Number(text), max));
  };
}
