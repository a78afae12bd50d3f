/**
 * Limits that ask Redis for each request (`mode: strict`): the only ones that a request waits for, and no longer than
 * `limiter.sync.timeout`. Without an answer in that time, or while Redis is known to be away, this machine's share decides.
 */
import type { LimitConfig } from '../../../config/schema/limits/limits.js';
import { RATE_LIMITED } from '../../../errors.js';
import type { Exchange } from '../../../exchange.js';
import { ANSWERED, CONTINUE, type Env, type Stage, type Verdict } from '../../../pipeline.js';
import type { Reply, Row } from '../../store/limits/redis-limits.js';
import { CalendarPeriod } from '../algorithms/calendar.js';
import { PeriodMask } from '../algorithms/counter.js';
import type { Algorithm, Decision } from '../decision.js';
import type { GateEnv, LimitCounter } from '../gate.js';
import { compileKey, type KeyPart } from '../key-parts.js';
import { Limit, type LimitVariant } from '../limit.js';
import { LimitTeller } from '../limit-fields.js';
import type { NamedLimit } from '../plans/named-limits.js';

/** Asks Redis about one key. */
export interface StrictAsker {
  /** Milliseconds that a request waits at most. */
  readonly timeoutMs: number;
  round(rows: readonly Row[]): Promise<Reply[]>;
  /** Before the first request. */
  warm(): Promise<void>;
}

export interface StrictHooks {
  price(cost: LimitConfig['cost']): (x: Exchange) => number;
  /** Takes back what the limits before have taken. */
  giveBack(x: Exchange, env: GateEnv, now: number): void;
}

export const isStrict = ({ config }: NamedLimit): boolean => config.mode === 'strict';

/** `before`: what the other limits of the same moment say; those that refuse spare the question. */
export function strictStage(
  before: Stage | null,
  limits: readonly NamedLimit[],
  env: GateEnv,
  route: Env['route'],
  hooks: StrictHooks,
): Stage {
  const strict = limits.map((limit) => new StrictLimit(limit, env, route, hooks));
  return function askRedis(x) {
    const verdict = before === null ? CONTINUE : before(x);
    if (verdict === ANSWERED) return ANSWERED;
    // All keys before the first pause: hashers are shared, and headers are the request's.
    const asked = strict.map((limit) => limit.prepare(x, env.memory.clock.now()));
    if (verdict === CONTINUE) return askAll(asked, x, env, hooks);
    // It waits for its turn at another limit: Redis is asked when that has come.
    return verdict.then((v) => (v === CONTINUE && !x.done ? askAll(asked, x, env, hooks) : ANSWERED));
  };
}

async function askAll(
  asked: readonly Asked[],
  x: Exchange,
  env: GateEnv,
  hooks: StrictHooks,
): Promise<Verdict> {
  for (const one of asked) {
    if (await one.ask()) continue;
    const waitS = Math.ceil(one.waitMs / 1000);
    hooks.giveBack(x, env, env.memory.clock.now());
    x.retryAfterS = Number.isFinite(waitS) ? Math.max(1, waitS) : A_DAY_S;
    return x.refuse(RATE_LIMITED, `The limit "${one.name}" is used up.`);
  }
  return CONTINUE;
}

const A_DAY_S = 86_400;
/** Redis forgets the count of a period so long after its end. */
const KEPT_MS = 3_600_000;
const NO_ROLES: readonly string[] = Object.freeze([]);

class StrictLimit {
  readonly #env: GateEnv;
  readonly #asker: StrictAsker;
  readonly #config: LimitConfig;
  readonly #limit: Limit;
  readonly #keys: readonly KeyPart[];
  readonly #price: (x: Exchange) => number;
  readonly #counter: LimitCounter;
  readonly #period: CalendarPeriod | null;
  readonly #mask = new PeriodMask();

  constructor({ name, config }: NamedLimit, env: GateEnv, route: Env['route'], hooks: StrictHooks) {
    this.#env = env;
    this.#asker = env.strict as StrictAsker;
    this.#config = config;
    this.#limit = new Limit(name, config, env.memory);
    this.#keys = compileKey(config, route);
    this.#price = hooks.price(config.cost);
    this.#counter = env.counter(name);
    this.#period =
      config.algorithm === 'quota' && typeof config.per === 'string' ? new CalendarPeriod(config.per) : null;
  }

  prepare(x: Exchange, now: number): Asked {
    const variant = this.#limit.variant(x.identity?.roles ?? NO_ROLES);
    const { hasher, salt } = variant;
    hasher.begin(salt);
    for (const part of this.#keys) part(hasher, x);
    const hashes = new Int32Array(2);
    hasher.end(hashes, 0);
    const row = this.#row(variant, hashes, this.#price(x), now);
    return new Asked(x, row, hashes, variant, this.#env, this.#asker, this.#counter, variant.shadow);
  }

  #row({ algorithm }: LimitVariant, [h1, h2]: Int32Array, cost: number, now: number): Row {
    const { algorithm: kind, rate, burst, per } = this.#config;
    const want = Math.ceil(cost);
    const common = { used: 0, want, demand: -1 };
    if (this.#period !== null) {
      const time = this.#env.memory.clock.calendar(now);
      this.#period.locate(time);
      this.#mask.set(this.#period.index);
      const periodMs = this.#period.end - time + KEPT_MS;
      const key = { h1: h1! ^ this.#mask.first, h2: h2! ^ this.#mask.second };
      return { ...common, ...key, kind: 'q', count: algorithm.quota, periodMs, cap: 0, used: want, start: 0 };
    }
    const periodMs = typeof per === 'number' ? per : algorithm.windowSeconds * 1000;
    const cap = kind === 'token-bucket' ? (burst ?? algorithm.quota) : algorithm.quota;
    const figures = { count: algorithm.quota, periodMs, cap, start: cap };
    return { ...common, h1: h1!, h2: h2!, kind: kind === 'token-bucket' && rate ? 'b' : 'w', ...figures };
  }
}

/** One question about one request. */
class Asked {
  readonly name: string;
  waitMs = 0;
  readonly #x: Exchange;
  readonly #row: Row;
  readonly #hashes: Int32Array;
  readonly #variant: LimitVariant;
  readonly #env: GateEnv;
  readonly #asker: StrictAsker;
  readonly #counter: LimitCounter;
  readonly #shadow: boolean;

  constructor(
    x: Exchange,
    row: Row,
    hashes: Int32Array,
    variant: LimitVariant,
    env: GateEnv,
    asker: StrictAsker,
    counter: LimitCounter,
    shadow: boolean,
  ) {
    this.name = variant.name;
    this.#x = x;
    this.#row = row;
    this.#hashes = hashes;
    this.#variant = variant;
    this.#env = env;
    this.#asker = asker;
    this.#counter = counter;
    this.#shadow = shadow;
  }

  /** Whether the request is admitted. Never rejects. */
  async ask(): Promise<boolean> {
    const reply = this.#env.memory.board.away ? null : await answered(this.#asker, this.#row);
    const admitted = reply === null ? this.#decideAlone() : this.#decide(reply);
    if (admitted) this.#counter.admitted++;
    else if (this.#shadow) this.#counter.shadowed++;
    else this.#counter.refused++;
    return admitted || this.#shadow;
  }

  #decide({ given, left, hintMs }: Reply): boolean {
    const { want, kind, count, periodMs, cap } = this.#row;
    const admitted = kind === 'q' ? given >= 0 : given === want;
    if (kind === 'q') {
      const rest = periodMs - KEPT_MS;
      this.#tell(left, rest);
      this.waitMs = want > count ? Number.POSITIVE_INFINITY : rest;
    } else {
      this.#tell(left, ((cap - left) / count) * periodMs);
      // Redis says when there is one; a dear request has to wait for all that it costs.
      const all = kind === 'b' ? ((want - left - 1) / count) * periodMs : 0;
      this.waitMs = want > cap ? Number.POSITIVE_INFINITY : Math.max(hintMs, all);
    }
    if (admitted && want > 0) this.#note(() => void answered(this.#asker, returned(this.#row)));
    return admitted;
  }

  #decideAlone(): boolean {
    const { engine, memory } = this.#env;
    const { algorithm } = this.#variant;
    const { decision } = engine;
    const [h1, h2] = this.#hashes as unknown as [number, number];
    decision.begin(1);
    const now = memory.clock.now();
    const admitted = algorithm.take(decision, 0, h1, h2, this.#row.want, now);
    this.#tell(decision.remaining[0] as number, decision.resetMs[0] as number);
    this.waitMs = decision.retryAfterMs;
    const slot = decision.slots[0] as number;
    if (admitted)
      this.#note((d) => {
        d.slots[0] = slot;
        algorithm.refund(d, 0, h1, this.#row.want, memory.clock.now());
      });
    return admitted;
  }

  /** For the case that another limit refuses. */
  #note(refund: (d: Decision) => void): void {
    const ticket = {
      algorithms: [{ refund } as unknown as Algorithm],
      slots: new Int32Array(1),
      holds: Int32Array.of(-1),
      hashes: this.#hashes,
      costs: Float64Array.of(this.#row.want),
      shadowed: 0,
      takenAt: this.#env.memory.clock.now(),
    };
    if (this.#x.limitTickets === null) this.#x.limitTickets = [ticket];
    else this.#x.limitTickets.push(ticket);
  }

  #tell(left: number, resetMs: number): void {
    const { headers } = this.#env;
    if (headers === 'off') return;
    new LimitTeller(headers).tell(this.#x, [this.#variant], {
      remaining: Float64Array.of(Math.max(0, left)),
      resetMs: Float64Array.of(Math.max(0, resetMs)),
      refusedBy: -1,
    });
  }
}

/** What gives back what a row has taken. */
function returned(row: Row): Row {
  return row.kind === 'q' ? { ...row, used: -row.want, want: 0 } : { ...row, want: -row.want };
}

/** null: no answer in time, or none that can be used. */
async function answered(asker: StrictAsker, row: Row): Promise<Reply | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    // After a look at the sockets: an answer that has come while this process was busy counts.
    timer = setTimeout(() => setImmediate(resolve, null), asker.timeoutMs);
  });
  const reply = asker.round([row]).then(
    ([first]) => first ?? null,
    () => null,
  );
  const first = await Promise.race([reply, late]);
  clearTimeout(timer);
  return first;
}
