-- Pops one message for a plain reader, at most once; nothing is leased.
--
-- [5] lists; [6] a number that turns where the looking begins.
-- Gives {ms until the next delayed entry is due or -1} with the list and the entry behind it when
-- there was one. A receipt "taken" goes back where the entry asks for one.

local sources, turn = args[5], args[6]
local found = {}
local due_ms = move_due()
for i = 1, #sources do
  local list = sources[(turn + i) % #sources + 1]
  if (look('LLEN', 'list:', list) or 0) > 0 and #found == 0 then
    pop(list, 1, false, found)
  end
  local l = lists[list]
  if l and l.n > 0 then wake(list) end
end
if found[1] then send_receipt(found[1].entry, 'taken') end
save()
if not found[1] then return {due_ms or -1} end
return {due_ms or -1, found[1].list, found[1].entry}
