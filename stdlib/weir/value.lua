--- Typed values that Lua has no type for: timestamps, dates, durations and decimals, as parameters
--- and tests write them. Text forms are those of every sink.
local M = {}

local Value = {}
Value.__index = Value
Value.__name = "weir.value"

local US_PER_DAY = 86400000000

local function make(kind, v)
  return setmetatable({ type = kind, v = v }, Value)
end

---@param us integer microseconds since 1970, UTC
function M.timestamp(us)
  return make("timestamp", us)
end
---@param days integer days since 1970-01-01
function M.date(days)
  return make("date", days)
end
---@param us integer microseconds
function M.duration(us)
  return make("duration", us)
end
---@param text string digits, exactly as they are kept
function M.decimal(text)
  return make("decimal", text)
end

---@return boolean
function M.is(x)
  return getmetatable(x) == Value
end

--- Days since 1970-01-01 of a day of the Gregorian calendar, and back.
--- Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013.
local function days_from_civil(year, month, day)
  year = month <= 2 and year - 1 or year
  local era = year // 400
  local year_of_era = year - era * 400
  local day_of_year = (153 * (month + (month > 2 and -3 or 9)) + 2) // 5 + day - 1
  local day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
  return era * 146097 + day_of_era - 719468
end

local function civil_from_days(days)
  days = days + 719468
  local era = days // 146097
  local day_of_era = days - era * 146097
  local year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524
    - day_of_era // 146096) // 365
  local day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
  local shifted = (5 * day_of_year + 2) // 153
  local month = shifted < 10 and shifted + 3 or shifted - 9
  local year = year_of_era + era * 400 + (month <= 2 and 1 or 0)
  return year, month, day_of_year - (153 * shifted + 2) // 5 + 1
end

local MONTH_DAYS = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }

local function day_number(year, month, day)
  year, month, day = math.tointeger(year), math.tointeger(month), math.tointeger(day)
  if month < 1 or month > 12 or day < 1 or day > MONTH_DAYS[month] then
    return nil
  end
  local leap = year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
  if month == 2 and day == 29 and not leap then
    return nil
  end
  return days_from_civil(year, month, day)
end

--- `YYYY-MM-DD` → a date, or nil.
function M.parse_date(text)
  local year, month, day = text:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)$")
  local days = year and day_number(year, month, day)
  return days and M.date(days) or nil
end

local function offset_us(zone)
  if zone == "" or zone == "Z" or zone == "z" then
    return 0
  end
  local sign, hours, minutes = zone:match("^([+-])(%d%d):?(%d%d)$")
  if not sign or tonumber(hours) > 23 or tonumber(minutes) > 59 then
    return nil
  end
  local us = (math.tointeger(hours) * 60 + math.tointeger(minutes)) * 60000000
  return sign == "-" and -us or us
end

--- A time that clocks of the zone show; nil where there is none.
local function from_local(us, zone)
  local at = us
  if zone and zone ~= "UTC" then
    at = require("weir.native").from_local(zone, us)
  end
  return at and M.timestamp(at)
end

--- RFC 3339, with a blank for the T, without seconds, fraction or offset if need be.
---@param zone string? whose clocks show a time without offset; UTC
function M.parse_timestamp(text, zone)
  local date, clock, rest = text:match("^(%d%d%d%d%-%d%d%-%d%d)[Tt ](%d%d:%d%d)(.*)$")
  local days = date and M.parse_date(date) or M.parse_date(text)
  if not days then
    return nil
  elseif not date then
    return from_local(days.v * US_PER_DAY, zone)
  end
  local hour, minute = clock:match("(%d%d):(%d%d)")
  local seconds, fraction, offset = rest:match("^:(%d%d)%.?(%d*)(.*)$")
  if not seconds then
    seconds, fraction, offset = "00", "", rest
  end
  local shift = offset_us(offset)
  if not shift or #fraction > 6 or tonumber(hour) > 23 or tonumber(minute) > 59
    or tonumber(seconds) > 59 then
    return nil
  end
  local us = (math.tointeger(hour) * 3600 + math.tointeger(minute) * 60
    + math.tointeger(seconds)) * 1000000
    + math.tointeger(tonumber(fraction .. ("0"):rep(6 - #fraction)))
  us = days.v * US_PER_DAY + us - shift
  if offset == "" then
    return from_local(us, zone)
  end
  return M.timestamp(us)
end

local function timestamp_text(us)
  local days, rest = us // US_PER_DAY, us % US_PER_DAY
  local year, month, day = civil_from_days(days)
  local seconds, fraction = rest // 1000000, rest % 1000000
  local text = ("%04d-%02d-%02dT%02d:%02d:%02d"):format(year, month, day, seconds // 3600,
    seconds // 60 % 60, seconds % 60)
  if fraction == 0 then
    return text .. "Z"
  elseif fraction % 1000 == 0 then
    return ("%s.%03dZ"):format(text, fraction // 1000)
  end
  return ("%s.%06dZ"):format(text, fraction)
end

--- ISO 8601 with days as the largest unit.
local function duration_text(us)
  local sign = us < 0 and "-" or ""
  us = us < 0 and -us or us
  local days, rest = us // US_PER_DAY, us % US_PER_DAY
  local seconds, fraction = rest // 1000000, rest % 1000000
  local text = "P" .. (days > 0 and ("%dD"):format(days) or "")
  if rest > 0 or days == 0 then
    text = text .. "T"
    local hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
    text = text .. (hour > 0 and ("%dH"):format(hour) or "")
      .. (minute > 0 and ("%dM"):format(minute) or "")
    if fraction > 0 then
      text = text .. (("%d.%06d"):format(second, fraction):gsub("0+$", "")) .. "S"
    elseif second > 0 or rest == 0 then
      text = text .. ("%dS"):format(second)
    end
  end
  return sign .. text
end

--- The shortest decimal text that reads back as the same float.
function M.float_text(x)
  if x ~= x then
    return "nan"
  elseif x == math.huge or x == -math.huge then
    return x > 0 and "inf" or "-inf"
  end
  for digits = 15, 17 do
    local text = ("%." .. digits .. "g"):format(x)
    if tonumber(text) == x then
      return text
    end
  end
end

--- A value as text, as every sink writes it; nil is "nil".
function M.text(x)
  if M.is(x) then
    if x.type == "timestamp" then
      return timestamp_text(x.v)
    elseif x.type == "date" then
      return ("%04d-%02d-%02d"):format(civil_from_days(x.v))
    elseif x.type == "duration" then
      return duration_text(x.v)
    end
    return x.v
  elseif math.type(x) == "float" then
    return M.float_text(x)
  end
  return tostring(x)
end

Value.__tostring = M.text

function Value.__eq(a, b)
  return a.type == b.type and a.v == b.v
end

local function comparable(a, b)
  if not (M.is(a) and M.is(b) and a.type == b.type and a.type ~= "decimal") then
    error(("cannot compare %s with %s"):format(M.is(a) and a.type or type(a),
      M.is(b) and b.type or type(b)), 3)
  end
end
function Value.__lt(a, b)
  comparable(a, b)
  return a.v < b.v
end
function Value.__le(a, b)
  comparable(a, b)
  return a.v <= b.v
end

return M
