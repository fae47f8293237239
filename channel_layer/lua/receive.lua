-- Pops one message for a plain reader, at most once; nothing is leased.
--
-- [5] lists; [6] a number that turns where the looking begins.
-- Gives {ms until the next delayed entry is due or -1} with the list and the entry behind it when
-- there was one. A receipt "taken" goes back where the entry asks for one.

function functions.receive()
  local sources, turn = args[5], args[6]
  local found, found_on = {}, nil
  move_due()
  for i = 1, #sources do
    local list = sources[(turn + i) % #sources + 1]
    if not found_on and (look('LLEN', 'list:', list) or 0) > 0 then
      pop(state(list), 1, false, found)
      if found[1] then found_on = list end
    end
    local l = lists[list]
    if l and l.n > 0 then wake(list) end
  end
  if found_on then send_receipt(found[1], 'taken') end
  save()
  return {due_ms(), found_on, found[1]}
end
