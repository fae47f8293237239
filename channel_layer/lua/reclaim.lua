-- Puts what dead workers held back at the heads of its lists, in order of id.
--
-- [5] workers known dead, which may take nothing for a minute; [6] lease ms: those without a sign of
-- life for longer are dead too, -1 looks for none, and those of [5] ended in order; [7] attempt limit, past which an entry goes to the dead letters; [8] lists to
-- wake a reader of when they hold entries.
-- Gives {entries put back, entries given up, worker that held something…}.

local named_dead, lease_ms, limit, to_wake = args[5], args[6], args[7], args[8]
local MAX_WORKERS = 100
local GONE_WORKER_MS = 60000
local dead, held = {}, {0, 0}

for _, worker in ipairs(named_dead) do dead[#dead + 1] = worker end
if lease_ms >= 0 then notice_pause(lease_ms) end
if lease_ms >= 0 and now - up_since() > lease_ms then
  local silent = call('ZRANGEBYSCORE', base .. 'workers', '-inf',
    '(' .. text(now - lease_ms), 'LIMIT', 0, MAX_WORKERS)
  for _, worker in ipairs(silent) do dead[#dead + 1] = worker end
end

local back = {}
for _, worker in ipairs(dead) do
  local lease = base .. 'lease:' .. worker
  call('HDEL', lease, GONE_MARK)
  local values = call('HVALS', lease)
  for _, value in ipairs(values) do
    local item = leased(value)
    if header_of(item.entry).attempt >= limit then
      bury(item.list, item.entry, 'its worker died at attempt ' .. limit)
      held[2] = held[2] + 1
    else
      back[#back + 1] = item
      held[1] = held[1] + 1
    end
  end
  if #values > 0 then held[#held + 1] = worker end
  call('DEL', lease)
  call('ZREM', base .. 'workers', worker)
end
if lease_ms >= 0 then
  for _, worker in ipairs(named_dead) do
    call('HSET', base .. 'lease:' .. worker, GONE_MARK, '1')
    call('PEXPIRE', base .. 'lease:' .. worker, GONE_WORKER_MS)
  end
end
put_back(back, 1)
for _, list in ipairs(to_wake) do
  if (look('LLEN', 'list:', list) or 0) > 0 then wake(list) end
end
move_due()
save()
return held
