-- The first step on every new connection: notices another life of the broker before anybody works.
--
-- [5] which life of the broker this is; [6] 1 when it loses nothing that it acknowledged; [7] random
-- text, the epoch where another one is due; [8] the number of the keys' format.
-- Refuses keys of another format. The epoch changes with a life that may have lost something: one
-- behind a life that did not write all it acknowledged, or one that may not have read all of that.

local DURABLE = ' durable'  -- behind the name of a life that was so all the time

function functions.hello()
  local run, is_durable, fresh, format = args[5], args[6] == 1, args[7], text(args[8])

  local known = call('MGET', base .. 'format', base .. 'run', base .. 'epoch')
  if known[1] and known[1] ~= format then
    return redis.error_reply('FORMAT expected ' .. format .. ', got ' .. known[1])
  end
  local before = known[2] or ''
  local was_durable = string.sub(before, -#DURABLE) == DURABLE
  local is_new = before ~= run and before ~= run .. DURABLE
  if is_new then call('SET', base .. 'up_since', text(now)) end
  if is_new or was_durable and not is_durable then
    call('SET', base .. 'run', is_durable and run .. DURABLE or run)
  end
  local has_lost = is_new and not (was_durable and is_durable)
  if has_lost or not known[3] then call('SET', base .. 'epoch', fresh) end
  -- Also where nothing changed something is written: so a replica or a full broker counts as not there.
  call('SET', base .. 'format', format)
  return 1
end
