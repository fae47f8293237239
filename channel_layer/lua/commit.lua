-- Ends leases with their effects, puts others back, takes the next entries: one atomic step.
--
-- [5] worker; [6] items {1, id, force, operations} (Done) or {2, id, delay ms, attempt limit,
-- reason} (Retry); [7] ids to give back; [8] lists to take from; [9] count; [10] a number that
-- turns where the taking begins.
-- Gives {verdict an item, taken entries, ms until the next delayed entry is due or -1, the time in
-- ms}. A verdict is: operations dropped (0 or more), -1 when the lease was lost, or the name of a
-- full channel.
-- A worker that was reclaimed as dead has no leases and gets none.

local worker, items, back, sources, count, turn = args[5], args[6], args[7], args[8], args[9], args[10]
local lease = base .. 'lease:' .. worker
local DUE_TOKEN_MS = 250

-- The ids that the worker holds, as text like all ids below, read once; those that end in this call
-- are told to the broker once.
local held, ended_ids, is_gone_worker = {}, {}, false
if #items + #back > 0 then
  for _, id in ipairs(call('HKEYS', lease)) do held[id] = true end
  is_gone_worker = held[GONE_MARK]
elseif count > 0 then
  is_gone_worker = call('HEXISTS', lease, GONE_MARK) == 1
end
if is_gone_worker then
  local lost = {}
  for i = 1, #items do lost[i] = -1 end
  return {lost, {}, -1, now}
end
local function let_go(id)
  held[id] = nil
  ended_ids[#ended_ids + 1] = id
end

-- What is held under `id`, nil for nothing.
local function look_up(id)
  return held[id] and leased(call('HGET', lease, id)) or nil
end

-- What else the handler wanted cannot push out what was found to fit: a broadcast not the answer.
local function finish(item)
  local dropped = 0
  heeds_bounds = item[3] == 1
  for _, op in ipairs(item[4]) do
    local verdict = perform(op)
    dropped = dropped + (type(verdict) == 'number' and verdict or 1)
  end
  let_go(item[2])
  return dropped
end

local function retry(item)
  local one = look_up(item[2])
  if not one then return -1 end
  let_go(item[2])
  if header_of(one.entry).attempt >= item[4] then
    bury(one.list, one.entry, item[5])
  else
    local h = renewed(one.entry, 1, item[3])
    h.flags = 0
    delay(one.list, with_header(h, one.entry), now + item[3])
  end
  return 0
end

-- Behind a full one, what is chained to it is refused too: replies of one socket keep their order.
local chained_behind = nil
local function settle(item)
  local behind = chained_behind
  chained_behind = nil
  if item[1] == 2 then return retry(item) end
  if not held[item[2]] then return -1 end
  local full = behind or (item[3] == 0 and first_full(item[4])) or nil
  if not full then return finish(item) end
  chained_behind = header_of(look_up(item[2]).entry).flags > 0 and full or nil
  return full
end

local function give_back()
  local given = {}
  for _, number in ipairs(back) do
    local id = text(number)
    local one = look_up(id)
    if one then
      let_go(id)
      given[#given + 1] = one
    end
  end
  put_back(given, 0)
end

-- First an equal share of each list that has entries, then whatever is there.
local function take(taken, is_due_later)
  local filled = {}
  for i = 1, #sources do
    local list = sources[(turn + i) % #sources + 1]
    if (look('LLEN', 'list:', list) or 0) > 0 then filled[#filled + 1] = list end
  end
  local share = max(1, floor(count / max(1, #filled)))
  for _, list in ipairs(filled) do
    if #taken < count then pop(list, math.min(share, count - #taken), true, taken) end
  end
  for _, list in ipairs(filled) do
    if #taken < count and state(list).n > 0 then pop(list, count - #taken, true, taken) end
    -- A token beside an empty list wakes somebody for nothing, unless something will be due.
    if state(list).n > 0 then
      wake(list)
    elseif not is_due_later then
      call('DEL', base .. 'wake:' .. list)
    end
  end
end

local function write_lease(taken)
  local values = {}
  for _, item in ipairs(taken) do
    values[#values + 1] = text(item.id)
    values[#values + 1] = item.list .. '\0' .. item.entry
  end
  push_all('HSET', lease, values)
end

-- A busy worker leaves word for an idle one that something will be due.
local function tell_due(list)
  local told = tonumber(call('HGET', base .. 'stat', 'due_told') or 0)
  if now - told < DUE_TOKEN_MS then return end
  call('HSET', base .. 'stat', 'due_told', text(now))
  wake(list)
end

local verdicts, taken, entries = {}, {}, {}
for i, item in ipairs(items) do
  item[2] = text(item[2])
  verdicts[i] = settle(item)
end
give_back()
push_all('HDEL', lease, ended_ids)
push_fresh()
local due_ms, due_list = move_due()
if count > 0 and #sources > 0 then take(taken, due_ms ~= nil) end
if #taken > 0 then write_lease(taken) end
call('ZADD', base .. 'workers', now, worker)
if due_ms and #taken > 0 then tell_due(due_list) end
save()
for i, item in ipairs(taken) do entries[i] = item.entry end
return {verdicts, entries, due_ms or -1, now}
