-- Ends leases with their effects, puts others back, takes the next entries: one atomic step.
--
-- [5] worker; [6] count; [7] a number that turns where the taking begins; [8] lists to take from;
-- [9] ids to give back, 8 bytes each; [10] steps, each with its operations in argv[2…], in order:
--
--   {1, ids of 8 bytes, farewells,                 Several Done, none with force, each with replies
--    list, owners, bytes, capacity in entries and  and receipts on one list at most. For each list
--    bytes, list, owners…}                         one entry without stamp, a bundle where it has
--                                                  several owners: an entry in it has as owner the
--                                                  item that asked for it, a byte from 0. All count
--                                                  so many bytes. Farewells: owner, channel,
--                                                  farewell, owner…
--   {2, id, 1 with force, operations}              Done with so many operations
--   {3, id, delay ms, attempt limit, reason}       Retry
--
-- Gives {verdicts, taken entries, ms until the next delayed entry is due or -1, the time in ms}.
-- A verdict is: operations dropped (0 or more), -1 when the lease was lost, or the name of a full
-- channel; where all are 0 only their number is given.
-- A worker that was reclaimed as dead has no leases and gets none.

local function look_at_lease()
  is_gone = false
  if steps[1] or back ~= '' then
    local ids = call('HKEYS', lease)
    for i = 1, #ids do held[ids[i]] = true end
    is_gone = held[GONE_MARK]
  elseif count > 0 then
    is_gone = call('HEXISTS', lease, GONE_MARK) == 1
  end
end

-- All verdicts, or only their number where all are 0.
local function result_of(items)
  for i = 1, items do
    if (verdicts[i] or 0) ~= 0 then
      for j = 1, items do verdicts[j] = verdicts[j] or 0 end
      return verdicts
    end
  end
  return items
end

function functions.commit()
  worker, back, steps = args[5], args[9], args[10]
  lease, held, ended, verdicts, chained_behind = base .. 'lease:' .. worker, {}, {}, {}, nil
  count, turn, sources = args[6], args[7], args[8]
  look_at_lease()
  local items, taken = settle_all(), {}
  if not is_gone then
    if back ~= '' then give_back() end
    if ended[1] then push_all('HDEL', lease, ended) end
    push_fresh()
    move_due()
    if count > 0 and sources[1] then take(taken) end
    call('ZADD', base .. 'workers', now, worker)
    if due_at > 0 and taken[1] then tell_due() end
    save()
  end
  return {result_of(items), taken, is_gone and -1 or due_ms(), now}
end
