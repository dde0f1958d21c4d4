--- Sizes as text: "64MB", "1.5GB", "512". A kilobyte is 1024 bytes, also when written KiB.
local M = {}

--- Bytes of each unit, by its name in lower case.
M.UNITS = {
  b = 1, kb = 1 << 10, mb = 1 << 20, gb = 1 << 30, tb = 1 << 40,
  k = 1 << 10, m = 1 << 20, g = 1 << 30, t = 1 << 40,
  kib = 1 << 10, mib = 1 << 20, gib = 1 << 30, tib = 1 << 40,
}
M.HELP = "a size is written `64MB`; units: B KB MB GB TB"

local function failure(text, why)
  return {
    code = "W203", from = 1, to = math.max(#text, 1), help = M.HELP,
    message = ("`%s` is no size%s"):format(text, why or ""),
  }
end

--- Bytes of a size text.
---@param text string
---@return integer? bytes, table? err W203
function M.parse(text)
  local whole, fraction, unit = text:match("^(%d+)%.?(%d*)%s?(%a*)$")
  if not whole or text:find("^%d+%.%D") or text:find("%.$") then
    return nil, failure(text)
  end
  local unit_bytes = M.UNITS[unit == "" and "b" or unit:lower()]
  local number = math.tointeger(tonumber(whole))
  if not unit_bytes then
    return nil, failure(text, (": it has no unit `%s`"):format(unit))
  elseif not number or number >= math.maxinteger // unit_bytes then
    return nil, failure(text, ": it is too large")
  elseif #fraction > 9 then
    return nil, failure(text, ": it has parts of a byte")
  elseif fraction ~= "" then
    local parts = unit_bytes * math.tointeger(tonumber(fraction))
    local scale = math.tointeger(10 ^ #fraction)
    if parts % scale ~= 0 then
      return nil, failure(text, ": it has parts of a byte")
    end
    return number * unit_bytes + parts // scale
  end
  return number * unit_bytes
end

--- A size for people, at most one digit behind the point: 1572864 is "1.5MB".
---@param bytes integer
---@return string
function M.format(bytes)
  for _, unit in ipairs({ "TB", "GB", "MB", "KB" }) do
    local unit_bytes = M.UNITS[unit:lower()]
    if bytes >= unit_bytes then
      return (("%.1f"):format(bytes / unit_bytes):gsub("%.0$", "")) .. unit
    end
  end
  return bytes .. "B"
end

return M
