--- Schemas as values: `weir.schema "name type, …"`, and the `schema` of a stream.
local expr = require("weir.grammar.expr")
local schema_text = require("weir.schema_text")
local M = {}

local hidden = setmetatable({}, { __mode = "k" }) -- fields by schema

local Schema = {}
Schema.__name = "weir.schema"

--- The name of a type, as schemas write it: "decimal(18,2)", "list<string>".
---@return string
function M.type_text(type)
  local kind = type.kind
  if kind == "decimal" then
    return ("decimal(%d,%d)"):format(type.precision, type.scale)
  elseif kind == "list" then
    return ("list<%s>"):format(M.type_text(type.item))
  elseif kind == "map" then
    return ("map<%s,%s>"):format(M.type_text(type.key), M.type_text(type.value))
  elseif kind == "struct" then
    local parts = {}
    for i, field in ipairs(type.fields) do
      parts[i] = expr.quote(field.name) .. " " .. M.type_text(field.type)
    end
    return ("struct<%s>"):format(table.concat(parts, ", "))
  end
  return kind
end

--- One field as text: `amount decimal(18,2) key required`.
---@return string
function M.field_text(field)
  local text = expr.quote(field.name) .. " " .. M.type_text(field.type)
  if field.time_format then
    local format = field.time_format
    text = text .. (format:match("^%a+$") and "(" .. format .. ")" or ("('%s')"):format(format))
  end
  return text .. (field.key and " key" or "") .. (field.required and " required" or "")
end

--- A schema as text that reads back, one field a line.
---@return string
function M.text(fields, separator)
  local lines = {}
  for i, field in ipairs(fields) do
    lines[i] = M.field_text(field)
  end
  return table.concat(lines, separator or "\n")
end

---@return weir.Schema
function M.new(fields)
  local schema = setmetatable({}, Schema)
  hidden[schema] = fields
  return schema
end

---@return boolean
function M.is(x)
  return getmetatable(x) == Schema
end

--- The fields of a schema, or of its text.
---@return table[]? fields, table? err err is nil when `x` is no schema at all
function M.fields(x)
  if M.is(x) then
    return hidden[x]
  elseif type(x) == "string" then
    return schema_text.parse(x)
  end
  return nil
end

function Schema:__index(key)
  for _, field in ipairs(hidden[self]) do
    if field.name == key then
      return M.type_text(field.type)
    end
  end
  return nil
end
function Schema.__newindex()
  error("a schema cannot be changed", 2)
end
function Schema:__len()
  return #hidden[self]
end
function Schema:__tostring()
  return M.text(hidden[self], ", ")
end
function Schema.__eq(a, b)
  return M.is(a) and M.is(b) and M.text(hidden[a]) == M.text(hidden[b])
end

return M
