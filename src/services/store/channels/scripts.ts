/**
 * Channels in Redis. Each has two keys, with its name in braces, so that a Cluster keeps them together:
 *
 *   sluice:channel:{ticks.EURUSD}:state   hash: epoch, offset, latest (the last message), ttl, entry (see below)
 *   sluice:channel:{ticks.EURUSD}:log     stream: message n has the id `n-0`, d: its data, t: when it came
 *   sluice:channel:{ticks.EURUSD}         what machines that follow it hear: epoch, offset, data
 *
 * Whatever else is found under these keys is no log, and is taken away.
 */

/** A channel that nobody speaks on is forgotten after this long at least: then it begins again with another epoch. */
export const SPOKEN_LIFE_MS = 86_400_000;
/** One that somebody has only listened to; as long as somebody does, it is told again and again. */
export const HEARD_LIFE_MS = 3_600_000;
/** Too old messages that one call takes out: more than it brings. */
const EXPIRED_AT_ONCE = 16;

/** Every script begins with Redis' time, and with what is known. ARGV[1]: the epoch of a log that begins now. */
const HEAD = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.pcall('HMGET', KEYS[1], 'epoch', 'offset', 'latest', 'entry')
if known.err then
  redis.call('DEL', KEYS[1])
  known = {}
end
local epoch, offset, latest, entry = known[1], tonumber(known[2]), known[3], known[4]
local function begin()
  redis.call('DEL', KEYS[1], KEYS[2])
  epoch, offset, latest = ARGV[1], 0, false
  redis.call('HSET', KEYS[1], 'epoch', epoch, 'offset', 0)
  redis.call('PEXPIRE', KEYS[1], ${HEARD_LIFE_MS})
end
-- Takes out what is too old, this many at most; whether that was all.
local function expire(ttl, most)
  local found = redis.pcall('XRANGE', KEYS[2], '-', '+', 'COUNT', most)
  local last = false
  for _, old in ipairs(found.err and {} or found) do
    if tonumber(old[2][4]) > now - ttl then break end
    last = string.match(old[1], '^%d+')
  end
  if last then redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f-0', last + 1)) end
  return not last or last ~= string.match(found[#found][1], '^%d+')
end
if not epoch or not offset then begin() end`;

/**
 * KEYS: state, log. ARGV: a new epoch, messages kept, for how long (0: no matter), what machines listen to, then id and data
 * of each message. An id is that of an entry in the stream of publications, and of such messages each is taken once; or it is
 * empty. Gives the epoch, the offset of the last one, and how many were taken.
 */
export const APPEND = `${HEAD}
local size, ttl, feed = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local function isAfter(id, other)
  if not other then return true end
  local ms, n = string.match(id, '^(%d+)-(%d+)$')
  local otherMs, otherN = string.match(other, '^(%d+)-(%d+)$')
  if not otherMs then return true end
  ms, n, otherMs, otherN = tonumber(ms), tonumber(n), tonumber(otherMs), tonumber(otherN)
  return ms > otherMs or (ms == otherMs and n > otherN)
end
local taken = 0
for i = 5, #ARGV, 2 do
  local id, data = ARGV[i], ARGV[i + 1]
  if id == '' or isAfter(id, entry) then
    taken = taken + 1
    offset = offset + 1
    latest = data
    if id ~= '' then entry = id end
    if size > 0 then
      local at = string.format('%.0f-0', offset)
      if redis.pcall('XADD', KEYS[2], 'MAXLEN', size, at, 'd', data, 't', now).err then
        redis.call('DEL', KEYS[2])
        redis.call('XADD', KEYS[2], 'MAXLEN', size, at, 'd', data, 't', now)
      end
    end
    redis.call('PUBLISH', feed, epoch .. ' ' .. string.format('%.0f', offset) .. ' ' .. data)
  end
end
if taken > 0 then
  redis.call('HSET', KEYS[1], 'offset', string.format('%.0f', offset), 'latest', latest, 'ttl', ARGV[3])
  if entry then redis.call('HSET', KEYS[1], 'entry', entry) end
  redis.call('PEXPIRE', KEYS[1], math.max(${SPOKEN_LIFE_MS}, 2 * ttl))
  if size == 0 then redis.call('DEL', KEYS[2])
  elseif ttl == 0 then redis.call('PEXPIRE', KEYS[2], ${SPOKEN_LIFE_MS})
  else
    redis.call('PEXPIRE', KEYS[2], ttl)
    expire(ttl, ${EXPIRED_AT_ONCE})
  end
end
return { epoch, string.format('%.0f', offset), taken }`;

/**
 * KEYS: state, log. ARGV: a new epoch, for how long messages are kept (0: no matter), epoch and offset from which on, and epoch
 * and offset that the machine has heard of for certain: a log that has less has lost messages (a replica took over too early)
 * and begins again, because its next offsets would be given twice; and how many messages at most. Gives epoch, offset, whether
 * nothing is missing, the latest message, from which offset on nothing is missing, and offset and data of those behind the
 * position.
 */
export const READ = `${HEAD}
local ttl = tonumber(ARGV[2])
local sinceEpoch, since, heardEpoch, heard = ARGV[3], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local most = tonumber(ARGV[7])
if heardEpoch == epoch and heard > offset then begin() end
if redis.call('PTTL', KEYS[1]) < ${HEARD_LIFE_MS} then redis.call('PEXPIRE', KEYS[1], ${HEARD_LIFE_MS}) end
if ttl > 0 then while not expire(ttl, 100) do end end
local first = redis.pcall('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
local oldest = offset
if not first.err and first[1] then oldest = tonumber(string.match(first[1][1], '^%d+')) - 1 end
local answer = { epoch, string.format('%.0f', offset), 0, latest or false, string.format('%.0f', oldest) }
if sinceEpoch ~= epoch or since > offset or since < oldest then return answer end
if since < offset then
  local found = redis.pcall('XRANGE', KEYS[2], string.format('%.0f-0', since + 1), '+', 'COUNT', most)
  if found.err then found = {} end
  if #found ~= math.min(most, offset - since) then return answer end
  for _, one in ipairs(found) do
    answer[#answer + 1] = string.match(one[1], '^%d+')
    answer[#answer + 1] = one[2][2]
  end
end
answer[3] = 1
return answer`;

/** KEYS: state, log. Gives epoch, offset, messages kept; nothing where nothing is known. */
export const LOOK = `
local known = redis.pcall('HMGET', KEYS[1], 'epoch', 'offset', 'ttl')
if known.err or not known[1] or not known[2] then return {} end
local time = redis.call('TIME')
local ttl, kept = tonumber(known[3]) or 0, redis.pcall('XLEN', KEYS[2])
if type(kept) == 'table' then kept = 0 end
if ttl > 0 and kept > 0 then
  local oldest, from, gone = time[1] * 1000 + math.floor(time[2] / 1000) - ttl, '-', true
  while gone do
    local some = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', 100)
    for _, one in ipairs(some) do
      gone = tonumber(one[2][4]) <= oldest
      if not gone then break end
      kept = kept - 1
      from = '(' .. one[1]
    end
    gone = gone and #some == 100
  end
end
return { known[1], known[2], kept }`;
