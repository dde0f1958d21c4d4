--- One call of a stage or of a function of `weir`: reads its arguments by the table that describes
--- them, so that all stages accept and refuse the same things with the same words.
---
--- A descriptor is plain data (`weir.stages.*`):
---   { subjects = { {kind=, what=, optional=, rest=}… }, options = { name = {kind=}… }, make = f }
--- Kinds of subjects: expr list columns order (text or function), stream, schema, window, text,
--- count, callable, value. Options: these too, and duration, size, boolean, choice, table, any.
--- `way` ("reads", "writes") says that options of endpoints and formats may stand beside these.
--- `later = true` marks an option that the language has and this version does not.
---
--- After `M.new` the call holds: `call[i]` the subjects, `call.opts` the options, `call.texts` the
--- strings by argument. Parsed text is {ast=} or, for a function, {fn=}.
local diag = require("weir.diag")
local expr = require("weir.grammar.expr")
local readers = require("weir.readers")
local suggest = require("weir.suggest")
local value = require("weir.value")
local M = {}

local READERS, EXPECTED = readers.READERS, readers.EXPECTED
M.describe = readers.describe

local Call = {}
Call.__index = Call

--- Items of a list that is given as a parameter.
M.LIST_ITEMS_MAX = 10000

--- Raises an error of this call; `arg` is "1", "2" or the name of an option.
function Call:fail(code, message, help, arg, from, to)
  diag.raise(self, { code = code, message = message, help = help, arg = arg, from = from, to = to })
end

--- Raises an error that the grammar or the runtime gave.
function Call:fail_with(err, arg)
  err.arg = err.arg or arg
  require("weir.advice").improve(self, err)
  diag.raise(self, err)
end

--- "argument 1 of `filter`" or "option `max_delay` of `event_time`".
function Call:argument(arg)
  if math.tointeger(tonumber(arg)) then
    return ("argument %s of `%s`"):format(arg, self.stage)
  end
  return ("option `%s` of `%s`"):format(arg, self.stage)
end

function Call:wrong(arg, expected, got, help)
  local usage = self.descriptor.usage
  if not help and usage and math.tointeger(tonumber(arg)) then
    help = ("write `%s`"):format(usage)
  end
  self:fail("W203", ("%s must be %s, got %s"):format(self:argument(arg), expected,
    M.describe(got)), help, arg)
end

-- ── text and functions ──────────────────────────────────────────────────────────────────────────

--- Remembers the trees of an argument; their parameters are given values later.
function Call:remember(arg, items)
  self.trees[#self.trees + 1] = { arg = arg, items = items }
end

local PARSERS = {
  expr = function(text)
    local ast, err = expr.parse_expr(text)
    return ast, err, { ast }
  end,
  list = function(text, spec)
    local ast, err = expr.parse_list(text, { unnamed = spec.unnamed })
    return ast, err, ast
  end,
  columns = function(text)
    local ast, err = expr.parse_columns(text)
    return ast, err, ast
  end,
  order = function(text)
    local ast, err = expr.parse_order(text)
    return ast, err, ast
  end,
}

function Call:parse(spec, text, arg)
  self.texts[arg] = text
  local ast, err, items = PARSERS[spec.kind](text, spec)
  if not ast then
    self:fail_with(err, arg)
  end
  self:remember(arg, items)
  return { ast = ast }
end

--- `("name type, …", function)`: the columns that the function gives.
function Call:outputs(text, arg)
  self.texts[arg] = text
  local fields, err = require("weir.schema_text").names(text)
  if not fields then
    self:fail_with(err, arg)
  end
  return fields
end

function Call:take_function(f, outputs)
  return { fn = self.script:function_spec(f, outputs, self) }
end

-- ── kinds of single values ──────────────────────────────────────────────────────────────────────
--- Columns by text, or by a Lua list of names.
local function read_parsed(call, spec, x, arg)
  if type(x) == "function" and spec.kind ~= "columns" then
    return call:take_function(x)
  elseif type(x) ~= "string" then
    call:wrong(arg, EXPECTED[spec.kind], x, require("weir.advice").of_table(call, x, arg))
  end
  return call:parse(spec, x, arg)
end
for kind in pairs(PARSERS) do
  READERS[kind] = read_parsed
end

-- ── arguments ───────────────────────────────────────────────────────────────────────────────────

--- Reads subject `spec` at position `i`; gives what it is and how many arguments it took.
local function read_subject(call, spec, args, i)
  local x, arg = args[i], tostring(i)
  if spec.kind == "list" and type(x) == "function" then
    call:fail("W203", ("%s: a function needs names for what it returns"):format(
      call:argument(arg)), ("write `:%s(\"name type, …\", function(e) … end)`"):format(call.stage),
      arg)
  elseif (spec.kind == "list" or spec.kind == "order") and type(x) == "string"
    and type(args[i + 1]) == "function" then
    return call:take_function(args[i + 1], call:outputs(x, arg)), 2
  end
  return READERS[spec.kind](call, spec, x, arg), 1
end

local function is_options(x)
  return type(x) == "table" and getmetatable(x) == nil
end

local function read_subjects(call, descriptor, args)
  local i, count = 1, args.n
  for _, spec in ipairs(descriptor.subjects or {}) do
    if spec.rest then
      while i <= count or (spec.min or 1) > #call do
        call[#call + 1] = READERS[spec.kind](call, spec, args[i], tostring(i))
        i = i + 1
      end
    elseif i > count and spec.optional then
      call.count_given = i - 1
    else
      local took
      call[#call + 1], took = read_subject(call, spec, args, i)
      i = i + took
    end
  end
  if i <= count then
    local usage = call.descriptor.usage
    call:fail("W203", ("`%s` takes no argument %d, got %s"):format(call.stage, i,
      M.describe(args[i])), require("weir.advice").of_texts(call, args)
        or usage and ("write `%s`"):format(usage) or nil, tostring(i))
  end
end

--- The options table is the last argument, unless that is the subject itself.
local function take_options(descriptor, args)
  local last = args[args.n]
  local subjects = descriptor.subjects or {}
  local at = subjects[args.n]
  if args.n == 0 or not is_options(last) or (at and at.kind == "table") then
    return {}
  elseif at and (not at.optional and not at.rest or last[1] ~= nil) then
    return {} -- a table where the subject stands: the subject's own check says what is wrong
  end
  args[args.n] = nil
  args.n = args.n - 1
  return last
end

-- ── parameters ──────────────────────────────────────────────────────────────────────────────────
local function each_node(tree, visit)
  for _, item in ipairs(tree.items) do
    expr.walk(item.expr or item, visit)
  end
end

--- Calls `visit` with each name that stands in the string of an argument, as its node.
function Call:each_name(arg, visit)
  for _, tree in ipairs(self.trees) do
    if tostring(tree.arg) == tostring(arg) then
      each_node(tree, function(node)
        if node.k == "name" then
          visit(node)
        end
      end)
    end
  end
end

--- The name that stands at a byte of the string of an argument, or nil.
function Call:name_at(arg, from)
  local name
  self:each_name(arg, function(node)
    name = node.from == from and node.name or name
  end)
  return name
end

local function list_literal(call, name, list)
  local items = {}
  if #list > M.LIST_ITEMS_MAX then
    call:fail("W203", ("parameter `%s` has %d items, at most %d"):format(name, #list,
      M.LIST_ITEMS_MAX), nil, name)
  end
  for i, x in ipairs(list) do
    items[i] = M.literal(x)
    if not items[i] then
      local message = "item %d of parameter `%s` must be a number, text, boolean or time, got %s"
      call:fail("W203", message:format(i, name, M.describe(x)), nil, name)
    end
  end
  return { k = "list", items = items }
end

--- A value as a literal of the syntax tree, or nil.
function M.literal(x)
  if value.is(x) and x.type == "decimal" then
    return { k = "call", name = "decimal", args = { { k = "lit", type = "string", v = x.v } } }
  elseif value.is(x) then
    return { k = "lit", type = x.type, v = x.v }
  elseif type(x) == "string" then
    return { k = "lit", type = "string", v = x }
  elseif type(x) == "boolean" then
    return { k = "lit", type = "bool", v = x }
  elseif type(x) == "number" then
    return { k = "lit", type = math.type(x) == "integer" and "int64" or "float64", v = x }
  end
  return nil
end

local function copy_into(node, literal, name)
  local from, to = node.from, node.to
  for key in pairs(node) do
    node[key] = nil
  end
  for key, v in pairs(literal) do
    node[key] = v
  end
  node.from, node.to, node.param = from, to, name
  for _, child in ipairs(literal.args or literal.items or {}) do
    child.from, child.to = from, to
  end
end

--- The value of `$name`: the options of the call, then `weir.params`.
---@return any value, boolean found
function Call:param(name)
  local x = self.options_given[name]
  if x ~= nil then
    return x, true
  end
  return self.script:param(name)
end

--- The keys of an options table in an order that does not change from run to run.
local function sorted_keys(options)
  local keys = {}
  for key in pairs(options) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b)
    return tostring(a) < tostring(b)
  end)
  return keys
end

--- A key that was meant for a parameter, or nil. Of an address it is not known yet which options it
--- has: there it is one that is nearly the name.
local function key_meant(call, name, in_address)
  for _, key in ipairs(in_address and sorted_keys(call.options_given) or {}) do
    if type(key) == "string" and not call.params_used[key] and suggest.nearest(key, { name }) then
      return key
    end
  end
  return not in_address and call:unknown_option() or nil
end

function Call:missing_param(name, arg, from, to, in_address)
  local meant = key_meant(self, name, in_address)
  local message = ("no value for `$%s`"):format(name)
  local help
  if meant ~= nil then
    if not in_address then
      message = ("%s, and `%s` is no option of `%s`"):format(message, meant, self.stage)
    end
    help = suggest.nearest(tostring(meant), { name }) and ("did you mean `%s = …`?"):format(name)
      or ("the key of a parameter is its name: `{ %s = … }`"):format(name)
  else
    local near = suggest.nearest(name, self.script:param_names())
    help = near and ("did you mean `$%s`?"):format(near)
      or ("give it beside the string, `{ %s = … }`, or declare it by `weir.params`"):format(name)
  end
  self:fail("W106", message, help, arg, from, to)
end

local function substitute(call)
  for _, tree in ipairs(call.trees) do
    each_node(tree, function(node)
      if node.k ~= "param" then
        return
      end
      local x, found = call:param(node.name)
      if not found then
        call:missing_param(node.name, tree.arg, node.from, node.to)
      end
      local literal = is_options(x) and list_literal(call, node.name, x) or M.literal(x)
      if not literal then
        call:fail("W203", ("parameter `%s` must be a number, text, boolean, time or list, got %s")
          :format(node.name, M.describe(x)), nil, tree.arg, node.from, node.to)
      end
      copy_into(node, literal, node.name)
    end)
  end
end

--- Marks the keys that stand as `$key` in a string of the call.
local function find_params(call)
  for _, tree in ipairs(call.trees) do
    each_node(tree, function(node)
      if node.k == "param" then
        call.params_used[node.name] = true
      end
    end)
  end
end

--- `$name` in an address: replaced by the value as text.
function Call:address(text, arg)
  self.texts[arg] = text
  return (text:gsub("()%$([%a_][%w_]*)()", function(from, name, past)
    self.params_used[name] = true
    local x, found = self:param(name)
    if not found then
      self:missing_param(name, arg, from, past - 1, true)
    elseif type(x) == "table" and not value.is(x) or type(x) == "function" then
      self:fail("W203", ("parameter `%s` in an address must be one value, got %s"):format(name,
        M.describe(x)), nil, arg, from, past - 1)
    end
    return value.text(x)
  end))
end

-- ── options ─────────────────────────────────────────────────────────────────────────────────────
local COMMON = { name = { kind = "text", doc = "the stage's name in metrics, taps and tests" } }

--- The options of a stage, with those that all have, for people.
---@param descriptor table
---@return table<string, table>
function M.options_of(descriptor)
  local options = {}
  local is_named = not (descriptor.unnamed or descriptor.modifier or descriptor.raw)
  for _, list in ipairs({ is_named and COMMON or {}, descriptor.options or {} }) do
    for name, spec in pairs(list) do
      options[name] = spec
    end
  end
  return options
end

function Call:option_spec(key)
  local options = self.descriptor.options or {}
  return options[key] or (self.extra_options and self.extra_options[key])
    or (self.descriptor.unnamed and nil or COMMON[key])
end

--- The first key, in byte order, that is neither an option nor a parameter of a string.
function Call:unknown_option()
  for _, key in ipairs(sorted_keys(self.options_given)) do
    if not self.params_used[key] and not (type(key) == "string" and self:option_spec(key)) then
      return key
    end
  end
  return nil
end

local function names_of(...)
  local names, seen = {}, {}
  for i = 1, select("#", ...) do
    for name, spec in pairs((select(i, ...)) or {}) do
      if not spec.later and not seen[name] then
        names[#names + 1], seen[name] = name, true
      end
    end
  end
  table.sort(names)
  return names
end

--- W202, with the name that was meant and the names there are.
function Call:refuse_unknown_option()
  local unknown = self:unknown_option()
  if unknown == nil then
    return
  end
  local names = names_of(self.descriptor.options, self.extra_options,
    not self.descriptor.unnamed and COMMON or nil)
  local foreign = require("weir.foreign").option(self.stage, unknown)
  local near = not foreign and type(unknown) == "string" and suggest.nearest(unknown, names)
  local help = foreign or (near and ("did you mean `%s`?  "):format(near) or "")
    .. (#names > 0 and "options: " .. table.concat(names, ", ") or "it takes none")
  diag.raise(self, {
    code = "W202", message = ("unknown option `%s` of `%s`"):format(tostring(unknown), self.stage),
    help = help, key = tostring(unknown),
  })
end

local function read_options(call, only)
  for _, key in ipairs(sorted_keys(call.options_given)) do
    local x = call.options_given[key]
    local spec = type(key) == "string" and call:option_spec(key)
    local parsed = spec and PARSERS[spec.kind] ~= nil
    if spec and parsed == only and not call.params_used[key] then
      if spec.later and x ~= false then
        call:fail("W202", ("option `%s` of `%s` is not in this version"):format(key, call.stage),
          nil, key)
      elseif not spec.later then
        call.opts[key] = READERS[spec.kind](call, spec, x, key)
      end
    end
  end
end

--- Takes options that stand beside those of the stage (of a format, of an endpoint).
---@param specs table<string, table>
function Call:allow_options(specs)
  self.extra_options = self.extra_options or {}
  for name, spec in pairs(specs) do
    self.extra_options[name] = spec
  end
end

--- Checks the options once all strings are known, and puts the parameters in.
function Call:finish_options()
  find_params(self)
  substitute(self)
  self:refuse_unknown_option()
  read_options(self, false)
end

--- Reads a call.
---@param script table the script that calls
---@param stage string its name, for messages
---@param descriptor table as the head of this file says
---@param mark integer? the loader's mark of the call
---@param args table packed arguments, `n` of them
---@param row_columns string[]? the columns of the rows that its functions see
---@return weir.Call
function M.new(script, stage, descriptor, mark, args, row_columns)
  local call = setmetatable({
    script = script, stage = stage, descriptor = descriptor, mark = mark, texts = {}, trees = {},
    params_used = {}, opts = {}, row_columns = row_columns,
  }, Call)
  call.options_given = descriptor.raw and {} or take_options(descriptor, args)
  if descriptor.raw then
    table.move(args, 1, args.n, 1, call)
    call.count = args.n
  else
    read_subjects(call, descriptor, args)
  end
  if descriptor.prepare then
    descriptor.prepare(call)
  end
  read_options(call, true)
  call:finish_options()
  return call
end

--- Puts what was parsed into a spec: `expr`, `items`, `order` …, or `fn` for a function.
---@param spec table
---@param key string
---@param parsed { ast: table?, fn: table? }?
function M.put(spec, key, parsed)
  if parsed and parsed.fn then
    spec.fn = parsed.fn
  elseif parsed then
    spec[key] = parsed.ast
  end
  return spec
end

--- The names of a list of columns.
---@return string[]?
function M.column_names(parsed)
  if not parsed then
    return nil
  end
  local names = {}
  for i, item in ipairs(parsed.ast) do
    names[i] = item.name
  end
  return names
end

return M
