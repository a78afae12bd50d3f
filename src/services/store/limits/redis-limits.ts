/** What limits ask of Redis: a round for many keys, one key for a request that waits, who else is there, and the common secret. */
import type { Redis } from 'ioredis';
import { RedisLink, type RedisPlace } from '../redis/redis-link.js';
import { run, scriptOf } from '../redis/script.js';
import { StoreFault } from '../store-fault.js';
import { HEARTBEAT_SCRIPT, SYNC_SCRIPT } from './script.js';

export interface LimitKey {
  readonly h1: number;
  readonly h2: number;
}

/** What the script is told of a key: see `SYNC_SCRIPT`. */
export interface Row extends LimitKey {
  readonly kind: 'b' | 'w' | 'q' | 'h';
  readonly count: number;
  readonly periodMs: number;
  readonly cap: number;
  readonly used: number;
  readonly want: number;
  readonly demand: number;
  /** What to begin with where Redis knows nothing; -1 - n: there are n at most, whatever Redis says. */
  readonly start: number;
}

export interface Reply {
  readonly given: number;
  readonly left: number;
  /** Milliseconds until there may be more. */
  readonly hintMs: number;
}

export interface Heartbeat {
  readonly machines: number;
  /** Of Redis, milliseconds since 1970. */
  readonly wall: number;
  /** The secret that all machines hash keys with; empty: no machine has brought one yet. */
  readonly seed: string;
  /** Redis remembers an earlier heartbeat of this machine. */
  readonly isKnown: boolean;
}

const PREFIX = 'sluice:limits';
const MACHINES = `sluice:{limits}:machines`;
const SEED = `sluice:{limits}:seed`;

/** In a Cluster one call is for keys with one tag; few enough that many keys share a call. */
const TAGS = 64;
/** Keys in one call: so many keep Redis busy for about a millisecond. */
const KEYS_AT_ONCE = 200;
/** Room for nobody: changes nothing, and is forgotten in a second. */
const PROBE: Row = {
  ...{ h1: 0, h2: 0, kind: 'h', count: 1, periodMs: 1_000, cap: 0 },
  ...{ used: 0, want: 0, demand: 0, start: 0 },
};

export class RedisLimits {
  readonly #link: RedisLink;
  readonly #machine: string;
  readonly #byTag: boolean;
  /** Calls since the start: for metrics. */
  calls = 0;

  /**
   * `machine`: hexadecimal digits that no other machine has. The caller waits for `timeoutMs`; a connection that does not
   * answer for three times as long is given up.
   */
  constructor(place: RedisPlace, machine: string, timeoutMs: number) {
    this.#link = new RedisLink(place, 3 * timeoutMs);
    this.#machine = machine;
    this.#byTag = typeof place !== 'string' && 'cluster' in place;
  }

  /** Rejects with a StoreFault: nothing, or some of it, may have been carried out. */
  async round(rows: readonly Row[]): Promise<Reply[]> {
    const replies: Reply[] = new Array(rows.length);
    await this.#link.use(async (redis) => {
      const parts = this.#parts(rows);
      this.calls += parts.length;
      // Written one after the other without waiting: to one server they are one pipeline.
      const answers = await Promise.all(
        parts.map((part) =>
          this.#sync(
            redis,
            part.map((i) => rows[i] as Row),
          ),
        ),
      );
      for (const [at, part] of parts.entries()) {
        const numbers = checked(answers[at], 3 * part.length);
        for (const [n, i] of part.entries()) {
          replies[i] = { given: numbers[3 * n]!, left: numbers[3 * n + 1]!, hintMs: numbers[3 * n + 2]! };
        }
      }
    });
    return replies;
  }

  /** What is counted of each of these quotas. Only reads. */
  async quotas(keys: readonly LimitKey[]): Promise<number[]> {
    const counts: number[] = new Array(keys.length).fill(0);
    await this.#link.use(async (redis) => {
      const parts = this.#parts(keys);
      this.calls += parts.length;
      const texts = await Promise.all(
        parts.map((part) => redis.mget(part.map((i) => keyOf(keys[i] as LimitKey)))),
      );
      for (const [at, part] of parts.entries()) {
        for (const [n, i] of part.entries())
          counts[i] = Number(/^q (\d+)$/.exec(texts[at]?.[n] ?? '')?.[1] ?? 0);
      }
    });
    return counts;
  }

  /** Rejects unless Redis takes what rounds ask of it: each node of a Cluster. */
  async probe(): Promise<void> {
    await this.round(
      Array.from({ length: this.#byTag ? TAGS : 1 }, (_, tag) => ({ ...PROBE, h1: tag << 8 })),
    );
  }

  /** `seed`: 16 hexadecimal digits, for the case that there are none yet; empty brings none. */
  async heartbeat(forgetMs: number, seed: string, leaves = false): Promise<Heartbeat> {
    return await this.#link.use(async (redis) => {
      this.calls++;
      const answer = await run(
        redis,
        HEARTBEAT,
        [MACHINES, SEED],
        [this.#machine, forgetMs, seed, leaves ? '1' : '0'],
      );
      const [machines, wall, common, before] = Array.isArray(answer) ? answer : [];
      const [count, time, known] = checked([Number(machines), Number(wall), Number(before)], 3);
      if (!/^[0-9a-f]{16}$/.test(String(common)) && !(seed === '' && common === ''))
        throw new StoreFault(`${SEED} in Redis is damaged`);
      return { machines: count!, wall: time!, seed: String(common), isKnown: known !== 0 };
    });
  }

  async connect(): Promise<void> {
    await this.#link.use((redis) => redis.ping());
  }

  close(): void {
    this.#link.close();
  }

  #sync(redis: Redis, rows: readonly Row[]): Promise<unknown> {
    const args = [this.#machine, ...rows.map(lineOf)];
    return run(redis, SYNC, rows.map(keyOf), args);
  }

  #parts(rows: readonly LimitKey[]): number[][] {
    const tags = new Map<number, number[]>();
    const parts: number[][] = [];
    for (const [i, row] of rows.entries()) {
      const tag = this.#byTag ? tagOf(row) : 0;
      let part = tags.get(tag);
      if (part === undefined || part.length === KEYS_AT_ONCE) {
        part = [];
        tags.set(tag, part);
        parts.push(part);
      }
      part.push(i);
    }
    return parts;
  }
}

const tagOf = ({ h1 }: LimitKey): number => (h1 >>> 8) % TAGS;
const lineOf = ({ kind, count, periodMs, cap, used, want, demand, start }: Row): string =>
  `${kind} ${count} ${periodMs} ${cap} ${used} ${want} ${demand} ${start}`;
const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
const keyOf = (row: LimitKey): string => `${PREFIX}:{${tagOf(row)}}:${hex(row.h1)}${hex(row.h2)}`;

const SYNC = scriptOf(SYNC_SCRIPT);
const HEARTBEAT = scriptOf(HEARTBEAT_SCRIPT);

function checked(answer: unknown, length: number): number[] {
  if (Array.isArray(answer) && answer.length === length && answer.every(Number.isFinite)) return answer;
  throw new StoreFault('Redis answers what cannot be understood');
}
