--- A script while it is read: its plan, parameters, functions and streams. One object a script; the
--- table `weir` that it sees (`weir.init`) and all streams belong to it.
local diag = require("weir.diag")
local M = {}

local Script = {}
Script.__index = Script

--- Functions that one script may hand to stages.
M.FUNCTIONS_MAX = 10000

local current -- the script that is being read, for a stage that was called without its stream

--- The script that is being read, or nil.
function M.current()
  return current
end

--- Makes a script; nothing is read yet.
---@param fields table native (the native module), name ("clicks.lua"), text, directory,
---  file (where it was read from, if from a file), params_given (texts by name),
---  locks (schemas by endpoint), allow (set of "env=NAME"), collects (`errors`: weir.collect)
function M.new(fields)
  local script = setmetatable({}, Script)
  for key, x in pairs(fields) do
    script[key] = x
  end
  script.params_given = script.params_given or {}
  script.locks = script.locks or {}
  script.allow = script.allow or {}
  script.params, script.functions, script.lints = {}, {}, {}
  script.streams, script.nodes, script.sinks = {}, {}, 0
  script.settings, script.sources = {}, {}
  script.errors, script.guarded = script.collects and {} or nil, 0
  return script
end

--- Whether it is read for a run that goes on from a state: what that needs was there before.
function Script:goes_on()
  local state = self.runs and (self.state or self.settings.state)
  local file = state and io.open(state .. "/state.db", "rb")
  return file ~= nil and file ~= false and file:close() == true
end

--- The native plan, made at the first stage: `weir.settings` comes before.
function Script:plan()
  if not self.native_plan then
    local plan, err = self.native.plan({
      timezone = self.settings.timezone or "UTC",
      directory = self.directory, script = self.file, waits = self:goes_on(),
      source_name = self.name,
    })
    if not plan then
      diag.raise({ mark = self.settings_mark, stage = "settings" }, err)
    end
    self.native_plan = plan
  end
  return self.native_plan
end

--- The mark of the call that is being made, once; nil when none is known.
function Script:take_mark()
  return self.loader and self.loader.take_mark() or nil
end

--- Where a call stands, as rejects show it: "clicks.lua:8:4"; nil when that is not known.
function Script:place_text(mark)
  local place = mark and self.loader and self.loader.locate(mark, { arg = "stage" })
  return place and ("%s:%d:%d"):format(place.file, place.line, place.col) or nil
end

-- ── parameters ──────────────────────────────────────────────────────────────────────────────────

---@return any value, boolean found
function Script:param(name)
  local param = self.params[name]
  if param then
    param.used = true
    return param.value, true
  end
  return nil, false
end

function Script:param_names()
  local names = {}
  for name in pairs(self.params) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- The schema of the lock file for an endpoint, or nil.
---@return table[]? fields, boolean from_lock
function Script:locked_schema(name)
  local fields = self.locks[name]
  return fields, fields ~= nil
end

--- The format of what is shown, by `--format`; nil: what suits the terminal, or a pipe.
function Script:shown_format()
  return self.format and require("weir.formats").new(self.format)
end

-- ── functions, nodes, streams ───────────────────────────────────────────────────────────────────

--- Registers a Lua function of a stage; the k-th here is the k-th wherever the script is loaded.
---@param f function
---@param outputs table[]? names (and types) of what it returns
---@param call weir.Call
---@return table spec {id=, outputs=, reads=, text=, volatile=}
function Script:function_spec(f, outputs, call)
  local id = #self.functions + 1
  if id > M.FUNCTIONS_MAX then
    call:fail("W203", ("more than %d functions in stages"):format(M.FUNCTIONS_MAX))
  end
  local loader = self.loader
  local err = loader and loader.check_row_function(f)
  if err then
    call:fail_with(err)
  end
  for _, hint in ipairs(loader and loader.row_function_hints(f) or {}) do
    self:warn(call, hint)
  end
  local info = loader and loader.function_info(f)
  err = info and call.row_columns and require("weir.row_function").check(info, call.row_columns)
  if err then
    call:fail_with(err)
  end
  self.functions[id] = {
    call = f, stage = call.stage, mark = info and info.mark, columns = call.row_columns,
  }
  local reads = info and require("weir.row_function").reads(info) or "all"
  local plan = self:plan()
  if plan.set_function then
    plan:set_function(id, loader and loader.recompile(f) or f, call.stage)
  end
  local text, volatile = require("weir.fingerprint").of(f, loader)
  return { id = id, outputs = outputs, reads = reads, text = text, volatile = volatile }
end

--- Where the functions of stages stand: "clicks.lua:12:10" by number, where it is known.
---@return table<integer, string>
function Script:function_places()
  local places = {}
  for id, f in ipairs(self.functions) do
    local place = self.loader and self.loader.locate(f.mark)
    places[id] = place and ("%s:%d:%d"):format(place.file, place.line, place.col)
  end
  return places
end

--- A source that is about to be added; `open`: its schema does not stand in the script.
function Script:remember_source(name, open)
  self.coming = { name = name, open = open }
end

--- The option of a `read` that says by a time which rows it takes; nil.
local function timed_option(spec)
  for _, name in ipairs(spec.op == "read" and { "start", "stop" } or {}) do
    local given = (spec.options or {})[name]
    if given and given.time then
      return name
    end
  end
  return nil
end

function Script:remember_node(id, spec, call, info)
  local place = spec.endpoint
  self.nodes[id] = {
    id = id, op = spec.op, mark = call.mark, stage = call.stage, name = spec.name,
    address = place and place.address, kind = place and place.kind, schema = info.schema,
    inputs = spec.inputs, inferred = info.inferred_rows ~= nil, why = info.why_strings,
    window = spec.window, emit = spec.emit, call = call, bounded = info.bounded,
    timezone = spec.options and spec.options.timezone, timed_by = timed_option(spec),
    replays = spec.op == "read" and spec.format and spec.format.name == "replay",
    written = call.place_name, table = place and place.options and place.options.table,
  }
  if self.coming then
    self.coming.fields = info.schema
    self.sources[#self.sources + 1] = self.coming
    self.coming = nil
  end
  if spec.op == "write" or spec.op == "print" or spec.op == "tap" then
    self.sinks = self.sinks + 1
  end
end

--- The sources without a schema that a node is made of: {name=, schema=, why=}; `why` by column
--- of strings: the value that is nothing else, {text=, line=, file=}.
function Script:inferred_sources(id, found, seen)
  found, seen = found or {}, seen or {}
  local node = self.nodes[id]
  if not node or seen[id] then
    return found
  end
  seen[id] = true
  if node.inferred then
    found[#found + 1] = { name = node.address or node.name, schema = node.schema, why = node.why }
  end
  for _, input in ipairs(node.inputs or {}) do
    self:inferred_sources(input, found, seen)
  end
  return found
end

function Script:remember_stream(stream)
  self.streams[#self.streams + 1] = stream
  self.last_stream = stream
end

--- Keeps a lint; shown when the script has been read.
function Script:warn(site, err)
  self.lints[#self.lints + 1] = diag.new(site, err, "warning")
end

-- ── reading ─────────────────────────────────────────────────────────────────────────────────────

--- A name in a function of rows that is nothing. Asked when the whole script has been read, since
--- what stands below a function may still define it.
local function check_functions(script)
  for _, f in ipairs(script.functions) do
    local info = script.unknown_name and script.loader.function_info(f.call)
    local err = info and require("weir.row_function").check_names(info, script.unknown_name,
      f.columns)
    if err then
      return diag.new({}, err)
    end
  end
  return nil
end

--- W203 where a `read` goes by a time that its rows never get.
local function check_times(script)
  local has_time = {}
  local function mark(id)
    local node = script.nodes[id]
    if node and not has_time[id] then
      has_time[id] = true
      for _, input in ipairs(node.inputs or {}) do
        mark(input)
      end
    end
  end
  for id, node in pairs(script.nodes) do
    if node.op == "event_time" then
      mark(id)
    end
  end
  for id, node in pairs(script.nodes) do
    if node.timed_by and not has_time[id] then
      return diag.new({ mark = node.mark, stage = node.stage }, {
        code = "W203", arg = node.timed_by,
        message = ("option `%s` of `read` is a time, and no `event_time` says that of a row")
          :format(node.timed_by),
        help = "`:event_time \"…\"` behind it; or a number of rows, counted from 0",
      })
    end
  end
  return nil
end

--- Files of rejects that are read again, by their address.
function Script:replayed()
  local found = {}
  for _, node in pairs(self.nodes) do
    if node.replays then
      found[node.address] = node
    end
  end
  return found
end

--- W203 where rows that are rejected again would be read again, for ever.
local function check_replays(script)
  local replayed = script:replayed()
  for _, node in pairs(script.nodes) do
    local read = node.op == "write" and node.kind == "file" and replayed[node.address]
    if read then
      return diag.new({ mark = read.mark, stage = read.stage }, {
        code = "W203", arg = "replay",
        message = ("`replay` reads %s, which this script writes"):format(node.address),
        help = "what is rejected once more goes to another file",
      })
    end
  end
  return nil
end

--- Stages that give their results when their input ends, unless `emit` says otherwise.
local AT_THE_END = { agg = true, top = true, sort = true }

--- The node of a `weir.rejects()` above a node that took it to end; nil.
local function rejects_above(script, id)
  local node = script.nodes[id]
  if not node or not node.bounded then
    return nil
  elseif node.op == "rejects" then
    return #node.inputs == 0 and node or nil
  end
  for _, input in ipairs(node.inputs or {}) do
    local found = rejects_above(script, input)
    if found then
      return found
    end
  end
  return nil
end

--- W303 where `weir.rejects()`, which is of the whole script, was called before an input that never
--- ends: what stands behind it took it to end.
local function check_rejects(script)
  local endless
  for _, node in pairs(script.nodes) do
    if node.op == "read" and node.bounded == false and (not endless or node.id < endless.id) then
      endless = node
    end
  end
  local first
  for id, node in pairs(script.nodes) do
    local above = endless and AT_THE_END[node.op] and not node.emit and rejects_above(script, id)
    if above and above.id < endless.id and (not first or id < first.id) then
      first = node
    end
  end
  return first and diag.new({ mark = first.mark, stage = first.stage }, {
    code = "W303", arg = "stage",
    message = ("this `%s` never ends: `weir.rejects()` is also of %s"):format(first.stage,
      endless.address or endless.name),
    help = "call `weir.rejects()` behind the streams; " .. (first.op == "sort"
      and "what never ends is not sorted" or "`:emit \"update\"` gives each change"),
  })
end

--- The streams that nobody reads, and the modifiers that nobody took.
local function check_ends(script)
  local stream = require("weir.stream")
  local lonely = {}
  for _, each in ipairs(script.streams) do
    local data = stream.data(each)
    if not data.used and data.pending then
      local last = data.pending[#data.pending]
      return diag.new({ mark = last.mark, stage = last.name }, {
        code = "W207", message = ("`%s` waits for %s: nothing follows it"):format(last.name,
          stream.consumers_text(last.name)),
        help = "the stage behind it says what is done with the groups: `:agg \"n = count()\"`",
      })
    elseif stream.goes_nowhere(data) then
      lonely[#lonely + 1] = data
    end
  end
  local unknown = check_functions(script) or check_times(script) or check_replays(script)
    or check_rejects(script)
  if unknown then
    return unknown
  end
  for _, name in ipairs(script:param_names()) do
    local param = script.params[name]
    if not param.used then
      script:warn(param.site, {
        code = "W903", message = ("unused parameter `%s`"):format(name), arg = "1",
        from = param.from, to = param.to, help = "use it as `$name` in a string, or drop it",
      })
    end
  end
  for _, data in ipairs(lonely) do
    script:warn({ mark = data.mark, stage = data.stage }, {
      code = "W902", message = ("the stream of `%s` goes nowhere"):format(data.stage),
      help = "end it with `:write(…)` or `:print()`, or drop it",
    })
  end
  return nil
end

--- Runs the chunk of a script and checks how it ends.
---@param chunk function
---@return boolean? ok, any err a diagnostic, or another error of the script
function Script:read(chunk)
  local outer = current
  current = self
  local call = self.native.call_user or xpcall -- the one bounds time and memory
  local ok, err = call(function()
    self.thread = coroutine.running()
    return chunk()
  end, function(err)
    if type(err) == "string" then
      return self.trace and debug.traceback(err, 2) or err
    end
    return err
  end)
  current = outer
  self.closed = true
  if self.errors and self.errors[1] then
    if not ok and diag.is(err) then -- what else Lua says may follow from what stands in
      require("weir.collect").found(self, err)
    end
    return nil, self.errors[1]
  elseif not ok then
    return nil, err
  end
  err = not self.sources_only and check_ends(self)
  if err then
    return nil, err
  end
  return true
end

--- Does the script itself take rejected rows somewhere?
function Script:reads_rejects()
  for _, node in pairs(self.nodes) do
    if node.op == "rejects" then
      return true
    end
  end
  return false
end

--- W206 as a diagnostic when nothing is written, else nil.
function Script:check_writes()
  if self.sinks > 0 then
    return nil
  end
  return diag.new({}, {
    code = "W206", message = "this script writes nothing",
    help = "end a stream with `:write \"out.csv\"` or `:print()`",
  })
end

return M
