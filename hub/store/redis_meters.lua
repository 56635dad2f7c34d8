-- Meters shared by all replicas: one claim is counted whole or not at all. See hub/store/redis_meters.py.
--
-- ARGV: operation, now in seconds ('' means: Redis's own time), and what the operation needs, as JSON.
local asks = cjson.decode(ARGV[3])
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local second = math.floor(now)
local SPAN = 61
local KEPT = 400 * 86400 -- a purse that nobody used for so long; the ledger still knows

-- A rate: a hash of second -> amount. What is older than a minute is forgotten.
local function rate(key)
  local total, oldest = 0, {}
  local fields = redis.call('HGETALL', key)
  for i = 1, #fields, 2 do
    local at, amount = tonumber(fields[i]), tonumber(fields[i + 1])
    if at <= second - SPAN then
      redis.call('HDEL', key, fields[i])
    elseif amount > 0 then
      total = total + amount
      oldest[#oldest + 1] = {at, amount}
    end
  end
  table.sort(oldest, function(a, b) return a[1] < b[1] end)
  return total, oldest
end

local function rest(oldest)
  if #oldest == 0 then return 0 end
  return math.max(1, math.ceil(oldest[#oldest][1] + SPAN - now))
end

local function wait(total, oldest, room)
  for _, row in ipairs(oldest) do
    if total <= room then break end
    total = total - row[2]
    if total <= room then return math.max(1, math.ceil(row[1] + SPAN - now)) end
  end
  return total <= room and 1 or SPAN
end

-- Leases that ended: whoever held them is gone, and what was reserved is there again.
local function expire(key)
  local gone = redis.call('ZRANGEBYSCORE', key .. ':leases', '-inf', now)
  for _, id in ipairs(gone) do
    local amount = redis.call('HGET', key .. ':amounts', id)
    if amount then
      redis.call('HINCRBY', key, 'reserved', -tonumber(amount))
      redis.call('HDEL', key .. ':amounts', id)
    end
    redis.call('ZREM', key .. ':leases', id)
  end
end

local function purse(key, known)
  if known and redis.call('EXISTS', key) == 0 then
    redis.call('HSET', key, 'spent', known, 'reserved', 0)
    if known > 0 then redis.call('HSET', key, 'credited', 1) end
  end
  expire(key)
  local spent, reserved = unpack(redis.call('HMGET', key, 'spent', 'reserved'))
  return tonumber(spent or 0), tonumber(reserved or 0)
end

if ARGV[1] == 'take' then
  local levels = {}
  for place, ask in ipairs(asks.asks) do
    local key = KEYS[place]
    if ask.kind == 'rate' then
      local total, oldest = rate(key)
      if ask.limit and ask.amount > 0 and total + ask.amount > ask.limit then
        return cjson.encode({refused = place - 1, used = total, rest = rest(oldest),
          wait = wait(total, oldest, ask.limit - ask.amount), reserved = 0})
      end
      levels[place] = {total + ask.amount, 0, SPAN}
    elseif ask.kind == 'slots' then
      redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
      local used = redis.call('ZCARD', key)
      if ask.limit and used >= ask.limit then
        return cjson.encode({refused = place - 1, used = used, rest = 0, wait = 1, reserved = 0})
      end
      levels[place] = {used + 1, 0, 0}
    else
      local spent, reserved = purse(key, ask.known)
      local used = spent + reserved
      if ask.limit and (used >= ask.limit or used + ask.amount > ask.limit) then
        return cjson.encode({refused = place - 1, used = spent, reserved = reserved, rest = 0, wait = 0})
      end
      levels[place] = {spent, reserved + ask.amount, 0}
    end
  end
  for place, ask in ipairs(asks.asks) do
    local key = KEYS[place]
    if ask.kind == 'rate' then
      if ask.amount > 0 then redis.call('HINCRBY', key, second, ask.amount) end
      redis.call('EXPIRE', key, 2 * SPAN)
    elseif ask.kind == 'slots' then
      redis.call('ZADD', key, now + asks.lease, asks.id)
      redis.call('EXPIRE', key, math.ceil(asks.lease) + SPAN)
    else
      redis.call('HINCRBY', key, 'reserved', ask.amount)
      redis.call('EXPIRE', key, KEPT)
      redis.call('HSET', key .. ':amounts', asks.id, ask.amount)
      redis.call('ZADD', key .. ':leases', now + asks.lease, asks.id)
      redis.call('EXPIRE', key .. ':amounts', KEPT)
      redis.call('EXPIRE', key .. ':leases', KEPT)
    end
  end
  return cjson.encode({second = second, levels = levels})
end

if ARGV[1] == 'settle' then
  local levels = {}
  for place, ask in ipairs(asks.asks) do
    local key = KEYS[place]
    if ask.kind == 'rate' then
      local difference = ask.used - ask.amount
      if difference ~= 0 and asks.second > second - SPAN then
        local left = redis.call('HINCRBY', key, asks.second, difference)
        if left < 0 then redis.call('HSET', key, asks.second, 0) end
        redis.call('EXPIRE', key, 2 * SPAN)
      end
      levels[place] = {(rate(key)), 0, SPAN}
    elseif ask.kind == 'slots' then
      redis.call('ZREM', key, asks.id)
      levels[place] = {redis.call('ZCARD', key), 0, 0}
    else
      local spent, reserved = purse(key, ask.known)
      -- A lease that ended has given its money back already.
      if redis.call('ZREM', key .. ':leases', asks.id) == 1 then
        redis.call('HDEL', key .. ':amounts', asks.id)
        reserved = redis.call('HINCRBY', key, 'reserved', -ask.amount)
      end
      if ask.used ~= 0 then spent = redis.call('HINCRBY', key, 'spent', ask.used) end
      levels[place] = {spent, reserved, 0}
    end
  end
  return cjson.encode({levels = levels})
end

-- credit: what the ledger holds of a purse, once, whichever replica tells it first.
local spent = purse(KEYS[1], 0)
if redis.call('HSETNX', KEYS[1], 'credited', 1) == 1 then
  spent = redis.call('HINCRBY', KEYS[1], 'spent', asks.amount)
end
return cjson.encode({levels = {{spent, 0, 0}}})
