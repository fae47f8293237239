-- Performs a batch of operations, in order, each by itself; chained sends all or none.
--
-- [5] client; [6] number of this batch, which grows by one; [7] 1 when batches must not overtake
-- each other. argv[2…] operations (operations.lua).
-- A batch that this client sent before is not performed again: its first result comes back, so a
-- batch whose answer was lost may be repeated. Gives the number of operations when the verdict on
-- each is 0, else one verdict an operation.

local KEPT = 16  -- results kept; a client has fewer batches under way
local LIFE_MS, UNORDERED_LIFE_MS = DAY_MS, 60000  -- how long after a lost answer it may be repeated
local OPEN = 10
local verdicts, is_well  -- the verdict on each operation by its place in argv, whether all are 0

-- The last of the sends that are chained to the one at `first`; a reader takes them as one.
local function chain_from(first)
  local chain, last = {decoded(argv[first])}, first
  while argv[last + 1] do
    local unstamped = sent_by(chain[#chain])
    local is_chained = unstamped and byte(unstamped, 12) > 0
    local after = is_chained and decoded(argv[last + 1]) or nil
    if not after or not sent_by(after) or list_of_send(after) ~= list_of_send(chain[#chain]) then
      break
    end
    last = last + 1
    chain[#chain + 1] = after
  end
  return chain, last
end

-- A socket is not registered behind its own connect that found no room.
local function refusal_before(i, op)
  local verdict = verdicts[i - 1]
  local unstamped = type(verdict) == 'string' and sent_by(decoded(argv[i - 1]))
  if not unstamped then return nil end
  return receipt_of(string.rep('\0', STAMP) .. unstamped) == op[2] and verdict or nil
end

-- Performs the operation in argv[first] with all that is chained to it; gives the last one of them.
local function perform_chain(first)
  local chain, last = chain_from(first)
  local full = last > first and first_full(chain) or nil
  for i, op in ipairs(chain) do
    local refused = op[1] == OPEN and refusal_before(first, op)
    local verdict = full or refused or perform(op)
    verdicts[first + i - 1], is_well = verdict, is_well and verdict == 0
  end
  return last
end

local function perform_all()
  local i, last = 2, #argv
  while i <= last do
    local op = argv[i]
    if byte(op) == 0 and byte(op, 12) == 0 then
      local verdict = place(op)
      verdicts[i], is_well = verdict, is_well and verdict == 0
    else
      i = perform_chain(i)
    end
    i = i + 1
  end
end

function functions.send()
  local client, number, ordered = args[5], args[6], args[7] == 1
  local batch_key, field = base .. 'batch:' .. client, text(number % KEPT)
  local known = call('HMGET', batch_key, field, 'last')
  if known[1] and unpack_entry('>d', known[1]) == number then
    return cmsgpack.unpack(sub(known[1], 9))
  end
  if ordered and known[2] and number > tonumber(known[2]) + 1 then
    return redis.error_reply('GAP batch ' .. text(number) .. ' came behind ' .. known[2])
  end
  verdicts, is_well, heeds_bounds = {}, true, true
  perform_all()
  save()
  local result = #argv - 1
  if not is_well then
    result = {}
    for i = 2, #argv do result[i - 1] = verdicts[i] end
  end
  local kept = pack('>d', number) .. cmsgpack.pack(result)
  call('HSET', batch_key, field, kept, 'last', text(number))
  keep(batch_key, ordered and LIFE_MS or UNORDERED_LIFE_MS)
  return result
end
