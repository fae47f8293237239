-- How leases end with their effects; in front of commit.lua, which tells of steps and verdicts.

local worker, lease, count, turn, sources, back, steps
-- The ids that the worker holds, read once; those that end in this call are told to the broker once.
local held, ended, is_gone
-- By the number of the item; what was none of these is 0.
local verdicts
-- The full channel, behind which what is chained to it is refused.
local chained_behind

local function let_go(id)
  held[id] = nil
  ended[#ended + 1] = id
end

-- What is held under `id`, nil for nothing.
local function look_up(id)
  return held[id] and leased(call('HGET', lease, id)) or nil
end

-- What else the handler wanted cannot push out what was found to fit: a broadcast not the answer.
local function finish(id, force, ops)
  local dropped = 0
  heeds_bounds = force
  for _, op in ipairs(ops) do
    local verdict = perform(op)
    dropped = dropped + (type(verdict) == 'number' and verdict or 1)
  end
  let_go(id)
  return dropped
end

local function retry(step)
  local id = step[2]
  local one = look_up(id)
  if not one then return -1 end
  let_go(id)
  if header_of(one.entry).attempt >= step[4] then
    bury(one.list, one.entry, step[5])
  else
    local h = renewed(one.entry, 1, step[3])
    h.flags = 0
    delay(one.list, with_header(h, one.entry), now + step[3])
  end
  return 0
end

-- Behind a full one, what is chained to it is refused too: replies of one socket keep their order.
local function settle_done(id, force, ops)
  local behind = chained_behind
  chained_behind = nil
  if not held[id] then return -1 end
  local full = behind or (not force and first_full(ops)) or nil
  if not full then return finish(id, force, ops) end
  chained_behind = header_of(look_up(id).entry).flags > 0 and full or nil
  return full
end

-- One step that is not of code 1, whose operations stand in argv from `first` on.
local function settle(step, first)
  if step[1] == 3 then
    chained_behind = nil
    return retry(step)
  end
  local ops = {}
  for i = 1, step[4] do ops[i] = decoded(argv[first + i - 1]) end
  return settle_done(step[2], step[3] == 1, ops)
end

-- What the items of a step of code 1 ask for, each by itself.
local function operations_by_item(step, first)
  local found = {}
  for i = 1, #step[2] / 8 do found[i] = {} end
  for i = 4, #step, 5 do
    local owners, packed = step[i + 1], argv[first + (i - 4) / 5]
    local parts = #owners > 1 and entries_in(string.rep('\0', STAMP) .. packed) or nil
    for part = 1, #owners do
      local unstamped = parts and sub(parts[part], STAMP + 1) or packed
      local ops = found[byte(owners, part) + 1]
      ops[#ops + 1] = {0, nil, unstamped, step[i + 3], step[i + 4]}
    end
  end
  for i = 1, #step[3], 3 do
    local ops = found[step[3][i] + 1]
    ops[#ops + 1] = {14, step[3][i + 1], step[3][i + 2]}
  end
  return found
end

-- The items of a step of code 1 one after the other; the first has this place among the verdicts.
local function settle_each(step, first, place_of_first)
  local ops = operations_by_item(step, first)
  for i = 1, #ops do
    local id = sub(step[2], 8 * i - 7, 8 * i)
    verdicts[place_of_first + i - 1] = settle_done(id, false, ops[i])
  end
end

local function give_back()
  local given = {}
  for at = 1, #back, 8 do
    local id = sub(back, at, at + 7)
    local one = look_up(id)
    if one then
      let_go(id)
      given[#given + 1] = one
    end
  end
  put_back(given, 0)
end

-- The sockets' disconnects change with their states, where they are registered.
local function renew_farewells(farewells)
  local by_key = {}
  for i = 1, #farewells, 3 do
    local channel = farewells[i + 1]
    local key = base .. 'sockets:' .. list_of(channel)
    local channels = by_key[key] or {}
    channels[#channels + 1], channels[channel] = channel, farewells[i + 2]
    by_key[key] = channels
  end
  for key, channels in pairs(by_key) do
    local known, values = call('HMGET', key, unpack(channels)), {}
    for i = 1, #channels do
      if known[i] then
        values[#values + 1], values[#values + 2] = channels[i], channels[channels[i]]
      end
    end
    push_all('HSET', key, values)
  end
end

-- Ends the leases of a step of code 1 and places what its items ask for. Gives false, with nothing
-- changed, where a lease was lost or a list may not have the room.
local function settle_together(step, first)
  local ids, before = step[2], #ended
  if chained_behind then return false end
  for i = 4, #step, 5 do
    if is_full(state(step[i]), #step[i + 1], step[i + 2], step[i + 3], step[i + 4]) then
      return false
    end
  end
  for at = 1, #ids, 8 do
    local id = sub(ids, at, at + 7)
    if not held[id] then
      for i = before + 1, #ended do held[ended[i]], ended[i] = true, nil end
      return false
    end
    held[id] = nil
    ended[#ended + 1] = id
  end
  for i = 4, #step, 5 do
    local l, number, unstamped = state(step[i]), #step[i + 1], argv[first + (i - 4) / 5]
    last_id = last_id + number
    local expires = byte(unstamped, 11) == RECEIPT and 0 or now + expiry_ms
    l.fresh[#l.fresh + 1] = pack('>I8I8I8', last_id, now, expires) .. unstamped
    l.n, l.elements, l.bytes = l.n + number, l.elements + 1, l.bytes + step[i + 2]
    l.extra = l.extra + number - 1
    count_sent(l, number)
  end
  if step[3][1] then renew_farewells(step[3]) end
  return true
end

-- Gives how many items were settled.
local function settle_all()
  local items, first = 0, 2
  for i = 1, #steps do
    local step = steps[i]
    if is_gone then
      local number = step[1] == 1 and #step[2] / 8 or 1
      for j = 1, number do verdicts[items + j] = -1 end
      items = items + number
    elseif step[1] == 1 then
      if not settle_together(step, first) then settle_each(step, first, items + 1) end
      items, first = items + #step[2] / 8, first + (#step - 3) / 5
    else
      items = items + 1
      verdicts[items] = settle(step, first)
      first = first + (step[1] == 2 and step[4] or 0)
    end
  end
  return items
end
