-- Meters shared by all replicas: jobs in order, each claim counted whole or not at all. See hub/store/redis_meters.py.
--
-- KEYS: the leases (id -> when it ends), what is held under them (id -> slots and reservations), then the meters.
-- ARGV: now in seconds ('' means: Redis's own time), and the jobs, as JSON. What is read of a meter is read once and
-- written once, however many of the jobs are about it.
--
-- A rate is a hash: amounts by second, `l` and a second the time at which something was last added in it (which counts for
-- a minute from then), `t` the total, `u` until when that total holds, `e` when the latest of it was added. Slots are a
-- number.
-- A purse is a hash of micro-dollars: `spent`, `reserved`, and `credited` once what the ledger knows is in it.
local LEASES, HELD = KEYS[1], KEYS[2]
local MINUTE = 60
local KEPT = 400 * 86400 -- a purse that nobody used for so long; the ledger still knows
local RATE, SLOTS = 0, 1

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local second = math.floor(now)
local rates, slots, purses = {}, {}, {}

-- Amounts by second, as they are written.
local function rows_of(key)
  local fields, lasts, rows = redis.call('HGETALL', key), {}, {}
  for i = 1, #fields, 2 do
    local at = tonumber(fields[i])
    if at then
      rows[#rows + 1] = {at = at, amount = tonumber(fields[i + 1])}
    elseif string.sub(fields[i], 1, 1) == 'l' then
      lasts[tonumber(string.sub(fields[i], 2))] = tonumber(fields[i + 1])
    end
  end
  for _, row in ipairs(rows) do row.last = lasts[row.at] or row.at + 1 end
  return rows
end

local function rate(key)
  local found = rates[key]
  if found then return found end
  local told = redis.call('HMGET', key, 't', 'u', 'e')
  found = {total = tonumber(told[1]) or 0, added = 0, holds = tonumber(told[2]) or 0, latest = tonumber(told[3]) or 0}
  found.stale = now >= found.holds
  if found.stale then -- what is older than a minute is forgotten
    found.total, found.holds = 0, now + MINUTE
    for _, row in ipairs(told[1] and rows_of(key) or {}) do
      if now - row.last >= MINUTE then
        redis.call('HDEL', key, row.at, 'l' .. row.at)
      else
        found.total, found.holds = found.total + row.amount, math.min(found.holds, row.last + MINUTE)
      end
    end
  end
  rates[key] = found
  return found
end

local function taken(key)
  local found = slots[key]
  if not found then
    found = {used = tonumber(redis.call('GET', key)) or 0}
    slots[key] = found
  end
  return found
end

local function purse(key, known)
  local found = purses[key]
  if found then return found end
  local told = redis.call('HMGET', key, 'spent', 'reserved')
  found = {spent = tonumber(told[1]) or 0, reserved = tonumber(told[2]) or 0}
  if not told[1] and not told[2] and known > 0 then
    found.spent, found.changed = known, true
    redis.call('HSET', key, 'credited', 1)
  end
  purses[key] = found
  return found
end

-- Amounts by second, the oldest first, with those that these jobs added.
local function oldest(key)
  local rows, added = {}, rates[key].added
  for _, row in ipairs(rows_of(key)) do
    if row.at == second then
      row.amount, row.last, added = row.amount + added, rates[key].entered and now or row.last, 0
    end
    if row.amount > 0 then rows[#rows + 1] = row end
  end
  if added > 0 then rows[#rows + 1] = {at = second, amount = added, last = now} end
  table.sort(rows, function(a, b) return a.at < b.at end)
  return rows
end

-- Seconds until what was added then is forgotten. Ages are subtracted first: a time plus a minute is rounded.
local function left(last)
  return math.max(0, MINUTE - math.max(0, now - last))
end

-- The same in whole seconds, to wait for.
local function whole(seconds)
  return math.max(1, math.ceil(seconds))
end

-- Seconds until all of a rate is forgotten, if nothing is added.
local function rest(found)
  return found.total > 0 and left(found.latest) or 0
end

local function wait(rows, total, room)
  for _, row in ipairs(rows) do
    if total <= room then break end
    total = total - row.amount
    if total <= room then return whole(left(row.last)) end
  end
  return total <= room and 1 or MINUTE
end

local function give_back(key, kind, amount)
  if kind == SLOTS then
    local found = taken(key)
    found.used, found.changed = math.max(0, found.used - 1), true
  else
    local found = purse(key, 0)
    found.reserved, found.changed = math.max(0, found.reserved - amount), true
  end
end

-- Leases that ended: whoever held them is gone, and what was reserved is there again.
local function expire()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', now, 'LIMIT', 0, 1000)) do
    local held = redis.call('HGET', HELD, id)
    for _, row in ipairs(held and cjson.decode(held) or {}) do give_back(row[1], row[2], row[3]) end
    redis.call('HDEL', HELD, id)
    redis.call('ZREM', LEASES, id)
  end
end

local function refusal(place, ask)
  local key, kind, amount, limit = KEYS[ask[1]], ask[2], ask[3], ask[4]
  if limit < 0 then limit = math.huge end
  if kind == RATE then
    local total = rate(key).total
    if amount > 0 and total + amount > limit then
      local rows = oldest(key)
      local left = rest(rate(key))
      return {refused = place, used = total, reserved = 0, rest = left, wait = wait(rows, total, limit - amount)}
    end
  elseif kind == SLOTS then
    local used = taken(key).used
    if used >= limit then return {refused = place, used = used, reserved = 0, rest = 0, wait = 1} end
  else
    local found = purse(key, ask[5])
    local used = found.spent + found.reserved
    if used >= limit or used + amount > limit then
      return {refused = place, used = found.spent, reserved = found.reserved, rest = 0, wait = 0}
    end
  end
end

local function take(id, lease, asks)
  for place, ask in ipairs(asks) do
    local no = refusal(place - 1, ask)
    if no then return no end
  end
  local levels, held = {}, {}
  for place, ask in ipairs(asks) do
    local key, kind, amount = KEYS[ask[1]], ask[2], ask[3]
    if kind == RATE then
      local found = rate(key)
      found.total, found.added, found.changed, found.entered = found.total + amount, found.added + amount, true, true
      if amount > 0 or found.latest >= second then found.latest = now end
      levels[place] = {found.total, 0, rest(found)}
    elseif kind == SLOTS then
      local found = taken(key)
      found.used, found.changed = found.used + 1, true
      levels[place] = {found.used, 0, 0}
    else
      local found = purse(key, ask[5])
      found.reserved, found.changed = found.reserved + amount, true
      levels[place] = {found.spent, found.reserved, 0}
    end
    if kind ~= RATE then held[#held + 1] = {key, kind, amount} end
  end
  if #held > 0 then
    redis.call('HSET', HELD, id, cjson.encode(held))
    redis.call('ZADD', LEASES, now + lease, id)
  end
  return levels
end

local function settle(id, at, asks)
  local levels = {}
  -- A lease that ended has given back already what was held.
  local holds = redis.call('HDEL', HELD, id) == 1
  if holds then redis.call('ZREM', LEASES, id) end
  for place, ask in ipairs(asks) do
    local key, kind, amount, used = KEYS[ask[1]], ask[2], ask[3], ask[4]
    if kind == RATE then
      local found, difference = rate(key), used - amount
      if difference ~= 0 and at >= second - MINUTE then
        local counted = 1
        if at == second then
          found.added, found.changed = found.added + difference, true
          counted = found.added
        else
          counted = redis.call('HINCRBY', key, at, difference)
          if counted < 0 then
            redis.call('HSET', key, at, 0)
            difference = difference - counted
          end
          found.changed = true
        end
        found.total = math.max(0, found.total + difference)
        if counted <= 0 or found.latest < at then -- another one may be the latest now
          local rows = oldest(key)
          found.latest = #rows > 0 and rows[#rows].last or 0
        end
      end
      levels[place] = {found.total, 0, rest(found)}
    elseif kind == SLOTS then
      if holds then give_back(key, kind, 1) end
      levels[place] = {taken(key).used, 0, 0}
    else
      local found = purse(key, ask[5])
      if holds then give_back(key, kind, amount) end
      found.spent, found.changed = found.spent + used, true
      levels[place] = {found.spent, found.reserved, 0}
    end
  end
  return levels
end

-- How meters stand. Of one that nobody has used here, or that was forgotten, nothing is said, and nothing is written down.
local function look(asks)
  local levels = {}
  for place, ask in ipairs(asks) do
    local key, kind = KEYS[ask[1]], ask[2]
    levels[place] = false
    if redis.call('EXISTS', key) == 1 then
      if kind == RATE then
        local found = rate(key)
        levels[place] = {found.total, 0, rest(found)}
      elseif kind == SLOTS then
        levels[place] = {taken(key).used, 0, 0}
      else
        local found = purse(key, 0)
        levels[place] = {found.spent, found.reserved, 0}
      end
    end
  end
  return levels
end

-- What the ledger holds of a purse, once, whichever replica tells it first.
local function credit(key, amount)
  local found = purse(key, 0)
  if redis.call('HSETNX', key, 'credited', 1) == 1 then
    found.spent, found.changed = found.spent + amount, true
  end
  return {{found.spent, found.reserved, 0}}
end

local function write()
  for key, found in pairs(rates) do
    if found.changed or found.stale then
      if (found.entered or found.added ~= 0) and redis.call('HINCRBY', key, second, found.added) < 0 then
        redis.call('HSET', key, second, 0)
      end
      local last = found.entered and {'l' .. second, now} or {}
      redis.call('HSET', key, 't', found.total, 'u', found.holds, 'e', found.latest, unpack(last))
      if found.stale then redis.call('EXPIRE', key, 2 * MINUTE + 2) end
    end
  end
  for key, found in pairs(slots) do
    if found.changed then redis.call('SET', key, found.used, 'EX', KEPT) end
  end
  for key, found in pairs(purses) do
    if found.changed then
      redis.call('HSET', key, 'spent', found.spent, 'reserved', found.reserved)
      redis.call('EXPIRE', key, KEPT)
    end
  end
end

expire()
local answers = {}
for place, job in ipairs(cjson.decode(ARGV[2])) do
  if job[1] == 'take' then
    answers[place] = take(job[2], job[3], job[4])
  elseif job[1] == 'settle' then
    answers[place] = settle(job[2], job[3], job[4])
  elseif job[1] == 'look' then
    answers[place] = look(job[4])
  else
    answers[place] = credit(KEYS[job[2]], job[3])
  end
end
write()
return cjson.encode({second = second, answers = answers})
