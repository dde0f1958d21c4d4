--- Kinds of arguments that hold one value: how each is checked and read. `weir.call` has those that
--- hold an expression or a list.
local duration = require("weir.duration")
local size = require("weir.size")
local suggest = require("weir.suggest")
local value = require("weir.value")
local M = {}

--- What a value is, for people.
function M.describe(x)
  local meta = getmetatable(x)
  if type(meta) == "table" and type(meta.__name) == "string" then
    return "a " .. meta.__name:gsub("^weir%.", "")
  elseif type(x) == "string" then
    return #x <= 40 and ("the text %q"):format(x):gsub("\\\n", "\\n") or "a text"
  elseif type(x) == "number" then
    return ("the number %s"):format(value.text(x))
  elseif type(x) == "nil" then
    return "nil"
  elseif type(x) == "boolean" then
    return tostring(x)
  end
  return "a " .. type(x)
end

--- What a kind takes, for messages.
local EXPECTED = {
  expr = "an expression in a string, or a function",
  list = "a list in a string, or \"name type, …\" and a function",
  columns = "a list of columns in a string",
  order = "an order in a string, as `amount desc, user`, or a function",
  stream = "a stream",
  ["stream or endpoint"] = "a stream, or a database",
  text = "a text",
  count = "a whole number",
  number = "a number",
  boolean = "true or false",
  duration = "a duration, as \"1h30m\"",
  ["duration or expression"] = "a duration, as \"30m\", or an expression",
  place = "a number of rows, or a timestamp, as \"2026-01-31T10:00:00Z\"",
  size = "a size, as \"64MB\"",
  secret = "a secret, as `weir.secret \"env:NAME\"`",
  table = "a table",
  callable = "a function",
  schema = "a schema",
  window = "a window, as `weir.tumbling \"1h\"`",
}
M.EXPECTED = EXPECTED

--- Each: reader(call, spec, x, arg) → the value; raises at `arg` of the call.
local READERS = {}

function READERS.text(call, spec, x, arg)
  if type(x) ~= "string" or (x == "" and not spec.empty) then
    call:wrong(arg, spec.what or EXPECTED.text, x)
  end
  return x
end

--- A secret, by where it is: {secret=}. What was given instead is not shown.
function READERS.secret(call, _, x, arg)
  local reference = require("weir.opaque").reference(x)
  if not reference then
    call:fail("W203", ("%s must be a secret, got %s"):format(call:argument(arg),
      type(x) == "string" and "a text" or M.describe(x)),
      "`weir.secret \"env:NAME\"`, or \"file:PATH\": scripts are shown, logged and shared", arg)
  end
  return { secret = reference.kind == "env" and "env:" .. reference.name or reference.name }
end

function READERS.count(call, spec, x, arg)
  local n = math.tointeger(x)
  local low, high = spec.min or 0, spec.max or math.maxinteger
  if type(x) ~= "number" or not n or n < low or n > high then
    local range = high < math.maxinteger and ("a whole number from %d to %d"):format(low, high)
      or ("a whole number, at least %d"):format(low)
    local number = type(x) == "string" and math.tointeger(tonumber(x))
    call:wrong(arg, range, x, number and ("a number stands without quotes: `%d`"):format(number)
      or nil)
  end
  return n
end

function READERS.number(call, spec, x, arg)
  if type(x) ~= "number" or x ~= x or (spec.min and x < spec.min)
    or (spec.max and x > spec.max) then
    call:wrong(arg, spec.what or EXPECTED.number, x)
  end
  return x
end

function READERS.boolean(call, _, x, arg)
  if type(x) ~= "boolean" then
    call:wrong(arg, EXPECTED.boolean, x)
  end
  return x
end

function READERS.duration(call, spec, x, arg)
  if value.is(x) and x.type == "duration" then
    return x.v
  elseif type(x) ~= "string" then
    call:wrong(arg, EXPECTED.duration, x, "write the unit too: us ms s m h d w")
  end
  call.texts[arg] = x
  local us, err = duration.parse(x, { signed = spec.signed })
  if not us then
    err.message = ("%s: %s"):format(call:argument(arg), err.message)
    call:fail_with(err, arg)
  elseif spec.min and us < spec.min then
    call:wrong(arg, spec.what or ("at least %dus"):format(spec.min), x)
  end
  return us
end

--- `30m`, a duration, or an expression: {us=} or {ast=}, a list of one item.
READERS["duration or expression"] = function(call, spec, x, arg)
  if value.is(x) and x.type == "duration" then
    return { us = x.v }
  elseif type(x) ~= "string" then
    call:wrong(arg, EXPECTED["duration or expression"], x)
  elseif x:find("^%s*[%d+-]") and duration.parse(x, {}) or x:find("^%s*%d+%a*%s*$") then
    return { us = READERS.duration(call, { min = spec.min }, x, arg) }
  end
  local parsed = call:parse({ kind = "expr" }, x, arg)
  parsed.ast = { { name = "gap", expr = parsed.ast, from = 1, to = #x } }
  return parsed
end

--- A place among the rows of a source: {row=} or {time=}.
function READERS.place(call, spec, x, arg)
  if type(x) == "number" then
    return { row = READERS.count(call, spec, x, arg) }
  end
  local at = x
  if type(x) == "string" then
    call.texts[arg] = x
    at = value.parse_timestamp(x, call.script.settings.timezone)
  end
  if not value.is(at) or (at.type ~= "timestamp" and at.type ~= "date") then
    call:wrong(arg, EXPECTED.place, x)
  end
  return { time = at.type == "date" and at.v * 86400000000 or at.v }
end

function READERS.size(call, _, x, arg)
  if type(x) ~= "string" then
    call:wrong(arg, EXPECTED.size, x)
  end
  call.texts[arg] = x
  local bytes, err = size.parse(x)
  if not bytes then
    err.message = ("%s: %s"):format(call:argument(arg), err.message)
    call:fail_with(err, arg)
  end
  return bytes
end

function READERS.choice(call, spec, x, arg)
  for _, allowed in ipairs(spec.of) do
    if x == allowed then
      return x
    end
  end
  local near = type(x) == "string" and suggest.nearest(x, spec.of)
  call.texts[arg] = type(x) == "string" and x or nil
  local words = require("weir.foreign").WORDS[arg] or {}
  local ours = type(x) == "string" and words[x:lower():gsub("[ -]+", "_")]
  for _, allowed in ipairs(ours and spec.of or {}) do
    near = allowed == ours and ours or near
  end
  call:wrong(arg, "\"" .. table.concat(spec.of, "\" or \"") .. "\"", x,
    near and near == ours and ("weir calls it %q"):format(ours)
      or near and ("did you mean %q?"):format(near) or nil)
end

function READERS.table(call, spec, x, arg)
  if type(x) ~= "table" or getmetatable(x) ~= nil then
    call:wrong(arg, spec.what or EXPECTED.table, x)
  end
  return x
end

function READERS.callable(call, spec, x, arg)
  if type(x) ~= "function" then
    call:wrong(arg, spec.what or EXPECTED.callable, x)
  end
  return x
end

function READERS.value(call, spec, x, arg)
  if x == nil then
    call:wrong(arg, spec.what or "a value", x)
  end
  return x
end
READERS.any = function(_, _, x)
  return x
end

--- A stream of the same script; W210.
function READERS.stream(call, _, x, arg)
  local stream = require("weir.stream")
  if not stream.is(x) then
    local help
    if type(x) == "table" and getmetatable(x) == nil and stream.is(x[1]) then
      help = ("the streams stand side by side, without braces: `:%s(a, b)`"):format(call.stage)
    elseif type(x) == "string" or require("weir.endpoint").is(x) then
      help = "`weir.read(…)` makes a stream of it"
    end
    call:fail("W210", ("a stream is expected, got %s"):format(M.describe(x)), help, arg)
  elseif stream.data(x).script ~= call.script then
    call:fail("W210", "a stream is expected, got one of another script", nil, arg)
  end
  return x
end

--- The same, or an endpoint that is asked row by row.
READERS["stream or endpoint"] = function(call, spec, x, arg)
  return require("weir.endpoint").is(x) and x or READERS.stream(call, spec, x, arg)
end

function READERS.schema(call, _, x, arg)
  call.texts[arg] = type(x) == "string" and x or nil
  local file = type(x) == "string" and x:match("^[^%s,]+%.(%a+)$")
  if file == "avsc" or file == "json" or file == "proto" or file == "yaml" then
    call:fail("W203", ("a schema from a file, %q, is not in this version"):format(x),
      "write its columns: \"name type, …\"", arg)
  end
  local fields, err = require("weir.schema").fields(x)
  if not fields then
    if err then
      call:fail_with(err, arg)
    end
    call:wrong(arg, "a schema: \"name type, …\", `weir.schema` or the `schema` of a stream", x)
  end
  return fields
end

function READERS.window(call, _, x, arg)
  if not require("weir.windows").is(x) then
    call:wrong(arg, EXPECTED.window, x)
  end
  return x
end

M.READERS = READERS
return M
