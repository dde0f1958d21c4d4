--- Parameters of a script: declared by `weir.params "min int64 = 100, day date"`, given as
--- `-p min=5`, read as a table in Lua and as `$min` in strings.
local duration = require("weir.duration")
local schema = require("weir.schema")
local schema_text = require("weir.schema_text")
local suggest = require("weir.suggest")
local value = require("weir.value")
local M = {}

local READERS = {}

function READERS.int64(text)
  if text:find("^[+-]?%d+$") then
    local n = math.tointeger(tonumber((text:gsub("^%+", ""))))
    return n, n and nil or "does not fit int64"
  end
end
function READERS.float64(text)
  return text:find("^[%w+.-]+$") and tonumber(text) and tonumber(text) + 0.0 or nil
end
function READERS.string(text)
  return text
end
READERS.bytes = READERS.string
function READERS.bool(text)
  if text == "true" or text == "false" then
    return text == "true"
  end
end
READERS.timestamp = value.parse_timestamp
READERS.date = value.parse_date
function READERS.duration(text)
  local us, err = duration.parse(text, { signed = true })
  return us and value.duration(us), err and err.message
end
function READERS.decimal(text)
  return text:find("^[+-]?%d+%.?%d*$") and value.decimal(text) or nil
end

--- A text as a value of a type, or nil and what is wrong with it.
---@param type table a type of a schema
---@param text string
---@param zone string? of timestamps without offset; UTC
function M.read(type, text, zone)
  local reader = READERS[type.kind]
  if not reader then
    return nil, ("a parameter cannot be %s"):format(schema.type_text(type))
  end
  local x, why = reader(text, zone)
  if x == nil then
    return nil, why or ("%q is no %s"):format(text, schema.type_text(type))
  end
  return x
end

--- A default as the schema's text has it → the value of the parameter.
local function default_value(field, zone)
  local default = field.default
  if type(default) == "table" and default.k == "lit" then
    default = default.v
  elseif type(default) == "table" and default.k == "call" and default.args[1] then
    default = default.args[1].v
  end
  if type(default) == "string" and field.type.kind ~= "string" then
    return M.read(field.type, default, zone)
  elseif field.type.kind == "float64" and math.type(default) == "integer" then
    return default + 0.0
  end
  return default
end

local function fail(call, code, message, help, field)
  call:fail(code, message, help, "1", field and field.from, field and field.to)
end

--- A `-p` that is like this name and of no parameter, or nil.
local function mistyped(script, fields, name)
  local known, names = {}, {}
  for _, field in ipairs(fields) do
    known[field.name] = true
  end
  for given in pairs(script.params_given) do
    names[#names + 1] = not (known[given] or script.params[given]) and given or nil
  end
  table.sort(names)
  return suggest.nearest(name, names)
end

--- All that have no value are told at once.
local function fail_missing(call, field, fields)
  local names, words = {}, {}
  for _, each in ipairs(fields) do
    if each.default == nil and call.script.params_given[each.name] == nil then
      names[#names + 1] = ("`$%s`"):format(each.name)
      words[#words + 1] = ("-p %s=…"):format(each.name)
    end
  end
  local near = mistyped(call.script, fields, field.name)
  fail(call, "W106", ("no value for %s"):format(table.concat(names, ", ")),
    near and ("did you mean `-p %s=…` by `-p %s=…`?"):format(field.name, near)
    or ("give %s as `%s`, or a default: `%s %s = …`"):format(#names > 1 and "them" or "it",
      table.concat(words, " "), field.name, schema.type_text(field.type)), field)
end

local function declare(call, field, fields)
  local script = call.script
  if script.params[field.name] then
    fail(call, "W105", ("duplicate parameter `%s`"):format(field.name), nil, field)
  elseif not READERS[field.type.kind] then
    fail(call, "W116", ("a parameter cannot be %s"):format(schema.type_text(field.type)),
      "types of parameters: bool int64 float64 decimal string timestamp date duration", field)
  end
  local given = script.params_given[field.name]
  local zone = script.settings.timezone
  local x, why
  if given ~= nil then
    x, why = given, nil
    if type(given) == "string" then
      x, why = M.read(field.type, given, zone)
    end
    if x == nil then
      fail(call, "W203", ("-p %s=%s: %s"):format(field.name, given, why), nil, field)
    end
  elseif field.default ~= nil then
    x, why = default_value(field, zone)
    if x == nil then
      fail(call, "W114", ("the default of `%s`: %s"):format(field.name, why), nil, field)
    end
  else
    fail_missing(call, field, fields)
  end
  script.params[field.name] = {
    value = x, type = field.type, from = field.from, to = field.to,
    site = { mark = call.mark, stage = call.stage, texts = call.texts },
  }
end

--- The table of values that `weir.params` returns.
local function values_table(call)
  local script = call.script
  return setmetatable({}, {
    __name = "weir.params",
    __index = function(_, name)
      local x, found = script:param(name)
      if not found then
        local near = type(name) == "string" and suggest.nearest(name, script:param_names())
        require("weir.diag").raise({ mark = script:take_mark(), stage = "params" }, {
          code = "W106", message = ("no parameter `%s`"):format(tostring(name)),
          help = near and ("did you mean `%s`?"):format(near) or "declare it by `weir.params`",
        })
      end
      return x
    end,
    __newindex = function()
      require("weir.diag").raise({ mark = script:take_mark(), stage = "params" }, {
        code = "W203", message = "parameters cannot be changed",
      })
    end,
  })
end

M.descriptor = {
  unnamed = true,
  usage = 'weir.params "min int64 = 100, day date"',
  doc = "Declares parameters: given by `-p name=value`, else the default; without one they are "
    .. "required. `$name` stands for the value in strings and addresses.",
  subjects = { { kind = "text", what = "parameters, as \"min int64 = 100, day date\"" } },
  make = function(call)
    call.texts["1"] = call[1]
    local fields, err = schema_text.params(call[1])
    if not fields then
      call:fail_with(err, "1")
    end
    for _, field in ipairs(fields) do
      declare(call, field, fields)
    end
    return values_table(call)
  end,
}

return M
