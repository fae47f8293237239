-- How entries look and what is read off them; entries.py tells the same.

local FORMAT = '>I8I8I8I8I2I1I1'
local UNSTAMPED = '>I8I2I1I1'

local function tail_of(channel, payload) return string.char(#channel) .. channel .. '\0' .. payload end

-- Whether these bytes have the parts of an entry; all that our functions write have.
local function is_entry(bytes)
  local size = #bytes
  if size < HEADER + 2 or byte(bytes, HEADER - 1) > BUNDLE then return false end
  local at = HEADER + 2 + byte(bytes, HEADER + 1)
  return at <= size and at + byte(bytes, at) <= size
end

local function header_of(entry)
  local id, sent, expires, order, attempt, kind, flags = unpack_entry(FORMAT, entry)
  return {id = id, sent = sent, expires = expires, order = order, attempt = attempt, kind = kind,
    flags = flags}
end

local function with_header(h, entry)
  return pack(FORMAT, h.id, h.sent, h.expires, h.order, h.attempt, h.kind, h.flags)
    .. sub(entry, HEADER + 1)
end

local function channel_in(entry)
  return sub(entry, HEADER + 2, HEADER + 1 + byte(entry, HEADER + 1))
end

local function receipt_of(entry)
  local at = HEADER + 2 + byte(entry, HEADER + 1)
  return sub(entry, at + 1, at + byte(entry, at))
end

-- What an element of a list is: its id, which is that of its last entry, when it expires, how many
-- entries it stands for and what they count in bytes. Nil for what is none.
local function measure(element)
  if not is_entry(element) then return nil end
  local size, id, _, expires, number = #element, unpack_entry('>I8I8I8I8', element)
  if byte(element, HEADER - 1) < BUNDLE then return id, expires, 1, size end
  -- A flag says that some of it never expires.
  if byte(element, HEADER) > 0 then expires = 0 end
  if number * 16 > size then return nil end
  return id, expires, number, size - HEADER - 2 + number * (STAMP - 4)
end

-- The entries that a bundle stands for, each behind its size, as they would lie on the list alone;
-- nil where it is none. Their ids end with the bundle's.
local function entries_in(bundle)
  if not is_entry(bundle) or byte(bundle, HEADER - 1) ~= BUNDLE then return nil end
  local id, sent, expires, number = unpack_entry('>I8I8I8I8', bundle)
  local found, at = {}, HEADER + 3
  while at + 4 <= #bundle and #found < number do
    local size = unpack_entry('>I4', bundle, at)
    local unstamped = sub(bundle, at + 4, at + 3 + size)
    local lives = byte(unstamped, 11) == RECEIPT and 0 or expires
    local entry = pack('>I8I8I8', id - number + #found + 1, sent, lives) .. unstamped
    if #unstamped < size or not is_entry(entry) then return nil end
    found[#found + 1], at = entry, at + 4 + size
  end
  return #found == number and at == #bundle + 1 and found or nil
end

-- Appends one entry. ttl_ms 0: it never expires. No bound on capacity is looked at here.
local function append(list, kind, tail, order, ttl_ms)
  put(state(list), pack(UNSTAMPED, order, 1, kind, 0) .. tail, ttl_ms)
end

-- Says to the sender of `entry` what became of it, where it asked for that.
local function send_receipt(entry, kind)
  local receipt = receipt_of(entry)
  if receipt == '' then return end
  local payload = cmsgpack.pack({kind = kind})
  append(list_of(receipt), RECEIPT, tail_of(receipt, payload), header_of(entry).order, 0)
end
