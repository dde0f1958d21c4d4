--- Writes Lua values as JSON, keys sorted: plans and errors for machines.
local value = require("weir.value")
local M = {}

local ESCAPES = { ["\""] = "\\\"", ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

--- A text as a JSON string; bytes that are no UTF-8 become U+FFFD.
function M.string(text)
  if not utf8.len(text) then
    text = text:gsub("[\x80-\xff]+", function(bytes)
      return utf8.len(bytes) and bytes or "\u{fffd}"
    end)
  end
  return "\"" .. text:gsub("[%c\"\\\x7f]", function(c)
    return ESCAPES[c] or ("\\u%04x"):format(c:byte())
  end) .. "\""
end

local write

local function write_table(x, indent, out)
  local inner = indent and indent .. "  "
  local function separate(first)
    out[#out + 1] = first and "" or ","
    out[#out + 1] = indent and "\n" .. inner or ""
  end
  local count = #x
  if count > 0 or next(x) == nil and getmetatable(x) == M.LIST then
    out[#out + 1] = "["
    for i = 1, count do
      separate(i == 1)
      write(x[i], inner, out)
    end
    out[#out + 1] = (indent and count > 0 and "\n" .. indent or "") .. "]"
    return
  end
  local keys = {}
  for key in pairs(x) do
    keys[#keys + 1] = tostring(key)
  end
  table.sort(keys)
  out[#out + 1] = "{"
  for i, key in ipairs(keys) do
    separate(i == 1)
    out[#out + 1] = M.string(key) .. (indent and ": " or ":")
    write(x[key], inner, out)
  end
  out[#out + 1] = (indent and #keys > 0 and "\n" .. indent or "") .. "}"
end

function write(x, indent, out)
  if type(x) == "table" and not value.is(x) then
    write_table(x, indent, out)
  elseif type(x) == "number" then
    local finite = x == x and x ~= math.huge and x ~= -math.huge
    out[#out + 1] = finite and value.text(x) or "null"
  elseif type(x) == "string" or value.is(x) then
    out[#out + 1] = M.string(value.text(x))
  elseif type(x) == "boolean" then
    out[#out + 1] = tostring(x)
  else
    out[#out + 1] = "null"
  end
end

--- The metatable of a table that is a list even when it is empty.
M.LIST = {}

--- A value as JSON text; with `indent` ("" at the start) over several lines.
function M.encode(x, indent)
  local out = {}
  write(x, indent, out)
  return table.concat(out)
end

return M
