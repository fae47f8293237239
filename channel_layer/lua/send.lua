-- Performs a batch of operations, in order, each by itself; chained sends all or none.
--
-- [5] client; [6] number of this batch, which grows by one; [7] 1 when batches must not overtake
-- each other; [8] operations.
-- A batch that this client sent before is not performed again: its first result comes back, so a
-- batch whose answer was lost may be repeated. Gives one verdict an operation (operations.lua).

local client, number, ordered, operations = args[5], args[6], args[7] == 1, args[8]
local OPEN = 10
local KEPT = 16  -- results kept; a client has fewer batches under way
local LIFE_MS = ordered and 86400000 or 60000  -- how long after a lost answer it may be repeated
local batch_key = base .. 'batch:' .. client

local known = call('HMGET', batch_key, text(number), 'last')
if known[1] then return cmsgpack.unpack(known[1]) end
if ordered and known[2] and number > tonumber(known[2]) + 1 then
  return redis.error_reply('GAP batch ' .. text(number) .. ' came behind ' .. known[2])
end

-- The last of the sends that are chained to the one at `first`; a reader takes them as one.
local function chain_end(first)
  local last = first
  while true do
    local op, after = operations[last], operations[last + 1]
    local goes_on = op[1] == 1 and op[5] == 1 and after and is_send(after) and after[2] == op[2]
    if not goes_on then return last end
    last = last + 1
  end
end

local verdicts, first = {}, 1

-- A socket is not registered behind its own connect that found no room.
local function refusal_before(i)
  local before, verdict = operations[i - 1], verdicts[i - 1]
  if type(verdict) ~= 'string' or not is_send(before) then return nil end
  local receipt = receipt_of(string.rep('\0', HEADER) .. before[3])
  return receipt == operations[i][2] and verdict or nil
end

while first <= #operations do
  local last = chain_end(first)
  local full = last > first and first_full({unpack(operations, first, last)}) or nil
  for i = first, last do
    local refused = operations[i][1] == OPEN and refusal_before(i)
    verdicts[i] = full or refused or perform(operations[i])
  end
  first = last + 1
end
save()

call('HSET', batch_key, text(number), cmsgpack.pack(verdicts), 'last', text(number))
call('HDEL', batch_key, text(number - KEPT))
keep(batch_key, LIFE_MS)
return verdicts
