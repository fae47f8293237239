-- Puts what dead workers held back at the heads of its lists, in order of id.
--
-- [5] workers known dead, which may take nothing for a minute; [6] lease ms: those without a sign of
-- life for longer are dead too, -1 looks for none, and those of [5] ended in order; [7] attempt limit,
-- past which an entry goes to the dead letters; [8] lists to wake a reader of when they hold entries.
-- Gives {entries put back, entries given up, worker that held something…}.

local MAX_WORKERS = 100
local GONE_WORKER_MS = 60000

-- The workers that may have died: those named, and those without a sign of life.
local function dead_workers(named, lease_ms)
  local dead = {unpack(named)}
  if lease_ms < 0 then return dead end
  notice_pause(lease_ms)
  if now - up_since() <= lease_ms then return dead end
  local silent = call('ZRANGEBYSCORE', base .. 'workers', '-inf', '(' .. text(now - lease_ms),
    'LIMIT', 0, MAX_WORKERS)
  for _, worker in ipairs(silent) do dead[#dead + 1] = worker end
  return dead
end

-- Ends what one worker held; what goes back is put behind `back`.
local function end_leases(worker, limit, back, result)
  local lease = base .. 'lease:' .. worker
  call('HDEL', lease, GONE_MARK)
  local values = call('HVALS', lease)
  for _, value in ipairs(values) do
    local item = leased(value)
    if header_of(item.entry).attempt >= limit then
      bury(item.list, item.entry, 'its worker died at attempt ' .. limit)
      result[2] = result[2] + 1
    else
      back[#back + 1] = item
      result[1] = result[1] + 1
    end
  end
  if #values > 0 then result[#result + 1] = worker end
  call('DEL', lease)
  call('ZREM', base .. 'workers', worker)
end

function functions.reclaim()
  local named, lease_ms, limit, to_wake = args[5], args[6], args[7], args[8]
  local back, result = {}, {0, 0}
  for _, worker in ipairs(dead_workers(named, lease_ms)) do
    end_leases(worker, limit, back, result)
  end
  if lease_ms >= 0 then
    for _, worker in ipairs(named) do
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
  return result
end
