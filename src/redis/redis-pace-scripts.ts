/**
 * The rules of `src/pace/ask.ts` and `src/pace/settle.ts` as scripts that Redis runs atomically: written apart, and compared
 * with them step by step in tests. The state of a class is one value, which keeps every bit of a number. `ARGV[1]` has the
 * questions or the settlement as JSON, `ARGV[2]` the time in tests; else it is Redis's own.
 */
const COMMON = `
local MINUTE, BURST, OVERDRAFT, EPOCH, LIFETIME = 60000, 4000, 36000, 600000, 600000
local given = cjson.decode(ARGV[1])
local now = tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + time[2] / 1000
end
local function text(number) return string.format('%.17g', number) end
local function number(value) if value == nil or value == cjson.null then return nil end return value end
local function newLimit()
  return {
    limit = 0, paid = now - BURST, full = now, corrected = 0, burst = 1, overdraft = OVERDRAFT, margin = 1, closed = 0,
    window = 0, used = 0, misses = 0, surprised = now, strangers = 0, strangersAt = now, quiet = 0, unpaced = 0,
  }
end
local function load()
  local kept = redis.call('GET', KEYS[1])
  if kept then return cmsgpack.unpack(kept) end
  return {
    limits = { newLimit(), newLimit(), newLimit() }, last = now, born = now, blind = 0, share = 1, ramp = 1, ramped = 0, lowered = 0,
    raised = now, blindAt = 0, strangersSeen = 0, recovered = now, interactive = 0, epoch = math.floor(now / EPOCH), held = 0, most = 0,
    heldBefore = 0, mostBefore = 0,
  }
end
local s = load()
local function save() redis.call('SET', KEYS[1], cmsgpack.pack(s), 'PX', LIFETIME) end
local function rate(x) return x.limit / MINUTE end
local function paidShare(x, at)
  if at == 2 then return x.margin * math.min(s.share, s.ramp) end
  return x.margin * s.share
end
local function isKnown()
  for _, x in ipairs(s.limits) do if x.limit > 0 then return true end end
  return false
end
local function setLimit(x, limit)
  if x.limit == limit or not (limit > 0) then return end
  if x.limit == 0 then
    local sent = x.used * MINUTE / limit
    x.full, x.paid = math.min(x.full + sent, now + MINUTE), math.min(x.paid + sent, now + MINUTE)
  else
    local scale = x.limit / limit
    x.full = now + math.min(MINUTE, math.max(0, x.full - now) * scale)
    x.paid = now + math.min(MINUTE, (x.paid - now) * scale)
    x.unpaced = now + math.max(0, x.unpaced - now) * scale
    x.quiet = now + 90000
  end
  x.limit = limit
end
local LIMIT_TIMES = { 'paid', 'full', 'closed', 'surprised', 'strangersAt', 'quiet', 'unpaced' }
local CLASS_TIMES = { 'born', 'blindAt', 'ramped', 'lowered', 'raised', 'strangersSeen', 'recovered', 'interactive' }
local function keepTime()
  local by = now - s.last
  s.last = by < -2000 and now or math.max(s.last, now)
  if by >= -2000 then return end
  for _, field in ipairs(CLASS_TIMES) do s[field] = s[field] + by end
  s.epoch = math.floor(now / EPOCH)
  for _, x in ipairs(s.limits) do
    for _, field in ipairs(LIMIT_TIMES) do x[field] = x[field] + by end
    if x.window > 0 then x.window = x.window + by end
  end
end
keepTime()
local function rollWindow(x)
  if x.window == 0 or now < x.window then return end
  x.window = x.window + MINUTE * (math.floor((now - x.window) / MINUTE) + 1)
  x.used = 0
end
local function rollEpoch()
  local epoch = math.floor(now / EPOCH)
  if epoch <= s.epoch then return end
  local isNext = epoch == s.epoch + 1
  s.heldBefore, s.mostBefore = isNext and s.held or 0, isNext and s.most or 0
  s.held, s.most, s.epoch = 0, 0, epoch
end
`;

/** Replies to each question until one has to wait: the kind of the answer, `1` if a 429 was avoided, and the limit, the wait and its cause, or the charge. */
export const PACE_ASK = `${COMMON}
rollEpoch()

local function wouldBeRefused(asked)
  local fits, came = true, now - asked.ageMs
  for at, x in ipairs(s.limits) do
    if x.limit > 0 and math.max(0, x.unpaced - came) + asked.amounts[at] / rate(x) > MINUTE then fits = false end
  end
  if not fits then return true end
  for at, x in ipairs(s.limits) do
    if x.limit > 0 then x.unpaced = math.max(x.unpaced, came) + asked.amounts[at] / rate(x) end
  end
  return false
end

local function waitFor(x, at, asked)
  local isInteractive = asked.lane == 'interactive'
  local amount, slack, debt = asked.amounts[at], at > 1 and 500 or 0, isInteractive and x.overdraft * x.burst or 0
  local wait = math.max(x.paid - debt - now, x.closed - now, 0)
  if x.window > 0 then
    if x.used + amount <= x.limit - slack or x.used == 0 then return wait end
    return math.max(wait, x.window - now + 20)
  end
  local keep = isInteractive and 1000 or math.max(1000, 15000 * (1 - asked.ageMs / MINUTE))
  local most = math.max(MINUTE - keep - (slack + amount) / rate(x), 1800)
  return math.max(wait, x.full - most - now)
end

local function askBlind(asked)
  local wait = s.blind < 2 and 0 or s.blindAt + 3000 - now
  if wait > 0 then return { 'wait', '0', text(math.min(wait, 250)), '3' } end
  s.blind, s.blindAt = s.blind + 1, now
  for at, x in ipairs(s.limits) do x.used = x.used + asked.amounts[at] end
  s.held, s.most = s.held + asked.amounts[3], s.most + asked.maxTokens
  return { 'go', '0', '1', text(s.epoch), '0', '0', '0', '0', '0', '0', '0', '0', '0' }
end

local function charge(asked, avoided)
  local reply = { 'go', avoided, '0', text(s.epoch) }
  for at, x in ipairs(s.limits) do
    x.used = x.used + asked.amounts[at]
    if x.limit > 0 then
      local units = asked.amounts[at] / rate(x)
      x.paid = math.max(x.paid, now - BURST * x.burst) + units / paidShare(x, at)
      x.full = math.max(x.full, now) + units
    end
  end
  s.held, s.most = s.held + asked.amounts[3], s.most + asked.maxTokens
  for _, field in ipairs({ 'full', 'corrected', 'window' }) do
    for _, x in ipairs(s.limits) do reply[#reply + 1] = text(x[field]) end
  end
  return reply
end

local function ask(asked)
  for at, x in ipairs(s.limits) do
    if x.limit == 0 then setLimit(x, asked.limits[at]) end
    rollWindow(x)
  end
  s.share = math.min(s.share, asked.share)
  if not isKnown() then return askBlind(asked) end
  local avoided = asked.isFirst and wouldBeRefused(asked) and '1' or '0'
  local input = s.limits[2].limit
  if input > 0 and asked.amounts[2] > input * asked.leeway then return { 'never', avoided, text(input) } end
  local wait, cause = 0, 1
  for at, x in ipairs(s.limits) do
    if x.limit > 0 then
      local own = waitFor(x, at, asked)
      if own > wait then wait, cause = own, at end
    end
  end
  if wait > 0 then
    if asked.lane == 'interactive' then s.interactive = now + 2000 end
    return { 'wait', avoided, text(wait), text(cause - 1) }
  end
  if asked.lane == 'batch' and asked.ageMs < 60000 and now < s.interactive then
    return { 'wait', avoided, text(s.interactive - now), '4' }
  end
  return charge(asked, avoided)
end

local replies = {}
for _, asked in ipairs(given) do
  replies[#replies + 1] = ask(asked)
  if replies[#replies][1] == 'wait' then break end
end
save()
return replies
`;

/** Replies with 1 for a surprise. A settlement that comes again changes nothing. */
export const PACE_SETTLE = `${COMMON}
if not redis.call('SET', KEYS[2], '1', 'NX', 'PX', LIFETIME) then return 0 end
local charge, actual, seen, refusal = given.charge, given.actual, number(given.seen), number(given.refusal)
local sent = now - (given.nowMs - given.sentAtMs)
local wasKnown = isKnown()
for _, x in ipairs(s.limits) do rollWindow(x) end
rollEpoch()

local function shownAt(at) return seen and number(seen[at]) or nil end

local function hadRoom(x, at)
  local shown = shownAt(at)
  if x.window > 0 or x.limit == 0 or not shown or charge.isBlind then return false end
  local amount, left = charge.amounts[at], x.limit - (x.full - now) * rate(x)
  return left > amount + (at == 1 and 0 or 500) and shown.remaining > (at == 1 and 2 or amount + 1500)
end

local function refuse()
  local isRamp = refusal.by == 'acceleration'
  local at = isRamp and 2 or refusal.by + 1
  local x = s.limits[at]
  if not x then return 0 end
  x.closed = math.max(x.closed, now + refusal.retryAfterMs)
  if isRamp then
    if sent < s.ramped then return 0 end
    s.ramped, s.ramp = now, math.max(0.05, s.ramp * 0.9)
    return 0
  end
  if not hadRoom(x, at) then return 0 end
  if sent < x.surprised then return 1 end
  if x.burst <= 0.02 + 0.01 then x.margin = math.max(0.92, x.margin - 0.02) end
  x.burst = math.max(0.02, x.burst * 0.35)
  x.overdraft = math.max(0, x.overdraft * 0.35 - 200)
  x.surprised = now
  return 1
end

local function giveBack()
  for at, x in ipairs(s.limits) do
    local used = number(actual[at])
    local difference = used and used - charge.amounts[at]
    if used and x.limit == 0 then
      x.used = x.used + difference
    elseif used then
      local ms = difference / rate(x)
      x.paid = x.paid + ms / paidShare(x, at)
      x.full = x.full + ms
      if x.window == 0 or x.window == charge.windowEndMs[at] or difference > 0 then x.used = x.used + difference end
    end
  end
  if not given.isOver then return end
  if charge.epoch == s.epoch then
    s.held, s.most = math.max(0, s.held - charge.amounts[3]), math.max(0, s.most - charge.maxTokens)
  elseif charge.epoch == s.epoch - 1 then
    s.heldBefore = math.max(0, s.heldBefore - charge.amounts[3])
    s.mostBefore = math.max(0, s.mostBefore - charge.maxTokens)
  end
end

local function strangers(x) return x.strangers * math.exp((x.strangersAt - now) / 30000) end

local function followWindow(x, shown, ofCall)
  if shown.resetAtMs <= now or shown.resetAtMs - now > MINUTE + 1000 then return end
  local told = math.max(0, x.limit - shown.remaining)
  if math.abs(shown.resetAtMs - x.window) > 1500 then
    x.window, x.used = shown.resetAtMs, told
    return
  end
  x.window = math.max(x.window, shown.resetAtMs)
  local isOfWindow = ofCall > 0 and math.abs(ofCall - shown.resetAtMs) < 1500
  x.used = math.max(x.used - (isOfWindow and x.limit * 0.02 or 0), told)
end

local function correct(x, at, debt, born)
  local from = math.min(math.max(born, sent), now)
  local picture = math.max(x.full, now)
  if not charge.isBlind and from - sent < now - from then
    picture = charge.fullAtMs[at] + x.corrected - charge.correctedMs[at]
  end
  local drift, isOurs = from + debt - picture, false
  if at == 3 and drift < 0 then drift = math.min(0, drift + (s.held + s.heldBefore) / rate(x))
  elseif at == 3 then isOurs = drift < (s.most + s.mostBefore) / rate(x) end
  local ignored = 1000 + (at == 1 and 0 or 500) / rate(x)
  if math.abs(drift) <= ignored then return end
  local by = drift > 0 and drift - ignored or math.max((drift + ignored) / 2, now - x.full)
  x.full, x.corrected = x.full + by, x.corrected + by
  if isOurs then x.strangers = strangers(x)
  elseif now < x.quiet or x.misses > 0 then x.strangers = 0
  else x.strangers = strangers(x) + by end
  x.strangersAt = now
  if not wasKnown then x.paid = math.max(x.paid, x.full - 20000) end
end

local function follow(x, at, shown)
  setLimit(x, shown.limit)
  if x.limit == 0 then return end
  local debt = (x.limit - shown.remaining) / rate(x)
  local born = shown.resetAtMs - 500 - debt
  local tolerance = 2000 + (at == 1 and 1.5 or 1000) / rate(x)
  local fits = born > sent - tolerance and born < now + tolerance
  local isNear = shown.resetAtMs > now - 2000 and shown.resetAtMs < now + MINUTE + 2000
  if isNear and (shown.remaining > 0 or debt < MINUTE - 1000) and (not fits or now - sent < 10000) then
    x.misses = fits and math.max(0, x.misses - 1) or math.min(8, x.misses + 1)
  end
  if x.window == 0 and x.misses >= 5 then
    x.window, x.used, x.strangers = shown.resetAtMs, x.limit - shown.remaining, 0
    s.strangersSeen, s.share = 0, given.share
  elseif x.window > 0 and x.misses == 0 then x.window = 0 end
  if x.window > 0 then followWindow(x, shown, charge.windowEndMs[at]) else correct(x, at, debt, born) end
end

local function setShare(wanted)
  local share = math.max(0.005, wanted)
  local scale = math.min(1, s.share / share)
  for _, x in ipairs(s.limits) do if x.paid > now then x.paid = now + (x.paid - now) * scale end end
  s.share = share
end

local function adjustShare()
  local debt, others = 0, 0
  for _, x in ipairs(s.limits) do
    if x.limit > 0 then
      if x.window == 0 then debt = math.max(debt, x.full - now) end
      others = math.max(others, strangers(x))
    end
  end
  if others / 30000 > 0.05 then s.strangersSeen = now end
  local hasStrangers = now - s.strangersSeen < 20000
  local since = math.min(5000, now - s.raised)
  s.raised = now
  if debt > 28000 then
    if not hasStrangers or now - s.lowered <= 3000 then return end
    local isFar = debt > 45000 or now - s.born < MINUTE
    local factor = isFar and 0.5 or 0.7 + 0.3 * math.min(1, math.max(0, (40000 - debt) / 20000))
    setShare(math.min(given.share, s.share * factor))
    s.lowered = now
  elseif debt < 25000 then
    local speed = hasStrangers and (debt < 10000 and 3 or 1) or 10
    setShare(math.min(given.share, s.share + (0.0015 * since * speed) / 1000))
  end
end

local surprise = refusal and refuse() or 0
if charge.isBlind and given.isOver then s.blind = math.max(0, s.blind - 1) end
giveBack()
if seen then
  for at, x in ipairs(s.limits) do
    local shown = shownAt(at)
    if shown then follow(x, at, shown) end
  end
  adjustShare()
end
local since = math.max(0, now - s.recovered)
s.recovered = now
for _, x in ipairs(s.limits) do
  x.margin = math.min(1, x.margin + (0.01 * since) / MINUTE)
  if x.burst ~= 1 and now - x.surprised >= 600000 then
    x.burst = math.min(1, x.burst / 0.35)
    x.overdraft = math.min(OVERDRAFT, (x.overdraft + 200) / 0.35)
    x.surprised = now
  end
end
if s.ramp < 1 and now - s.ramped > 5000 then s.ramp = math.min(1, s.ramp * (1 + (0.02 * since) / 1000)) end
save()
return surprise
`;
