--- Signatures of functions that a script defines.
local schema_text = require("weir.schema_text")
local M = {}

--- `f(x float64, c string) float64` → name, types of the parameters, type of the result.
---@return string name, table[] types, table type
function M.read(c)
  local text = c[1]
  c.texts["1"] = text
  local name, inside, result = text:match("^%s*([%a_][%w_]*)%s*(%b())%s*(.-)%s*$")
  if not name or result == "" then
    c:fail("W001", "unexpected signature, expected `name(x type, …) type`",
      ("write `weir.%s(\"f(x int64) int64\", …)`"):format(c.stage), "1", 1, #text)
  end
  local fields, err = {}, nil
  if inside:find("[^()%s]") then
    fields, err = schema_text.parse(inside:sub(2, -2))
  end
  if not fields then
    local shift = text:find("(", 1, true)
    err.from, err.to = err.from and err.from + shift, err.to and err.to + shift
    c:fail_with(err, "1")
  end
  local type_field
  type_field, err = schema_text.parse("result " .. result)
  if not type_field then
    local shift = #text:match("^(.*%)%s*)") - #"result "
    err.from, err.to = err.from and err.from + shift, err.to and err.to + shift
    c:fail_with(err, "1")
  end
  local types = {}
  for i, field in ipairs(fields) do
    types[i] = field.type
  end
  return name, types, type_field[1].type
end

return M
