/**
 * What Redis does for limits, in one script, by its own clock. It is given one or more keys, and for each of them a line of eight
 * figures; it answers three for each. All it knows of a key is one short string, which lives until it says nothing more.
 *
 * A bucket or a window: what was used is counted, whatever there is; of what is left then, the machine gets what it
 * asks for, but no more than three times its part, which follows from what all machines lately wanted: with once its part, what
 * is earned in a round would always lie here. One token, however small its part, if there is one. So tokens are in one place only: with Redis or in the hand of one machine.
 *
 * A quota: counts are added up. Of two counts the higher one holds: a Redis that has lost its last second learns from
 * the machines. A hint above 0 says that it did not know the key, which the machine has from it.
 *
 * A demand below 0 is one request that waits (`mode: strict`): it gets all that it wants, or nothing.
 *
 * What is in flight: each machine has room for so many, for as long as it says so again and again.
 */
export const SYNC_SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local me = ARGV[1]
local texts = redis.call('MGET', unpack(KEYS))
local out = {}
local LINE = '^(%a) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)$'

-- Machines and what they want, without those that were not heard of for a while.
local function others(text, patience)
  if text == '' then return '', 0 end
  local list, sum = {}, 0
  for id, want, at in string.gmatch(text, '(%x+)=([^,]+),([^;]+);') do
    want, at = tonumber(want), tonumber(at)
    if want and at and id ~= me and math.abs(now - at) < patience then
      list[#list + 1] = string.format('%s=%.17g,%.0f;', id, want, at)
      sum = sum + want
    end
  end
  return table.concat(list), sum
end

local function grant(level, want, demand, rest)
  if want <= 0 then return want end
  if demand < 0 then return level >= want and want or 0 end
  local part = demand + rest > 0 and demand / (demand + rest) or 1
  return math.max(0, math.min(want, math.floor(level), math.max(1, math.floor(level * math.min(1, 3 * part)))))
end

for i = 1, #KEYS do
  local kind, count, period, cap, used, want, demand, start = string.match(ARGV[i + 1], LINE)
  count, period, cap, used = tonumber(count), tonumber(period), tonumber(cap), tonumber(used)
  want, demand, start = tonumber(want), tonumber(demand), tonumber(start)
  local text, own = texts[i] or '', ''
  if demand >= 0 then own = string.format('%s=%.17g,%.0f;', me, demand, now) end
  -- A machine that was away: this much is there at most, whatever Redis thinks.
  local most = start < 0 and -start - 1 or nil
  if most then start = most end
  local given, left, hint, life = 0, 0, 0, 0
  if kind == 'b' then
    local level, at, list = string.match(text, '^b ([^ ]+) ([^ ]+) (.*)$')
    level, at = tonumber(level), tonumber(at)
    if not (level and at) then level, at, list = start, now, '' end
    level = math.min(cap, level + math.max(0, now - at) * count / period)
    if most then level = math.min(level, most) end
    level = level - used
    local kept, sum = others(list, 1000)
    given = grant(level, want, demand, sum)
    level = math.min(cap, level - given)
    left = math.floor(level)
    if level < 1 then hint = (1 - level) * period / count end
    life = (cap - level) * period / count + 60000
    text = string.format('b %.17g %.3f %s%s', level, now, kept, own)
  elseif kind == 'w' then
    local w, current, before, list = string.match(text, '^w ([^ ]+) ([^ ]+) ([^ ]+) (.*)$')
    w, current, before = tonumber(w), tonumber(current), tonumber(before)
    local window = math.floor(now / period)
    local covered = 1 - (now % period) / period
    if not (w and current and before) then
      w, current, before, list = window, math.max(0, count - start), 0, ''
    end
    if w == window - 1 or w > window + 1 then before, current = current, 0
    elseif w < window - 1 then before, current = 0, 0
    elseif w > window then window, covered = w, 1 end
    if most then current = math.max(current, math.ceil(count - before * covered - most)) end
    current = current + used
    local kept, sum = others(list, 1000)
    local level = math.floor(count - before * covered) - current
    given = grant(level, want, demand, sum)
    current = math.max(0, current + given)
    left = level - given
    if left < 1 then
      local enough = before > 0 and (count - current - 1) / before or -1
      hint = (enough >= 0 and math.max(0, covered - enough) or covered) * period
    end
    life = 2 * period + 60000
    text = string.format('w %.0f %.17g %.17g %s%s', window, current, before, kept, own)
  elseif kind == 'q' then
    local counted = tonumber(string.match(text, '^q (.*)$')) or 0
    if want ~= 0 and counted + used > count then
      given = -1
    else
      if not texts[i] and start > 0 then hint = 1 end
      counted = math.max(counted, start) + used
      given = counted
    end
    left = math.max(0, count - counted)
    life = period
    text = string.format('q %.0f', counted)
  else
    local kept, sum = others(string.match(text, '^h (.*)$') or '', period)
    given = math.max(0, math.min(want, count - sum))
    left = math.max(0, count - sum - given)
    life = period
    text = 'h ' .. kept
    if given > 0 then text = string.format('h %s%s=%.0f,%.0f;', kept, me, given, now) end
  end
  redis.call('SET', KEYS[i], text, 'PX', string.format('%.0f', math.max(1000, math.min(life, 34560000000))))
  out[#out + 1] = math.floor(given)
  out[#out + 1] = math.floor(left)
  out[#out + 1] = math.ceil(hint)
end
return out`;

/**
 * Who is there: this machine says so, or says that it leaves; those that have not been heard of for a while are forgotten.
 * How many, what time it is, the secret that all machines hash keys with, which is the first one that any of them brings (empty: none
 * has, nor has this one), and whether this machine was in the list: one that has spoken and is not learns that Redis has lost its data.
 */
export const HEARTBEAT_SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local me, forget, leaves = ARGV[1], tonumber(ARGV[2]), ARGV[4] == '1'
local found = redis.call('MGET', KEYS[1], KEYS[2])
local list, count, seed, known = '', 0, found[2], 0
for id, at in string.gmatch(found[1] or '', '(%x+)=(%d+);') do
  if id == me then known = 1 end
  if id ~= me and math.abs(now - tonumber(at)) < forget then
    list, count = list .. id .. '=' .. at .. ';', count + 1
  end
end
if not leaves then list, count = list .. string.format('%s=%.0f;', me, now), count + 1 end
redis.call('SET', KEYS[1], list, 'PX', forget * 10)
if not seed then
  seed = ARGV[3]
  if seed ~= '' then redis.call('SET', KEYS[2], seed) end
end
return { count, string.format('%.0f', now), seed, known }`;
