-- The decisions about lanes, each one atomic over all the lanes it is asked about.
--
-- KEYS[1]  the prefix of all keys
-- ARGV[1]  the decision; ARGV[2..] its arguments, the lanes last
--
-- lanes                  set of the lanes that somebody stands in
-- lane:<lane>:line       sorted set of runs by their number
-- lane:<lane>:lease      hash token, run, job, since (ms); the key ends at the deadline
-- lane:<lane>:parked     hash "<run>\n<job>" -> message
-- lane:<lane>:woken      hash "<run>\n<job>" -> when its message was last given out (ms)
-- run:<run>:lanes        set of the lanes that the run stands in
-- run:<run>:attempts     hash job -> how often it got its leases

local prefix = KEYS[1]
local decide = {}

local function key(lane, what)
  return prefix .. 'lane:' .. lane .. ':' .. what
end

local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function rest(first)
  local lanes = {}
  for i = first, #ARGV do lanes[#lanes + 1] = ARGV[i] end
  return lanes
end

local function head(lane)
  return redis.call('ZRANGE', key(lane, 'line'), 0, 0)[1]
end

local function holder(lane)
  return redis.call('HGET', key(lane, 'lease'), 'token')
end

local function unpark(lane, place)
  redis.call('HDEL', key(lane, 'parked'), place)
  redis.call('HDEL', key(lane, 'woken'), place)
end

local function of_run(place, run)
  return string.sub(place, 1, #run + 1) == run .. '\n'
end

-- The messages parked by the head of a lane that nobody holds; those given out less than
-- `quiet` ms ago are left out.
local function wake(lanes, quiet)
  local time, messages = now(), {}
  for _, lane in ipairs(lanes) do
    local run = head(lane)
    if run and not holder(lane) then
      local parked = redis.call('HGETALL', key(lane, 'parked'))
      for i = 1, #parked, 2 do
        local last = redis.call('HGET', key(lane, 'woken'), parked[i])
        if of_run(parked[i], run) and not (last and time - tonumber(last) < quiet) then
          redis.call('HSET', key(lane, 'woken'), parked[i], time)
          messages[#messages + 1] = parked[i + 1]
        end
      end
    end
  end
  return messages
end

-- What keeps a run out of a lane: nil, or the run and job (or '') and ms until its lease ends.
local function blocker(lane, run, token)
  local lease = redis.call('HMGET', key(lane, 'lease'), 'token', 'run', 'job')
  if lease[1] and lease[1] ~= token then
    return {lease[2], lease[3], redis.call('PTTL', key(lane, 'lease'))}
  end
  local first = head(lane)
  if first ~= run then return {first, '', -1} end
  return nil
end

local function ours(token, lanes)
  for _, lane in ipairs(lanes) do
    if holder(lane) ~= token then return false end
  end
  return true
end

function decide.enter()
  local run, seq, lanes = ARGV[2], ARGV[3], rest(4)
  for _, lane in ipairs(lanes) do
    redis.call('ZADD', key(lane, 'line'), 'NX', seq, run)
    redis.call('SADD', prefix .. 'run:' .. run .. ':lanes', lane)
    redis.call('SADD', prefix .. 'lanes', lane)
  end
  return #lanes
end

local function grant(run, job, token, ms, keep, lanes)
  local attempts = prefix .. 'run:' .. run .. ':attempts'
  -- The answer to a first try of this very call may have been lost on its way.
  local again, time = #lanes > 0 and ours(token, lanes), now()
  for _, lane in ipairs(lanes) do
    redis.call('HSET', key(lane, 'lease'), 'token', token, 'run', run, 'job', job, 'since', time)
    redis.call('PEXPIRE', key(lane, 'lease'), ms)
  end
  local count = redis.call('HINCRBY', attempts, job, again and 0 or 1)
  redis.call('EXPIRE', attempts, keep)
  return {'taken', count}
end

function decide.take()
  local run, job, token, ms, keep, message = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
  local lanes, found, blocked = rest(8), nil, nil
  for _, lane in ipairs(lanes) do
    if not redis.call('ZSCORE', key(lane, 'line'), run) then return {'absent', lane} end
  end
  for _, lane in ipairs(lanes) do
    unpark(lane, run .. '\n' .. job)
    if not found then
      found, blocked = blocker(lane, run, token), lane
    end
  end
  if not found then return grant(run, job, token, ms, keep, lanes) end
  redis.call('HSET', key(blocked, 'parked'), run .. '\n' .. job, message)
  return {'parked', blocked, found[1], found[2], found[3]}
end

function decide.renew()
  local token, ms, lanes = ARGV[2], ARGV[3], rest(4)
  if not ours(token, lanes) then return 0 end
  for _, lane in ipairs(lanes) do redis.call('PEXPIRE', key(lane, 'lease'), ms) end
  return 1
end

function decide.held()
  return ours(ARGV[2], rest(3)) and 1 or 0
end

function decide.release()
  local run, job, token, lanes = ARGV[2], ARGV[3], ARGV[4], rest(5)
  local freed = false
  for _, lane in ipairs(lanes) do
    if holder(lane) == token then
      redis.call('DEL', key(lane, 'lease'))
      freed = true
    end
  end
  -- A holder that came too late has not done its job: whoever is parked for it must run.
  if freed then
    for _, lane in ipairs(lanes) do unpark(lane, run .. '\n' .. job) end
  end
  return wake(lanes, 0)
end

-- The run leaves a lane; what was parked there for it is given out where it still has work.
local function drop(run, lane, given)
  redis.call('ZREM', key(lane, 'line'), run)
  redis.call('SREM', prefix .. 'run:' .. run .. ':lanes', lane)
  for _, place in ipairs(redis.call('HKEYS', key(lane, 'parked'))) do
    if of_run(place, run) then
      if given then given[#given + 1] = redis.call('HGET', key(lane, 'parked'), place) end
      unpark(lane, place)
    end
  end
  if redis.call('ZCARD', key(lane, 'line')) == 0 then
    redis.call('SREM', prefix .. 'lanes', lane)
  end
end

function decide.unpark()
  for _, lane in ipairs(rest(4)) do unpark(lane, ARGV[2] .. '\n' .. ARGV[3]) end
  return 0
end

function decide.leave()
  local run, token, lanes = ARGV[2], ARGV[3], rest(4)
  local given = token ~= '' and {} or nil
  for _, lane in ipairs(lanes) do
    local lease = redis.call('HMGET', key(lane, 'lease'), 'token', 'run')
    local own = lease[1] and lease[2] == run
    -- A holder that came too late must not take the place from under the one after it.
    if not (own and token ~= '' and lease[1] ~= token) then
      if own then redis.call('DEL', key(lane, 'lease')) end
      drop(run, lane, given)
    end
  end
  local messages = wake(lanes, 0)
  for _, message in ipairs(given or {}) do messages[#messages + 1] = message end
  return messages
end

function decide.wake()
  return wake(rest(3), tonumber(ARGV[2]))
end

return decide[ARGV[1]]()
