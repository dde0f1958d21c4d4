--- A stand-in for the native module, for specs of the Lua side: it keeps the specs that stages
--- make, resolves column names, and gives rough types. What runs only notes what it was given.
local expr = require("weir.grammar.expr")
local M = {}

local Plan = {}
Plan.__index = Plan

local REJECTS = {
  { name = "at", type = { kind = "timestamp" } }, { name = "stage", type = { kind = "string" } },
  { name = "code", type = { kind = "string" } }, { name = "reason", type = { kind = "string" } },
}

local function copy(fields)
  return table.move(fields, 1, #fields, 1, {})
end

local function column(fields, name)
  for i, field in ipairs(fields) do
    if field.name == name then
      return field, i
    end
  end
end

local function rough_type(fields, node)
  if node.k == "lit" then
    return { kind = node.type == "nil" and "string" or node.type }
  elseif node.k == "name" then
    local field = column(fields, node.name)
    return field and field.type or { kind = "string" }
  elseif node.k == "bin" and node.op:find("^[=~<>]") then
    return { kind = "bool" }
  elseif node.k == "bin" then
    return rough_type(fields, node.a)
  elseif node.k == "call" and node.name == "count" then
    return { kind = "int64" }
  end
  return node.args and node.args[1] and rough_type(fields, node.args[1]) or { kind = "string" }
end

--- W103 for the first name of a tree that is no column, or nil.
local function check_names(fields, node, arg)
  local bad
  expr.walk(node, function(each)
    if each.k == "name" and not column(fields, each.name) and not bad then
      local names = {}
      for i, field in ipairs(fields) do
        names[i] = field.name
      end
      bad = {
        code = "W103", message = ("unknown column `%s`"):format(each.name), arg = arg,
        from = each.from, to = each.to, help = "columns: " .. table.concat(names, ", "),
      }
    end
  end)
  return bad
end

--- Adds the items of a list to the fields that a later item sees; `err` at the first bad one.
local function bind_items(fields, items, arg, keep)
  local seen, out = copy(fields), keep and copy(fields) or {}
  for _, item in ipairs(items or {}) do
    local err = check_names(seen, item.expr, arg)
    if err then
      return nil, err
    end
    local field = { name = item.name, type = rough_type(seen, item.expr) }
    local _, at = column(seen, item.name)
    seen[at or #seen + 1] = field
    if not item.is_local then
      _, at = column(out, item.name)
      out[at or #out + 1] = field
    end
  end
  return out
end

local function function_fields(fn)
  local fields = {}
  for i, output in ipairs(fn.outputs or {}) do
    fields[i] = { name = output.name, type = output.type or { kind = "string" } }
  end
  return fields
end

local OPS = {}

function OPS.read(spec, _, native)
  local place = spec.endpoint
  if place.kind == "nexmark" then
    return { schema = { { name = "dateTime", type = { kind = "timestamp" } } } }
  elseif place.kind == "generate" then
    local counter = { { name = "i", type = { kind = "int64" } } }
    local fields, err = bind_items(counter, place.columns, "columns")
    return fields and { schema = fields }, err
  end
  local schema = spec.schema or native.files[place.address]
  if not schema then
    return nil, { code = "W401", message = ("no such file: %s"):format(place.address), arg = "1",
      no_input = true }
  end
  return { schema = schema, inferred_rows = not spec.schema and 3 or nil }
end
function OPS.filter(spec, input)
  local err = spec.expr and check_names(input.schema, spec.expr, "1")
  if err then
    return nil, err
  end
  return { schema = input.schema, has_time = input.has_time }
end
function OPS.derive(spec, input)
  if spec.fn then
    local fields = copy(input.schema)
    table.move(function_fields(spec.fn), 1, #spec.fn.outputs, #fields + 1, fields)
    return { schema = fields, has_time = input.has_time }
  end
  local fields, err = bind_items(input.schema, spec.items, "1", true)
  return fields and { schema = fields, has_time = input.has_time }, err
end
OPS.event_time = function(spec, input)
  local info, err = OPS.derive(spec, input)
  if info then
    info.has_time = true
  end
  return info, err
end
OPS.processing_time = OPS.event_time
function OPS.select(spec, input)
  if spec.fn then
    return { schema = function_fields(spec.fn), has_time = input.has_time }
  end
  local fields, err = bind_items(input.schema, spec.items, "1")
  return fields and { schema = fields, has_time = input.has_time }, err
end
function OPS.drop(spec, input)
  local fields = {}
  for _, field in ipairs(input.schema) do
    local dropped = false
    for _, name in ipairs(spec.columns) do
      dropped = dropped or name == field.name
    end
    if not dropped then
      fields[#fields + 1] = field
    end
  end
  return { schema = fields, has_time = input.has_time }
end
function OPS.rename(spec, input)
  local fields = copy(input.schema)
  for _, pair in ipairs(spec.pairs) do
    local field, at = column(fields, pair.old)
    if not field then
      return nil, { code = "W103", message = ("unknown column `%s`"):format(pair.old), arg = "1",
        from = pair.old_from, to = pair.old_to }
    end
    fields[at] = { name = pair.new, type = field.type }
  end
  return { schema = fields, has_time = input.has_time }
end
function OPS.window(_, input)
  if not input.has_time then
    return nil, { code = "W301", message = "no event time: add `:event_time \"…\"` before" }
  end
  return input
end
function OPS.emit(spec, input)
  local err = check_names(input.schema, spec.at[1].expr, "at")
  return not err and input or nil, err
end
function OPS.group_by(spec, input)
  if spec.fn then
    return input
  end
  local fields, err = bind_items(input.schema, spec.items, "1")
  return fields and input, err
end
function OPS.agg(spec, input)
  local fields = {}
  if spec.window then
    fields[1] = { name = "window_start", type = { kind = "timestamp" } }
    fields[2] = { name = "window_end", type = { kind = "timestamp" } }
  end
  local key = {}
  for _, field in ipairs(bind_items(input.schema, spec.group_by or {}, "1")) do
    fields[#fields + 1], key[#key + 1] = field, field.name
  end
  local items, err = bind_items(input.schema, spec.items, "1")
  if not items then
    return nil, err
  end
  table.move(items, 1, #items, #fields + 1, fields)
  return { schema = fields, key = key, has_time = spec.window ~= nil }
end
function OPS.flat_map(spec)
  return { schema = spec.schema }
end
function OPS.rejects()
  return { schema = REJECTS }
end
local function same(_, input)
  return input
end
for _, name in ipairs({ "expect", "distinct", "sort", "limit", "union", "lookup", "late", "write",
  "print", "tap", "changes", "top", "dedup", "as_table", "unnest", "unpivot", "sample", "fill",
  "join", "asof_join" }) do
  OPS[name] = same
end

function Plan:bind(spec)
  local input = self.infos[(spec.inputs or {})[1]]
  return OPS[spec.op](spec, input, self.native)
end
function Plan:add(spec)
  local info, err = self:bind(spec)
  if not info then
    return nil, err
  end
  self.specs[#self.specs + 1] = spec
  self.infos[#self.specs] = info
  return #self.specs, info
end
function Plan:probe(spec)
  self.probes[#self.probes + 1] = spec
  local info, err = self:bind(spec)
  if info then
    info.guesses = {}
  end
  return info, err
end
function Plan:define(def)
  self.defs[#self.defs + 1] = def
  return true
end
function Plan:set_function(id, f)
  self.functions[id] = f
end

-- ── running ─────────────────────────────────────────────────────────────────────────────────────
local Harness = {}
Harness.__index = Harness

--- A step of a scenario is noted; a feed comes out of every sink as it is.
function Harness:feed(id, rows)
  self.steps[#self.steps + 1] = { "feed", id, #rows }
  table.move(rows, 1, #rows, #self.fed + 1, self.fed)
  return true
end
for _, step in ipairs({ "advance_watermark", "advance_time", "finish", "crash" }) do
  Harness[step] = function(self, ...)
    self.steps[#self.steps + 1] = { step, ... }
    return true
  end
end
function Harness:rows()
  return { rows = self.fed }
end
function Harness:rejects()
  return { schema = REJECTS, rows = self.rejected }
end

local FUNCTIONS = { {
  name = "lower", group = "text", doc = "ASCII letters in lower case.",
  signatures = { "(x string) string" }, examples = { { text = "lower('A')", result = "'a'" } },
  flags = { method = true, strict = true },
} }
local AGGREGATES = { { name = "sum", doc = "The sum.", signatures = { "(x number) T" } } }

--- Adds what runs: `run` gives `native.summary` (or nil and `native.failure`).
local function add_runner(native)
  native.summary = { rows_in = 3, sinks = {}, rejected = {}, late = 0, seconds = 0.5 }
  function native.run(plan, options)
    native.ran = { plan = plan, options = options }
    if native.failure then
      return nil, native.failure
    end
    return native.summary
  end
  function native.least_memory()
    return 65536
  end
  function native.explain(plan)
    local nodes = {}
    for id, spec in ipairs(plan.specs) do
      nodes[id] = { id = id, op = spec.op, inputs = spec.inputs, schema = plan.infos[id].schema }
    end
    return { nodes = nodes }
  end
  function native.harness(_, options)
    return setmetatable({ options = options, steps = {}, fed = {}, rejected = {} }, Harness)
  end
  function native.functions()
    return FUNCTIONS
  end
  function native.foreign(name)
    return ({ lcase = "lower", nvl = "x ?? y" })[name]
  end
  function native.aggregates()
    return AGGREGATES
  end
end

--- A fake module; `files` gives the schema of a file by its address.
---@param files table<string, table[]>?
function M.new(files)
  local native = { version = "0.0.0", files = files or {}, plans = {} }
  add_runner(native)
  function native.plan(options)
    local plan = setmetatable({
      native = native, options = options, specs = {}, infos = {}, probes = {}, defs = {},
      functions = {},
    }, Plan)
    native.plans[#native.plans + 1] = plan
    return plan
  end
  --- An environment of a script: the globals given, and a few of Lua's own.
  function native.sandbox(globals)
    for _, name in ipairs({ "ipairs", "pairs", "tostring", "tonumber", "type", "error", "assert",
      "select", "string", "table", "math", "pcall", "next", "utf8" }) do
      globals[name] = _G[name]
    end
    return globals
  end
  return native
end

return M
