-- KEYS[1]  hash of one run: job -> its last sign of life (ms); "" -> when a job last ended (ms)
-- ARGV[1]  the decision; ARGV[2] ms after which all is forgotten; ARGV[3..] jobs

local jobs = {}
for i = 3, #ARGV do jobs[#jobs + 1] = ARGV[i] end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

if ARGV[1] == 'ages' then
  local entries, ages = redis.call('HGETALL', KEYS[1]), {}
  local ended = tonumber(redis.call('HGET', KEYS[1], '') or 0)
  for i = 1, #entries, 2 do
    if entries[i] ~= '' then
      ages[#ages + 1] = entries[i]
      ages[#ages + 1] = now - math.max(tonumber(entries[i + 1]), ended)
    end
  end
  return ages
end

-- A full server goes on with a script that has written: what lives must not be taken for lost.
if ARGV[1] == 'renew' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
for _, job in ipairs(jobs) do
  if ARGV[1] == 'done' then
    if redis.call('HDEL', KEYS[1], job) == 1 then redis.call('HSET', KEYS[1], '', now) end
  elseif ARGV[1] == 'note' or redis.call('HEXISTS', KEYS[1], job) == 1 then
    redis.call('HSET', KEYS[1], job, now)
  end
end
if redis.call('HLEN', KEYS[1]) == redis.call('HEXISTS', KEYS[1], '') then
  redis.call('DEL', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return {}
