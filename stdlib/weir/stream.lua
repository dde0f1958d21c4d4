--- Streams: immutable values whose methods are the stages. A stage adds a node to the plan and
--- returns a new stream; `window`, `group_by` and `emit` add none, they wait for their consumer.
local call = require("weir.call")
local diag = require("weir.diag")
local schema = require("weir.schema")
local suggest = require("weir.suggest")
local M = {}

-- What a stream is made of, out of reach of scripts: {script, id, info, mark, stage, pending}.
local hidden = setmetatable({}, { __mode = "k" })

local Stream = {}
Stream.__name = "weir.stream"

--- The modules of stages, and the stages of each: a script loads those that it calls. Each gives a
--- table of descriptors by name (`weir.call`).
local FAMILIES = {
  { "shape", "filter", "derive", "select", "drop", "rename", "expect", "union" },
  { "time", "event_time", "processing_time", "window", "emit" },
  { "group", "group_by", "agg", "fill", "sort", "limit" },
  { "rank", "top", "dedup", "distinct", "as_table" },
  { "match", "match" },
  { "reshape", "unnest", "pivot", "unpivot", "sample" },
  { "combine", "lookup", "join", "asof_join" },
  { "output", "write", "print", "tap", "changes", "rejects", "late" },
  { "functions", "map", "flat_map", "pipe" },
}
--- In the language, not in this version.
M.LATER = {
  map_batch = true, process = true, output = true,
}

local family_of = {}
for _, family in ipairs(FAMILIES) do
  for i = 2, #family do
    family_of[family[i]] = family[1]
  end
end

--- The descriptor of a stage, with its `family`; nil where there is none of that name.
---@return table?
function M.stage(name)
  local family = family_of[name]
  local descriptor = family and require("weir.stages." .. family)[name]
  if descriptor then
    descriptor.family = family
  end
  return descriptor
end

--- All descriptors by name.
---@return table<string, table>
function M.stages()
  local stages = {}
  for name in pairs(family_of) do
    stages[name] = M.stage(name)
  end
  return stages
end

--- Names of the stages of this version, sorted.
---@return string[]
function M.names()
  local names = {}
  for name in pairs(M.stages()) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

---@return boolean
function M.is(x)
  return getmetatable(x) == Stream
end

--- What a stream is made of. Lent; nobody changes it.
function M.data(stream)
  return hidden[stream]
end

--- A stream of the plan's node `id`.
---@param fields table {script=, id=, info=, mark=, stage=, pending=}
---@return weir.Stream
function M.new(fields)
  local stream = setmetatable({}, Stream)
  hidden[stream] = fields
  fields.script:remember_stream(stream)
  return stream
end

--- The column names of a stream, in order.
---@return string[]
function M.columns(stream)
  local names = {}
  for i, field in ipairs(hidden[stream].info.schema) do
    names[i] = field.name
  end
  return names
end

-- ── modifiers ───────────────────────────────────────────────────────────────────────────────────

--- The modifiers that wait, in the order in which they were given, as text: "`window`, `group_by`".
local function pending_text(pending)
  local names = {}
  for i, modifier in ipairs(pending) do
    names[i] = "`" .. modifier.name .. "`"
  end
  return table.concat(names, ", ")
end
M.pending_text = pending_text

--- A stream with one modifier more; W208 when it was given before.
function M.modified(stream, stage_call, value)
  local data = hidden[stream]
  local pending = {}
  for i, modifier in ipairs(data.pending or {}) do
    if modifier.name == stage_call.stage then
      stage_call:fail("W208", ("`%s` is given twice"):format(stage_call.stage),
        "one consumer takes one of them: end the first with its `agg`, or drop one")
    end
    pending[i] = modifier
  end
  pending[#pending + 1] = {
    name = stage_call.stage, value = value, mark = stage_call.mark, text = stage_call.texts["1"],
  }
  data.used = true
  return M.new({
    script = data.script, id = data.id, info = data.info, mark = stage_call.mark,
    stage = stage_call.stage, pending = pending,
  })
end

--- The values of the modifiers of a stream, by name.
---@return table<string, any>
function M.modifiers(stream)
  local values = {}
  for _, modifier in ipairs(hidden[stream].pending or {}) do
    values[modifier.name] = modifier.value
  end
  return values
end

--- The stages of this version that take a modifier, as text: "`agg`".
---@param modifier string
function M.consumers_text(modifier)
  local names = {}
  for _, name in ipairs(M.names()) do
    local consumes = M.stage(name).consumes
    names[#names + 1] = consumes and consumes[modifier] and "`" .. name .. "`" or nil
  end
  return table.concat(names, ", ")
end

--- W203: what only some consumers of `emit` can do.
local function check_emission(stage_call, descriptor, modifier)
  local can = descriptor.emissions or {}
  for _, option in ipairs { "at", "clock" } do
    if modifier.name == "emit" and modifier.value[option] and not can[option] then
      stage_call:fail("W203", ("`%s` has no emission `%s`"):format(stage_call.stage, option),
        "`agg` has")
    end
  end
end

--- W207: a stage that is no consumer stands behind a modifier.
local function check_modifiers(stage_call, descriptor, data)
  local pending = data.pending
  if not pending or descriptor.modifier or descriptor.transparent then
    return
  end
  local first = pending[1]
  if not descriptor.consumes then
    local consumers = M.consumers_text(first.name)
    if descriptor.returns_input then -- of rows, which there are none before the consumer
      stage_call:fail("W207", ("`%s` waits for %s, and `%s` is none"):format(first.name,
        consumers, stage_call.stage),
        ("put one between them: `:%s …:agg \"n = count()\":%s …`"):format(first.name,
          stage_call.stage))
    end
    stage_call:fail("W207", ("`%s` waits for %s: put `%s` before it"):format(first.name,
      consumers, stage_call.stage),
      ("`%s` only says how the next %s is done"):format(first.name, consumers))
  end
  for _, modifier in ipairs(pending) do
    if not descriptor.consumes[modifier.name] then
      stage_call:fail("W201", ("`%s` after `%s` is not in this version"):format(stage_call.stage,
        modifier.name), "`agg` takes `window`, `group_by` and `emit`")
    end
    check_emission(stage_call, descriptor, modifier)
  end
end

-- ── calls ───────────────────────────────────────────────────────────────────────────────────────

local MISSING = { [""] = true, ["-"] = true, ["."] = true, ["?"] = true, na = true, ["n/a"] = true,
  ["#n/a"] = true, null = true, none = true, ["nil"] = true, nan = true, missing = true,
  unknown = true, ["\\n"] = true }

--- Where the type of a column is from that nobody wrote.
local function origin_of(source, field, type)
  local why = source.why and source.why[field.name]
  if not why then
    return ("`%s` was inferred as %s from %s: `schema =` says another type, behind -e `--read "
      .. "'schema=…'`"):format(field.name, type, source.name)
  end
  local text = ("`%s` is a string because of `%s` in line %d of %s"):format(field.name, why.text,
    why.line, why.file)
  if MISSING[why.text:lower()] then
    return ("%s: with `null = %q` that is nil"):format(text, why.text)
  end
  return ("%s: with `schema =` such rows are rejected"):format(text)
end

--- W104, W102 about a column whose type nobody wrote.
local function add_origin(stage_call, spec, err)
  local text = err.arg and stage_call.texts[tostring(err.arg)]
  if err.code ~= "W104" and err.code ~= "W102" or not text or not err.from then
    return
  end
  for _, id in ipairs(spec.inputs or {}) do
    for _, source in ipairs(stage_call.script:inferred_sources(id)) do
      for _, field in ipairs(source.schema) do
        local type = schema.type_text(field.type)
        local pattern = "%f[%w_]" .. field.name:gsub("%W", "%%%0") .. "%f[^%w_]"
        if text:sub(err.from, err.to):find(pattern) and err.message:find(type, 1, true) then
          local origin = origin_of(source, field, type)
          err.help = err.help and ("%s; %s"):format(err.help, origin) or origin
          return
        end
      end
    end
  end
end

--- Adds what a stage describes to the plan and gives the stream of it.
---@param stage_call weir.Call
---@param spec table inputs are set by the caller
---@return weir.Stream
function M.add(stage_call, spec)
  local script = stage_call.script
  spec.name = stage_call.opts.name or spec.name
  spec.mark = stage_call.mark
  spec.script = script:place_text(stage_call.mark)
  local id, info = script:plan():add(spec)
  if not id then
    add_origin(stage_call, spec, info)
    stage_call:fail_with(info)
  end
  script:remember_node(id, spec, stage_call, info)
  return M.new({ script = script, id = id, info = info, mark = stage_call.mark,
    stage = stage_call.stage })
end

--- The same for a source, or a list of sources of one call, which gives a stream for each. Not all
--- of those need be used.
function M.add_sources(stage_call, specs)
  if #specs == 0 then
    return M.add(stage_call, specs)
  end
  local streams, kin = {}, {}
  for i, spec in ipairs(specs) do
    streams[i] = M.add(stage_call, spec)
    kin[i] = hidden[streams[i]]
    kin[i].kin = kin
  end
  return table.unpack(streams)
end

--- Whether nobody reads a stream; of several of one call, the first stands for all.
function M.goes_nowhere(data)
  for i, other in ipairs(data.kin or { data }) do
    if other.used or other.shown or (i == 1 and other ~= data) then
      return false
    end
  end
  return true
end

--- Binds a modifier's spec without adding it, so that its errors show at its own line.
function M.probe(stage_call, stream, spec)
  spec.inputs = { hidden[stream].id }
  spec.mark = stage_call.mark
  local info, err = stage_call.script:plan():probe(spec)
  if not info then
    stage_call:fail_with(err)
  end
  return info
end

--- Marks streams as read by somebody, for the lint of streams that go nowhere.
function M.use(...)
  for i = 1, select("#", ...) do
    hidden[(select(i, ...))].used = true
  end
end

--- Hints about the expressions of a stage that was right.
local function lint(stage_call, fields)
  local script = stage_call.script
  if #stage_call.trees == 0 then
    return
  end
  local found = require("weir.lints").find(stage_call.trees, stage_call.texts, fields,
    { strict = script.strict, native = script.native })
  for _, hint in ipairs(found) do
    script:warn(stage_call, hint)
  end
end

--- Reads the call of a stage. `columns`: of the rows that its functions see; nil: not known.
local function read_stage(stream, name, descriptor, mark, args, columns)
  local data = hidden[stream]
  local stage_call = call.new(data.script, name, descriptor, mark, args, columns)
  stage_call.stream, stage_call.pending = stream, data.pending
  return stage_call
end

local function bind_stage(stream, descriptor, stage_call)
  local data = hidden[stream]
  check_modifiers(stage_call, descriptor, data)
  local spec, result = descriptor.make(stage_call, stream)
  lint(stage_call, data.info.schema)
  if result then
    return result
  end
  spec.inputs = spec.inputs or { data.id }
  M.use(stream)
  local added = M.add(stage_call, spec)
  if descriptor.returns_input then
    data.called, hidden[added].shown = stage_call.stage, true
    data.written = data.written or stage_call.stage ~= "tap"
    return stream
  end
  return added
end

local function make_stage(stream, name, descriptor, mark, args)
  local script = hidden[stream].script
  if script.closed then
    diag.raise({ mark = mark, stage = name },
      { code = "W210", message = "the script has ended: streams cannot grow now" })
  end
  local collect = require("weir.collect")
  local function read(columns)
    return read_stage(stream, name, descriptor, mark, args, columns)
  end
  if not collect.is_on(script) then
    return bind_stage(stream, descriptor, read(M.columns(stream)))
  end
  return collect.stage(stream, name, descriptor, args, read, function(stage_call)
    return bind_stage(stream, descriptor, stage_call)
  end)
end

--- A stage is called. Where only the sources are asked for (`schema pull`), one that does not bind
--- with what they are now gives the stream before it.
local function run_stage(stream, name, descriptor, mark, args)
  if not hidden[stream].script.sources_only then
    return make_stage(stream, name, descriptor, mark, args)
  end
  local ok, result = pcall(make_stage, stream, name, descriptor, mark, args)
  if ok then
    return result
  elseif not diag.is(result) then
    error(result, 0)
  end
  M.use(stream)
  return M.new({ script = hidden[stream].script, id = hidden[stream].id, mark = mark, stage = name,
    info = hidden[stream].info })
end

--- What stands for a stage that does not exist: whatever is done with it is W201.
local function ghost(stream, name)
  local function refuse()
    local script = hidden[stream].script
    local site = { mark = script:take_mark(), stage = name }
    if M.LATER[name] then
      diag.raise(site, {
        code = "W201", message = ("`%s` is not in this version"):format(name), arg = "stage",
        help = "stages: " .. table.concat(M.names(), ", "),
      })
    end
    local ours = require("weir.foreign").stage(name, M.stages())
    local near = suggest.nearest(name, M.names())
    local known = require("weir.advice").of_no_stage(stream, name)
    diag.raise(site, {
      code = "W201", message = ("no stage `%s`"):format(name), arg = "stage",
      help = known or ours and ("weir calls it `%s`"):format(ours)
        or near and ("did you mean `%s`?"):format(near)
        or "stages: " .. table.concat(M.names(), ", "),
    })
  end
  local function called()
    local collect = require("weir.collect")
    if not collect.is_on(hidden[stream].script) then
      return refuse()
    end
    local _, err = pcall(refuse)
    return collect.no_stage(stream, name, err)
  end
  return setmetatable({}, {
    __name = "weir.stage", __call = called, __index = refuse, __len = refuse, __concat = refuse,
    __eq = refuse, __tostring = refuse, __lt = refuse, __le = refuse, __add = refuse,
    __sub = refuse, __mul = refuse, __div = refuse, __mod = refuse, __unm = refuse,
  })
end

local methods = {} -- name → function, made when first used

local function method(name)
  local descriptor = M.stage(name)
  if not descriptor then
    return nil
  end
  local function stage(stream, ...)
    if not M.is(stream) then
      local script = require("weir.script").current()
      diag.raise({ mark = script and script:take_mark(), stage = name }, {
        code = "W210", message = ("a stream is expected, got %s"):format(call.describe(stream)),
        help = ("a stage is called with a colon: `stream:%s(…)`"):format(name),
      })
    end
    local mark = hidden[stream].script:take_mark()
    return run_stage(stream, name, descriptor, mark, table.pack(...))
  end
  methods[name] = stage
  return stage
end

function Stream:__index(key)
  if key == "schema" then
    return schema.new(hidden[self].info.schema)
  elseif key == "columns" then
    return M.columns(self)
  elseif type(key) ~= "string" then
    diag.raise({ mark = hidden[self].script:take_mark() }, {
      code = "W201", message = ("a stream has no element %s"):format(tostring(key)),
      help = "rows are not there while a script is read: stages describe what is done to them",
    })
  end
  return methods[key] or method(key) or ghost(self, key)
end

function Stream:__newindex(key)
  diag.raise({ mark = hidden[self].script:take_mark() }, {
    code = "W201", message = ("a stream cannot be changed: `%s`"):format(tostring(key)),
    help = "every stage returns a new stream; keep it in a local",
  })
end

--- `:write "x" { table = "t" }` calls the stream that `:write "x"` gave; W209.
function Stream:__call(...)
  local data = hidden[self]
  local stage = data.called or data.stage
  local given = ...
  if select("#", ...) == 2 and given == nil and select(2, ...) == nil then -- of `for … in stream`
    diag.raise({ mark = data.script:take_mark() }, {
      code = "W201", message = "a stream has no rows while a script is read",
      help = "stages describe what is done to them: `:derive`, `:map`, `:print()`",
    })
  end
  diag.raise({ mark = data.script:take_mark(), stage = stage }, {
    code = "W209",
    message = ("options go inside the call: `%s(\"x\", { … })`"):format(stage),
    help = type(given) == "table"
        and "a table behind a string is a second call, of the stream that the first gave"
      or "a line that begins with a bracket or a string calls what stands before it",
  })
end

function Stream:__tostring()
  local data = hidden[self]
  return ("stream of %s: %s"):format(data.stage, schema.text(data.info.schema, ", "))
end

function Stream.__len(self)
  diag.raise({ mark = hidden[self].script:take_mark() }, {
    code = "W201", message = "a stream has no length while a script is read",
    help = "`:agg \"n = count()\"` counts rows",
  })
end

return M
