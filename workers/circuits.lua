-- KEYS[1]  hash of one server: failures, since, until, why, probe, probing (ms)
-- KEYS[2]  hash of the jobs that wait for it: job -> since when (ms)
-- ARGV[1]  the decision; ARGV[2] the job, or why a request failed
-- ARGV[3]  failures in a row that open; ARGV[4] ms until the next probe; ARGV[5] ms that one probe
--          is waited for; ARGV[6] ms after which all is forgotten

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local limit = tonumber(ARGV[3])

if ARGV[1] == 'answered' then
  redis.call('DEL', KEYS[1], KEYS[2])
  return {}
end

if ARGV[1] == 'failed' then
  local failures = redis.call('HINCRBY', KEYS[1], 'failures', 1)
  redis.call('HSETNX', KEYS[1], 'since', now)
  redis.call('HSET', KEYS[1], 'why', ARGV[2])
  if failures >= limit then
    redis.call('HSET', KEYS[1], 'until', now + ARGV[4])
    redis.call('HDEL', KEYS[1], 'probe')
  end
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
  return {}
end

if ARGV[1] == 'release' then
  if redis.call('HGET', KEYS[1], 'probe') == ARGV[2] then redis.call('HDEL', KEYS[1], 'probe') end
  return {}
end

local known = redis.call('HMGET', KEYS[1], 'failures', 'since', 'until', 'why', 'probe', 'probing')
local failures = tonumber(known[1] or 0)
if failures == 0 then return {'closed'} end

local function away(word, left, waited)
  return {word, known[2], known[4] or '', left, waited}
end
if failures < limit then return away('doubtful', 0, 0) end
local waited = now - tonumber(redis.call('HGET', KEYS[2], ARGV[2]) or now)
if ARGV[1] == 'look' then return away('open', 0, waited) end

-- Who is to find out whether it is back waits as well, until it is.
redis.call('HSETNX', KEYS[2], ARGV[2], now)
redis.call('PEXPIRE', KEYS[2], ARGV[6])

local left = tonumber(known[3] or 0) - now
if left <= 0 and known[5] and known[5] ~= ARGV[2] then left = tonumber(known[6]) - now end
if left <= 0 then
  redis.call('HSET', KEYS[1], 'probe', ARGV[2], 'probing', now + ARGV[5])
  return away('probe', 0, waited)
end
return away('open', left, waited)
