/** What Redis does with idempotency keys in one step each. All keys have one hash tag, and with it one slot. */

export const PREFIX = 'sluice:{idempotency}';
/** A key: a hash of fp, token, life, state, since, and with an answer status, headers, body. */
export const KEY = `${PREFIX}:key:`;
/** There as long as a gateway is alive. */
export const LIFE = `${PREFIX}:life:`;
/** Which set of keys this is: another one after Redis has lost them. */
export const MARKER = `${PREFIX}:marker`;
/** There while gateways bring back what they have under way: no key is given out. */
export const SETTLING = `${PREFIX}:settling`;

/** KEYS: key, own life, SETTLING. ARGV: fingerprint, token, life, ttl of a request under way. */
export const CLAIM = `
local r = redis.call('HMGET', KEYS[1], 'fp', 'state', 'life', 'token', 'status')
if r[1] then
  if r[4] == ARGV[2] then return { 'claimed' } end
  if r[1] ~= ARGV[1] then return { 'reused' } end
  if r[2] == 'running' then
    if redis.call('EXISTS', '${LIFE}' .. r[3]) == 1 then return { 'running' } end
    redis.call('HSET', KEYS[1], 'state', 'unknown')
    return { 'unknown' }
  end
  if r[2] == 'done' then
    local a = redis.call('HMGET', KEYS[1], 'headers', 'body')
    return { 'done', r[5], a[1], a[2] }
  end
  return { r[2], r[5] or '0' }
end
if redis.call('EXISTS', KEYS[2]) == 0 then return { 'no lease' } end
if redis.call('EXISTS', KEYS[3]) == 1 then return { 'settling' } end
local t = redis.call('TIME')
redis.call('HSET', KEYS[1], 'fp', ARGV[1], 'token', ARGV[2], 'life', ARGV[3], 'state', 'running', 'since', t[1] .. '000')
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return { 'claimed' }`;

/** A claim that Redis has lost. KEYS: key. ARGV: as above. */
export const RESTORE = `
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local t = redis.call('TIME')
redis.call('HSET', KEYS[1], 'fp', ARGV[1], 'token', ARGV[2], 'life', ARGV[3], 'state', 'running', 'since', t[1] .. '000')
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1`;

/**
 * KEYS: key. ARGV: fingerprint, token, life, ttl, state, status, headers, body. A key that is gone was lost by Redis, or
 * cleared: the outcome is written even so. One that has another token is somebody else's.
 */
export const SETTLE = `
local token = redis.call('HGET', KEYS[1], 'token')
if token and token ~= ARGV[2] then return 0 end
if ARGV[5] == 'released' then
  redis.call('DEL', KEYS[1])
  return 1
end
if not token then
  local t = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'fp', ARGV[1], 'token', ARGV[2], 'life', ARGV[3], 'since', t[1] .. '000')
end
redis.call('HSET', KEYS[1], 'state', ARGV[5], 'status', ARGV[6])
if ARGV[5] == 'done' then redis.call('HSET', KEYS[1], 'headers', ARGV[7], 'body', ARGV[8]) end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1`;

/**
 * KEYS: own life, MARKER, SETTLING. ARGV: lease, the marker this gateway knows or nothing, a new marker. Whoever knows
 * another marker than the one there has seen Redis lose its keys: for the time of a lease none is given out, so that
 * every gateway can bring back what it has under way.
 */
export const BEAT = `
local marker = redis.call('GET', KEYS[2])
if ARGV[2] ~= '' and marker ~= ARGV[2] then redis.call('SET', KEYS[3], '1', 'PX', ARGV[1]) end
if not marker then
  marker = ARGV[3]
  redis.call('SET', KEYS[2], marker)
end
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
return marker`;

/** KEYS: key. */
export const LOOK = `
local r = redis.call('HMGET', KEYS[1], 'state', 'life', 'status', 'since')
if not r[1] then return {} end
if r[1] == 'running' and redis.call('EXISTS', '${LIFE}' .. r[2]) == 0 then r[1] = 'unknown' end
return { r[1], r[3] or '0', r[4], tostring(redis.call('PEXPIRETIME', KEYS[1])) }`;

/** KEYS: key. */
export const CLEAR = `
local r = redis.call('HMGET', KEYS[1], 'state', 'life')
if not r[1] then return 'none' end
if r[1] == 'running' and redis.call('EXISTS', '${LIFE}' .. r[2]) == 1 then return 'running' end
redis.call('DEL', KEYS[1])
return 'cleared'`;
