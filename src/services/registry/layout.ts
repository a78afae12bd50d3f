/**
 * The registry in Redis: docs/registry.md describes it for programs that use it directly. Each service has three keys with
 * the service in braces, so that a cluster keeps them together; Redis' own clock says when leases end.
 *
 *   sluice:registry:{quotes}:instances   hash: id → JSON
 *   sluice:registry:{quotes}:leases      sorted set: id → when its lease ends, milliseconds since 1970
 *   sluice:registry:{quotes}:meta        hash: epoch (which set of data this is), n (how often it has changed)
 *   sluice:registry:changes              channel: the name of the service, and the id of an instance that left
 */

export const CHANGES = 'sluice:registry:changes';

export function keysOf(service: string): [instances: string, leases: string, meta: string] {
  const prefix = `sluice:registry:{${service}}`;
  return [`${prefix}:instances`, `${prefix}:leases`, `${prefix}:meta`];
}

/** No lease is longer, whoever wrote it, with whatever clock. */
export const LONGEST_LEASE_MS = 3_600_000;
/** Longer ids are cut, which makes them none: nobody gets megabytes from the registry. */
const LONGEST_ID = 128;
/** Keys of a service that nobody uses any more go by themselves. */
const FORGOTTEN_AFTER_MS = 86_400_000;

/**
 * Each script begins with Redis' time, takes away what is no registry, and makes the epoch: data without one has just been
 * lost, or never was.
 */
const HEAD = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i, kind in ipairs({ 'hash', 'zset', 'hash' }) do
  local found = redis.call('TYPE', KEYS[i]).ok
  if found ~= kind and found ~= 'none' then redis.call('DEL', KEYS[i]) end
end
if redis.call('HEXISTS', KEYS[3], 'epoch') == 0 then redis.call('HSET', KEYS[3], 'epoch', time[1] .. '-' .. time[2]) end
local function changed(what)
  redis.call('PUBLISH', '${CHANGES}', what)
  local counted = redis.pcall('HINCRBY', KEYS[3], 'n', 1)
  if type(counted) == 'table' then redis.call('HSET', KEYS[3], 'n', 1) end
end
local function sweep()
  local dead = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1000)
  for _, id in ipairs(dead) do
    redis.call('ZREM', KEYS[2], id)
    redis.call('HDEL', KEYS[1], id)
  end
  return #dead
end`;

/** ARGV: service, id, JSON, lease in ms, instances at most. Gives 0 renewed, 1 new, 2 changed, -1 no room. */
export const REGISTER = `${HEAD}
local service, id, text, ttl, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local lease = redis.call('ZSCORE', KEYS[2], id)
if not lease and redis.call('ZCARD', KEYS[2]) >= most then
  sweep()
  if redis.call('ZCARD', KEYS[2]) >= most then return -1 end
end
local before = redis.call('HGET', KEYS[1], id)
local alive = before and lease and tonumber(lease) > now
redis.call('ZADD', KEYS[2], now + math.min(ttl, ${LONGEST_LEASE_MS}), id)
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ${FORGOTTEN_AFTER_MS}) end
if alive and before == text then return 0 end
redis.call('HSET', KEYS[1], id, text)
redis.call('PEXPIRE', KEYS[1], ${FORGOTTEN_AFTER_MS})
changed(service)
if alive then return 2 end
return 1`;

/** ARGV: service, id. Gives whether it was there. */
export const DEREGISTER = `${HEAD}
local had = redis.call('ZREM', KEYS[2], ARGV[2]) + redis.call('HDEL', KEYS[1], ARGV[2])
if had > 0 then changed(ARGV[1] .. ' ' .. ARGV[2]) end
return had`;

/** ARGV: service. Takes out whose lease has ended; gives epoch and n. */
export const SWEEP = `${HEAD}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. (now + ${LONGEST_LEASE_MS}), '+inf', 'LIMIT', 0, 1000)) do
  redis.call('ZADD', KEYS[2], now + ${LONGEST_LEASE_MS}, id)
end
if sweep() > 0 then changed(ARGV[1]) end
return redis.call('HMGET', KEYS[3], 'epoch', 'n')`;

/**
 * ARGV: instances at most, bytes of each at most, ids that come first if there are too many. Gives epoch, n, how many there
 * are, and id, milliseconds left, JSON of each; the JSON is empty when it is too long, or missing.
 */
export const SNAPSHOT = `${HEAD}
local most, bytes = tonumber(ARGV[1]), tonumber(ARGV[2])
local count = redis.call('ZCOUNT', KEYS[2], '(' .. now, '+inf')
local meta = redis.call('HMGET', KEYS[3], 'epoch', 'n')
local answer = { meta[1], meta[2] or '0', count }
local seen, taken = {}, 0
local function take(id, lease)
  if taken >= most or seen[id] or not lease or tonumber(lease) <= now then return end
  seen[id] = true
  taken = taken + 1
  local text = ''
  if #id > ${LONGEST_ID} then id = string.sub(id, 1, ${LONGEST_ID}) .. '...'
  elseif redis.call('HSTRLEN', KEYS[1], id) <= bytes then text = redis.call('HGET', KEYS[1], id) or '' end
  answer[#answer + 1] = id
  answer[#answer + 1] = math.floor(tonumber(lease) - now)
  answer[#answer + 1] = text
end
for i = 3, #ARGV do take(ARGV[i], redis.call('ZSCORE', KEYS[2], ARGV[i])) end
local rest = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, most + #ARGV)
for i = 1, #rest, 2 do take(rest[i], rest[i + 1]) end
return answer`;
