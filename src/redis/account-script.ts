/**
 * A posting, or a reading where no writer is named, as one script: Redis runs it whole, and nothing in between. Sums are
 * kept by Redis as 64-bit integers; Lua compares them as doubles, which are exact up to 2^53 nano-dollars ($9 million)
 * and beyond that to the nearest few nano-dollars.
 *
 * Keys, all of one account, so of one slot: the period's state (`spent`, `reserved`, `level`), what each writer holds
 * and when it was last heard, the account's buckets, and the last sequence of this writer.
 */
export const ACCOUNT_SCRIPT = `
local state, held, heard, buckets, taken = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local cursor = 0
local function word() cursor = cursor + 1 return ARGV[cursor] end
local function number() return tonumber(word()) end
local function list()
  local items = {}
  for i = 1, number() do items[i] = word() end
  return items
end

local writer, now, hold = word(), number(), number()
local window, from, untilMs, step = word(), number(), number(), number()

local function takeBack(one)
  local amount = redis.call('HGET', held, one)
  if not amount then return end
  if amount ~= '0' then redis.call('HINCRBY', state, 'reserved', '-' .. amount) end
  redis.call('HDEL', held, one)
  redis.call('ZREM', heard, one)
end

for _, silent in ipairs(redis.call('ZRANGEBYSCORE', heard, '-inf', '(' .. string.format('%.0f', now - hold), 'LIMIT', 0, 100)) do
  if silent ~= writer then takeBack(silent) end
end

local function spentNow()
  if window == 'calendar' then return redis.call('HGET', state, 'spent') or '0' end
  local starts, sum = {}, 0
  for start = from, untilMs, step do starts[#starts + 1] = string.format('%.0f', start) end
  for _, amount in ipairs(redis.call('HMGET', buckets, unpack(starts))) do
    if amount then sum = sum + tonumber(amount) end
  end
  return string.format('%.0f', sum)
end

if writer == '' then return { spentNow(), redis.call('HGET', state, 'reserved') or '0' } end

local limit, holding, sequence = word(), word(), number()
local keepFrom, lifetime, sequenceLifetime = number(), word(), word()
local spends, thresholds, asks = list(), list(), list()

if #spends > 0 and sequence > tonumber(redis.call('GET', taken) or '0') then
  local isNew = false
  for i = 1, #spends, 2 do
    local sum = redis.call('HINCRBY', buckets, spends[i], spends[i + 1])
    redis.call('HINCRBY', state, 'spent', spends[i + 1])
    if sum == tonumber(spends[i + 1]) then isNew = true end
  end
  redis.call('SET', taken, string.format('%.0f', sequence), 'PX', sequenceLifetime)
  if isNew then
    for _, start in ipairs(redis.call('HKEYS', buckets)) do
      if tonumber(start) < keepFrom then redis.call('HDEL', buckets, start) end
    end
  end
end

takeBack(writer)
local spent = spentNow()
local reserved = tonumber(redis.call('HGET', state, 'reserved') or '0') + tonumber(holding)
if holding ~= '0' then redis.call('HINCRBY', held, writer, holding) end
redis.call('HINCRBY', state, 'reserved', holding)
local granted = ''
for _, ask in ipairs(asks) do
  if limit == '' or tonumber(spent) + reserved + tonumber(ask) <= tonumber(limit) then
    reserved = reserved + tonumber(ask)
    redis.call('HINCRBY', held, writer, ask)
    redis.call('HINCRBY', state, 'reserved', ask)
    granted = granted .. '1'
  else
    granted = granted .. '0'
  end
end
if redis.call('HEXISTS', held, writer) == 1 then redis.call('ZADD', heard, now, writer) end

local before, level = tonumber(redis.call('HGET', state, 'level') or '0'), 0
for _, threshold in ipairs(thresholds) do
  if tonumber(spent) >= tonumber(threshold) then level = level + 1 end
end
if level ~= before then redis.call('HSET', state, 'level', level) end

for _, key in ipairs({ state, held, heard, buckets }) do redis.call('PEXPIRE', key, lifetime) end
return { granted, spent, redis.call('HGET', state, 'reserved'), before, level }
`;
