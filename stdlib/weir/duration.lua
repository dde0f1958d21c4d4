--- Durations as text: "1h30m", "250ms", "1.5s".
local M = {}

--- Microseconds of each unit.
M.UNITS = {
  us = 1, ms = 1000, s = 1000000, m = 60000000, h = 3600000000, d = 86400000000, w = 604800000000,
}
M.HELP = "a duration is written `1h30m`; units: us ms s m h d w"

local function failure(text, why, help)
  return {
    code = "W114", from = 1, to = math.max(#text, 1), help = help or M.HELP,
    message = ("bad literal: `%s` is no duration%s"):format(text, why or ""),
  }
end

local LONG_UNITS = {
  sec = "s", secs = "s", second = "s", seconds = "s", min = "m", mins = "m", minute = "m",
  minutes = "m", hr = "h", hour = "h", hours = "h", day = "d", days = "d", week = "w",
  weeks = "w", millisecond = "ms", milliseconds = "ms", microsecond = "us", microseconds = "us",
  ["µs"] = "us",
}

--- One part, `90m` or `1.5s`, in microseconds; nil and why when it is none.
local function part_us(whole, fraction, unit)
  local unit_us = M.UNITS[unit]
  local number = math.tointeger(tonumber(whole))
  if not number or number > math.maxinteger // unit_us then
    return nil, ": it is too long"
  end
  local us = number * unit_us
  if fraction ~= "" then
    if #fraction > 9 or unit_us * tonumber(fraction) % 10 ^ #fraction ~= 0 then
      return nil, ": it has parts of a microsecond"
    end
    local more = unit_us * tonumber(fraction) // math.tointeger(10 ^ #fraction)
    if us > math.maxinteger - more then
      return nil, ": it is too long"
    end
    us = us + more
  end
  return us
end

--- Microseconds of a duration text.
---@param text string
---@param opts { signed: boolean? }? signed: `-5m` is allowed
---@return integer? us, table? err W114
function M.parse(text, opts)
  local sign, rest = text:match("^([+-]?)(.*)$")
  if sign ~= "" and not (opts and opts.signed) then
    return nil, failure(text, ": it has a sign", "write it without a sign")
  end
  local total, at = 0, 1
  while at <= #rest do
    local whole, fraction, unit, past = rest:match("^(%d+)%.?(%d*)([%aµ]*)()", at)
    if not whole or rest:find("^%d+%.%D", at) then
      return nil, failure(text)
    elseif unit == "" and LONG_UNITS[(rest:match("^%s+(%a+)$", past) or ""):lower()] then
      return nil, failure(text, ": it has no unit", ("write `%s%s`, without a blank"):format(
        sign .. rest:sub(1, past - 1), LONG_UNITS[rest:match("%a+$"):lower()]))
    elseif unit == "" and rest:find("%s", past) then
      return nil, failure(text, ": it has no unit")
    elseif unit == "" then
      return nil, failure(text, ": it has no unit",
        ("write `%ss`, `%sms`, …; units: us ms s m h d w"):format(text, text))
    elseif not M.UNITS[unit] then
      local meant = LONG_UNITS[unit:lower()]
      return nil, failure(text, (": it has no unit `%s`"):format(unit),
        meant and ("did you mean `%s%s`?"):format(whole, meant) or nil)
    end
    local us, why = part_us(whole, fraction, unit)
    if not us or us > math.maxinteger - total then
      return nil, failure(text, why or ": it is too long")
    end
    total, at = total + us, past
  end
  if at == 1 then
    return nil, failure(text)
  end
  return sign == "-" and -total or total
end

--- The shortest text of a duration: 5400000000 is "1h30m".
---@param us integer
---@return string
function M.format(us)
  if us == 0 then
    return "0s"
  elseif us == math.mininteger then
    return M.format(us + 1):gsub("807us$", "808us")
  end
  local parts, rest = { us < 0 and "-" or "" }, math.abs(us)
  for _, unit in ipairs({ "w", "d", "h", "m", "s", "ms", "us" }) do
    local count = rest // M.UNITS[unit]
    if count > 0 then
      parts[#parts + 1] = count .. unit
      rest = rest % M.UNITS[unit]
    end
  end
  return table.concat(parts)
end

return M
