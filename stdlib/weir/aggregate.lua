--- `weir.aggregate`: aggregates that a script defines. Describes only; nothing runs here.
local signature = require("weir.signature")
local M = {}

-- What a field of a state may begin with: what stands in a schema as a value of Lua.
local DEFAULTS = { bool = true, int64 = true, float64 = true, string = true, bytes = true }

-- The options that are functions, in the order in which they are numbered.
local FUNCTIONS = { "add", "merge", "retract", "result" }

local function check_state(c, fields)
  for _, field in ipairs(fields) do
    if field.default ~= nil and not DEFAULTS[field.type.kind] then
      c:fail("W203", ("a state begins with no %s: field `%s`"):format(field.type.kind, field.name),
        "leave it out, and let `add` set it when it is nil", "state", field.from, field.to)
    end
  end
end

--- Checks and declares one.
---@param c table the call
function M.define(c)
  local name, types, result = signature.read(c)
  for _, option in ipairs { "state", "add", "result" } do
    if c.opts[option] == nil then
      c:fail("W203", ("`aggregate` needs the option `%s`"):format(option),
        ("write `weir.aggregate(\"%s(…) …\", { state = \"n int64 = 0\", add = function(s, x) … "
          .. "end, result = function(s) … end })`"):format(name), "1")
    end
  end
  if #types == 0 then
    c:fail("W203", "an aggregate takes at least one argument",
      ("write `%s(x int64) …`"):format(name), "1")
  end
  check_state(c, c.opts.state)
  local spec = { name = name, params = types, type = result, state = c.opts.state, mark = c.mark,
    text = c[1]:match("(%b().-)%s*$") }
  for _, option in ipairs(FUNCTIONS) do
    if c.opts[option] then
      local fn = c.script:function_spec(c.opts[option], nil, c)
      spec[option] = { id = fn.id, text = fn.text }
      spec.volatile = spec.volatile or fn.volatile
    end
  end
  local ok, err = c.script:plan():define_aggregate(spec)
  if not ok then
    c:fail_with(err, "1")
  end
end

return M
