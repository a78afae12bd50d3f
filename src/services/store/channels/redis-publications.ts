/**
 * What services publish through Redis, with one command of their own:
 *
 *   XADD sluice:publish * channel ticks.EURUSD data '{"bid":1.0842}'
 *
 * One gateway at a time takes what comes, in order, and puts it into the logs of the channels: two that took entries of one
 * channel at once could change their order. Everything rejects with a StoreFault.
 */
import { RedisLink, type RedisPlace } from '../redis/redis-link.js';
import { run, scriptOf } from '../redis/script.js';

export interface Entry {
  readonly id: string;
  readonly channel: string | undefined;
  readonly data: string | undefined;
}

export const PUBLISH_STREAM = 'sluice:publish';
/** Who takes entries. The braces keep a Cluster's nodes from spreading them. */
const LEADER = `{${PUBLISH_STREAM}}:leader`;
/** The last entry that was taken. */
const DONE = `{${PUBLISH_STREAM}}:done`;

const ANSWER_WITHIN_MS = 1000;
const WAIT_MS = 1000;
const AT_ONCE = 500;

/** KEYS: leader. ARGV: machine, for how long. */
const LEAD = scriptOf(`
local leader = redis.pcall('GET', KEYS[1])
if leader and leader ~= ARGV[1] and not leader.err then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`);

/** KEYS: leader. ARGV: machine. */
const LEAVE = scriptOf(`if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`);

/** KEYS: leader, done, stream. ARGV: machine, entry. What was taken need not stay. Gives whether the machine still leads. */
const TAKE = scriptOf(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2])
local ms, n = string.match(ARGV[2], '^(%d+)-(%d+)$')
redis.call('XTRIM', KEYS[3], 'MINID', string.format('%s-%.0f', ms, n + 1))
return 1`);

/** KEYS: stream, done. Whatever else is there is no stream, and is taken away. */
const BEGIN = scriptOf(`
if redis.call('TYPE', KEYS[1]).ok ~= 'stream' then redis.call('DEL', KEYS[1]) end
local done = redis.pcall('GET', KEYS[2])
if type(done) == 'string' and string.match(done, '^%d+%-%d+$') then return done end
return '0-0'`);

export class RedisPublications {
  readonly #commands: RedisLink;
  /** Blocked most of the time. */
  readonly #waiting: RedisLink;
  readonly #machine: string;

  constructor(place: RedisPlace, machine: string) {
    this.#commands = new RedisLink(place, ANSWER_WITHIN_MS);
    this.#waiting = new RedisLink(place, ANSWER_WITHIN_MS + WAIT_MS);
    this.#machine = machine;
  }

  /** Whether this machine takes what comes, for so long. */
  async lead(forMs: number): Promise<boolean> {
    return (await this.#commands.use((redis) => run(redis, LEAD, [LEADER], [this.#machine, forMs]))) === 1;
  }

  /** Another one may. */
  async leave(): Promise<void> {
    await this.#commands.use((redis) => run(redis, LEAVE, [LEADER], [this.#machine]));
  }

  /** The last entry that was taken. */
  async begin(): Promise<string> {
    return String(await this.#commands.use((redis) => run(redis, BEGIN, [PUBLISH_STREAM, DONE], [])));
  }

  /** Entries behind this one; waits a second for the first. */
  async next(after: string): Promise<Entry[]> {
    const answer = await this.#waiting.use((redis) =>
      redis.xread('COUNT', AT_ONCE, 'BLOCK', WAIT_MS, 'STREAMS', PUBLISH_STREAM, after),
    );
    return (answer?.[0]?.[1] ?? []).map(([id, fields]) => ({
      id,
      channel: fieldOf(fields, 'channel'),
      data: fieldOf(fields, 'data'),
    }));
  }

  /** All up to this entry are in their logs. False: another machine leads now. */
  async taken(entry: string): Promise<boolean> {
    const keys = [LEADER, DONE, PUBLISH_STREAM];
    return (await this.#commands.use((redis) => run(redis, TAKE, keys, [this.#machine, entry]))) === 1;
  }

  close(): void {
    this.#commands.close();
    this.#waiting.close();
  }
}

function fieldOf(fields: readonly string[], name: string): string | undefined {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
  return undefined;
}
