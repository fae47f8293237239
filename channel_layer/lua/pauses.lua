-- Notices that nobody could give a sign of life, before the dead are looked for.

local PAUSE_MS = 4000  -- who looks for dead servers does so each 2 s, for dead workers each 5 s

-- When somebody looked last, for whichever of the two: one of them alone is too rare to tell.
local LOOKED = 'looked'

-- The broker stood still, or its clock jumped, when nobody looked for long: then all are given a
-- whole silence more. Not so twice in a row, lest the dead be found never where all is slow.
local function notice_pause(silence_ms)
  local stat = base .. 'stat'
  local known = call('HMGET', stat, LOOKED, LOOKED .. '_late')
  local is_late = known[1] and now - tonumber(known[1]) > max(PAUSE_MS, silence_ms / 2)
  local is_noticed = is_late and known[2] ~= '1'
  if is_noticed then call('SET', base .. 'up_since', text(now)) end
  call('HSET', stat, LOOKED, text(now), LOOKED .. '_late', is_noticed and '1' or '0')
end
