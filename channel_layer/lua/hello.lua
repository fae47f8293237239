-- The first step on every new connection: notices another life of the broker before anybody works.
--
-- [5] which life of the broker this is; [6] 1 when it loses nothing that it acknowledged; [7] random
-- text, the epoch where another one is due; [8] the number of the keys' format.
-- Refuses keys of another format. The epoch changes with a life that may have lost something.

local run, is_durable, fresh, format = args[5], args[6] == 1, args[7], text(args[8])

local known = call('MGET', base .. 'format', base .. 'run', base .. 'epoch')
if known[1] and known[1] ~= format then
  return redis.error_reply('FORMAT expected ' .. format .. ', got ' .. known[1])
end
local is_new = known[2] ~= run
if is_new then
  call('SET', base .. 'run', run)
  call('SET', base .. 'up_since', text(now))
end
if not known[3] or is_new and not is_durable then call('SET', base .. 'epoch', fresh) end
-- Also where nothing changed something is written: so a replica or a full broker counts as not there.
call('SET', base .. 'format', format)
return 1
