/**
 * Who is on which channel on which machine, in Redis. Each channel has keys with its name in braces:
 *
 *   sluice:presence:{room.1}:machines      sorted set: machine → until when its members count, unless it says so again
 *   sluice:presence:{room.1}:of:MACHINE    hash: id → JSON of the member
 *   sluice:presence:{room.1}:held          hash: id → on how many machines
 *   sluice:presence:{room.1}:ids           sorted set: ids, all with the score 0, which puts them in order
 *   sluice:presence:{room.1}               what machines listen to: {"event":"join","member":{…}}
 *
 * Whoever calls a script takes out the machines whose time is over. Everything rejects with a StoreFault.
 */
import { RedisLink, type RedisPlace } from '../redis/redis-link.js';
import { run, scriptOf } from '../redis/script.js';
import { StoreFault } from '../store-fault.js';

const ANSWER_WITHIN_MS = 1000;
/** Members in one call. */
const AT_ONCE = 500;

/** ARGV[1]: the channel's prefix. */
const HEAD = `
local prefix = ARGV[1]
local machines, held, ids = KEYS[1], KEYS[2], KEYS[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for key, kind in pairs({ [machines] = 'zset', [held] = 'hash', [ids] = 'zset' }) do
  local found = redis.call('TYPE', key).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', key) end
end
local function of(machine)
  local key = prefix .. ':of:' .. machine
  local found = redis.call('TYPE', key).ok
  if found ~= 'hash' and found ~= 'none' then redis.call('DEL', key) end
  return key
end
local function tell(event, member)
  redis.call('PUBLISH', prefix, '{"event":"' .. event .. '","member":' .. member .. '}')
end
local function hold(id, member)
  local before = redis.pcall('HINCRBY', held, id, 1)
  if type(before) == 'table' then
    redis.call('HSET', held, id, 1)
    before = 1
  end
  if before ~= 1 then return end
  redis.call('ZADD', ids, 0, id)
  tell('join', member)
end
local function release(id, member)
  local left = redis.pcall('HINCRBY', held, id, -1)
  if type(left) == 'number' and left > 0 then return end
  redis.call('HDEL', held, id)
  if redis.call('ZREM', ids, id) == 1 then tell('leave', member) end
end
local function sweep()
  for _, machine in ipairs(redis.call('ZRANGEBYSCORE', machines, '-inf', now)) do
    local theirs = of(machine)
    local members = redis.call('HGETALL', theirs)
    for i = 1, #members, 2 do release(members[i], members[i + 1]) end
    redis.call('DEL', theirs)
    redis.call('ZREM', machines, machine)
  end
end
sweep()`;

/**
 * ARGV: prefix, machine, for how long its members count (0: it leaves for good), how long keys stay, how many members it has
 * then (-1: never mind), then id and JSON of members, without JSON those that are gone. Gives whether Redis knows all of them.
 */
const CHANGE = scriptOf(`${HEAD}
local machine, life, expected = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[5])
local mine = of(machine)
for i = 6, #ARGV, 2 do
  local id, member = ARGV[i], ARGV[i + 1]
  if member == '' then
    local before = redis.call('HGET', mine, id)
    if before then
      redis.call('HDEL', mine, id)
      release(id, before)
    end
  elseif redis.call('HSET', mine, id, member) == 1 then
    hold(id, member)
  end
end
local count = redis.call('HLEN', mine)
if count == 0 then redis.call('ZREM', machines, machine)
else redis.call('ZADD', machines, now + life, machine) end
for _, key in ipairs({ machines, held, ids, mine }) do redis.call('PEXPIRE', key, ARGV[4]) end
if life == 0 then sweep() end
if expected >= 0 and count ~= expected then return 0 end
return 1`);

/** ARGV: prefix, machine. Gives the ids of its members. */
const OWN = scriptOf(`${HEAD}
return redis.call('HKEYS', of(ARGV[2]))`);

/** ARGV: prefix, id to begin behind, how many. Gives how many there are, and id and JSON of some, once for each machine. */
const LIST = scriptOf(`${HEAD}
local from = ARGV[2] == '' and '-' or '(' .. ARGV[2]
local page = redis.call('ZRANGEBYLEX', ids, from, '+', 'LIMIT', 0, ARGV[3])
local answer = { redis.call('ZCARD', ids) }
if #page == 0 then return answer end
for _, machine in ipairs(redis.call('ZRANGE', machines, 0, -1)) do
  for i, member in ipairs(redis.call('HMGET', of(machine), unpack(page))) do
    if member then
      answer[#answer + 1] = page[i]
      answer[#answer + 1] = member
    end
  end
end
return answer`);

export const presenceFeedOf = (channel: string): string => `sluice:presence:{${channel}}`;

export interface StoredMember {
  readonly id: string;
  /** JSON. */
  readonly text: string;
}

export class RedisPresence {
  readonly #link: RedisLink;
  readonly #machine: string;
  readonly #lifeMs: number;

  /** `lifeMs`: without a word for so long, a machine and all who are on it are gone. */
  constructor(place: RedisPlace, machine: string, lifeMs: number) {
    this.#link = new RedisLink(place, ANSWER_WITHIN_MS);
    this.#machine = machine;
    this.#lifeMs = lifeMs;
  }

  /**
   * Says that this machine is there, and who has come, changed, or gone (`text` empty). `expected`: how many it then has.
   * False: Redis knows others.
   */
  async change(channel: string, changes: readonly StoredMember[], expected: number): Promise<boolean> {
    let agrees = true;
    for (let i = 0; i === 0 || i < changes.length; i += AT_ONCE) {
      const some = changes.slice(i, i + AT_ONCE);
      const isLast = i + AT_ONCE >= changes.length;
      const args = [this.#machine, this.#lifeMs, 3 * this.#lifeMs, isLast ? expected : -1];
      const answer = await this.#run(CHANGE, channel, [
        ...args,
        ...some.flatMap(({ id, text }) => [id, text]),
      ]);
      agrees = answer === 1;
    }
    return agrees;
  }

  /** For this long the members of this machine still count: they may come back to another one. */
  async leave(channel: string, forMs: number): Promise<void> {
    await this.#run(CHANGE, channel, [this.#machine, Math.min(forMs, this.#lifeMs), 3 * this.#lifeMs, -1]);
  }

  /** Ids of the members that Redis knows of this machine. */
  async own(channel: string): Promise<string[]> {
    const ids = await this.#run(OWN, channel, [this.#machine]);
    return Array.isArray(ids) ? ids.map(String) : [];
  }

  /** A member on several machines comes several times. */
  async list(
    channel: string,
    after: string,
    limit: number,
  ): Promise<{ total: number; members: StoredMember[] }> {
    const answer = await this.#run(LIST, channel, [after, limit]);
    if (!Array.isArray(answer)) throw new StoreFault('Redis answers what cannot be understood');
    const [total, ...rest] = answer;
    const members = Array.from({ length: rest.length / 2 }, (_, i) => ({
      id: String(rest[2 * i]),
      text: String(rest[2 * i + 1]),
    }));
    return { total: Number(total), members };
  }

  close(): void {
    this.#link.close();
  }

  #run(script: ReturnType<typeof scriptOf>, channel: string, args: readonly (string | number)[]) {
    const prefix = presenceFeedOf(channel);
    const keys = [`${prefix}:machines`, `${prefix}:held`, `${prefix}:ids`];
    return this.#link.use((redis) => run(redis, script, keys, [prefix, ...args]));
  }
}
