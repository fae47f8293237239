-- Plain sends, and whether their lists have room; behind common.lua in the scripts that perform
-- operations, which operations.lua tells of.

local function channel_of(tail) return string.sub(tail, 2, 1 + string.byte(tail)) end

local function is_send(op) return op[1] == 1 or op[1] == 7 end

-- The bounds that a send heeds, in entries and bytes; 0 for none.
local function bounds_of(op)
  if op[1] == 7 then return usual_entries, usual_bytes end
  return op[8], op[9]
end

-- Whether a send heeds the bounds of its list; it need not where that was looked at before.
local heeds_bounds = true

local function send(op)
  local list, tail = op[2], op[3]
  local order, flags, ttl_ms, delay_ms = op[4] or 0, op[5] or 0, op[6] or expiry_ms, op[7] or 0
  local l = state(list)
  if heeds_bounds and is_full(l, 1, HEADER + #tail, bounds_of(op)) then
    count_full(l)
    return channel_of(tail)
  end
  if delay_ms > 0 then
    local expires = now + delay_ms + ttl_ms
    local entry = pack(FORMAT, next_id(), now, expires, order, op[10] or 1, MESSAGE, flags) .. tail
    delay(list, entry, now + delay_ms)
    count_sent(l)
  else
    append(list, MESSAGE, tail, order, flags, ttl_ms, op[10])
  end
  return 0
end

-- More than this call can put on any list: an operation has no less than 8 bytes.
local MOST = #ARGV[1] / 8
local MOST_BYTES = #ARGV[1] + HEADER * MOST

-- The first channel that cannot take what all `ops` together put on it; nil when all fit. Where all
-- that this call brings would fit, nothing need be added up.
local function first_full(ops)
  local more = {}
  for _, op in ipairs(ops) do
    if is_send(op) and is_full(state(op[2]), MOST, MOST_BYTES, bounds_of(op)) then
      local l, m = state(op[2]), more[op[2]] or {0, 0}
      m[1], m[2] = m[1] + 1, m[2] + HEADER + #op[3]
      more[op[2]] = m
      if is_full(l, m[1], m[2], bounds_of(op)) then
        count_full(l)
        return channel_of(op[3])
      end
    end
  end
  return nil
end
