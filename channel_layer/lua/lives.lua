-- Which life of the broker this is.

-- The text that changes when something may have been lost; hello.lua sets it, a flush forgets it.
local function layer_epoch(fresh)
  local epoch = call('GET', base .. 'epoch')
  if not epoch then
    epoch = fresh or text(next_id())
    call('SET', base .. 'epoch', epoch)
  end
  return epoch
end

-- Since when this life has been there: whoever gave no sign of life before could not.
local function up_since() return tonumber(call('GET', base .. 'up_since') or 0) end
