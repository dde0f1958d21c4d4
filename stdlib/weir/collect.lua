--- All errors of a script that do not follow from each other, for `weir check`. Behind a stage with
--- an error the script is read on with a stream that stands in for its result. What such a stream
--- has is in doubt: of stages behind it only those errors are told that would be there whatever it
--- had. `doubt` of a stream's data: { names = set }, the columns that it may have besides those
--- that it has; nil: any. Of one that is `unknown` nothing is known, and it is in no plan.
local diag = require("weir.diag")
local M = {}

--- One script says no more than so many.
M.ERRORS_MAX = 100

--- Stages whose rows have the columns of their input, and nothing else changes …
local SAME = { filter = true, expect = true }
--- … or it may; and those that say the names of the columns that they add.
local KEEPS = { event_time = true, sort = true, limit = true }
local NAMES = { derive = true, select = true }
--- Stages whose string is about columns of the input alone, and names of its own.
local ONE_STRING = { filter = true, expect = true, derive = true, select = true }

--- Whether what a script does now is read on behind an error: not where it catches errors itself.
function M.is_on(script)
  return script.errors ~= nil and script.guarded == 0 and coroutine.running() == script.thread
end

--- Keeps an error, once: a loop says it for each of its turns.
function M.found(script, err)
  local place = require("weir.load").locate(err).located
  local key = ("%s:%s:%s: %s"):format(place and place.file, place and place.line,
    place and place.col, err.message)
  if script.errors[key] then
    return
  end
  script.errors[key] = true
  script.errors[#script.errors + 1] = err
end

--- The same, and the script ends with it where there are too many.
local function tell(script, err)
  M.found(script, err)
  if #script.errors >= M.ERRORS_MAX then
    error(err, 0)
  end
end

local function add_names(into, from)
  for name in pairs(from) do
    into[name] = true
  end
end

--- What is in doubt of a stage whose inputs are these streams' data; nil: nothing.
local function doubt_of(inputs)
  local doubt, any = { names = {} }, false
  for _, data in ipairs(inputs) do
    if data.unknown or data.doubt then
      any = true
      doubt.unknown = doubt.unknown or data.unknown
      if data.unknown or not data.doubt.names or #inputs > 1 then
        doubt.names = nil
      elseif doubt.names then
        add_names(doubt.names, data.doubt.names)
      end
    end
  end
  return any and doubt or nil
end

--- The data of the streams among arguments, also of those in a list or in options.
local function inputs_of(stream, args)
  local module = require("weir.stream")
  local inputs = { module.data(stream) }
  local function add(x)
    inputs[#inputs + 1] = module.is(x) and module.data(x) or nil
  end
  for i = 1, args.n do
    add(args[i])
    for _, x in next, type(args[i]) == "table" and getmetatable(args[i]) == nil and args[i] or {} do
      add(x)
    end
  end
  return inputs
end

--- Whether an error of a stage is one whatever its inputs have that is in doubt.
local function stands(stage_call, err, doubt)
  if not doubt or err.code == "W101" then
    return true
  end
  local column = err.code == "W103" and stage_call:name_at(err.arg, err.from)
  return column and doubt.names ~= nil and not doubt.names[column] or false
end

--- Names in the string of an error which no column has either, and which it has not to do with: one
--- error each. Those that the string itself gives to something may be meant by it.
local function tell_others(stage_call, err, names, doubt)
  local columns, told = {}, { [stage_call:name_at(err.arg, err.from) or false] = true }
  for _, name in ipairs(names) do
    columns[name] = true
  end
  for _, item in ipairs(stage_call[1] and stage_call[1].ast or {}) do
    columns[item.name or false] = true
  end
  add_names(columns, doubt and doubt.names or {})
  stage_call:each_name(err.arg, function(node)
    if columns[node.name] or told[node.name] or node.name:find("^_") then
      return
    end
    told[node.name] = true
    local _, other = pcall(stage_call.fail_with, stage_call, {
      code = "W103", message = ("unknown column `%s`"):format(node.name), from = node.from,
      to = node.to,
    }, err.arg)
    tell(stage_call.script, other)
  end)
end

--- The names of the columns that a call gives; nil: not known.
local function names_given(name, stage_call)
  if SAME[name] or KEEPS[name] then
    return {}
  elseif not NAMES[name] or not stage_call or not stage_call[1] then
    return nil
  end
  local names, ast = {}, stage_call[1].ast
  for _, item in ipairs(ast or {}) do
    if not item.name then
      return nil
    end
    names[item.name] = true
  end
  return ast and names or nil
end

--- The doubt behind a stage that went well, or (`failed`) that did not.
local function doubt_behind(name, stage_call, doubt, failed)
  if not failed and not doubt or failed and not doubt and SAME[name] then
    return nil
  end
  local names = names_given(name, stage_call)
  if not names or doubt and not doubt.names then
    return {}
  end
  add_names(names, doubt and doubt.names or {})
  return { names = names }
end

local function stand_in(stream, name, doubt, unknown)
  local module = require("weir.stream")
  local data = module.data(stream)
  data.used = true
  return module.new({
    script = data.script, id = data.id, info = data.info, mark = data.mark, stage = name,
    doubt = doubt, unknown = unknown, used = true,
  })
end

--- The errors of a stage that do not follow from others; raises what is none of a script.
local function tell_all(stream, name, stage_call, err, doubt)
  local module = require("weir.stream")
  if not diag.is(err) then
    error(err, 0)
  elseif stage_call and not stands(stage_call, err, doubt) then
    return
  end
  tell(module.data(stream).script, err)
  if stage_call and ONE_STRING[name] and err.from and (not doubt or doubt.names) then
    tell_others(stage_call, err, module.columns(stream), doubt)
  end
end

--- Calls a stage. `read(columns)` reads the call, `bind(stage_call)` binds it; both may raise.
---@return weir.Stream
function M.stage(stream, name, descriptor, args, read, bind)
  local module = require("weir.stream")
  local data = module.data(stream)
  local doubt, pending = doubt_of(inputs_of(stream, args)), data.pending
  local ok, result = pcall(read, not doubt and module.columns(stream) or nil)
  local stage_call = ok and result or nil
  if ok and not (doubt and doubt.unknown) then
    ok, result = pcall(bind, stage_call)
    if ok then
      local made = module.is(result) and result ~= stream and module.data(result)
      if made and doubt then
        made.doubt = doubt_behind(name, stage_call, doubt)
      end
      return result
    end
  end
  if not ok then
    tell_all(stream, name, stage_call, result, doubt)
  end
  if descriptor.returns_input then
    data.used, data.written, data.called = true, true, name
    return stream
  end
  local behind = doubt_behind(name, stage_call, doubt, true)
  if pending and not behind or descriptor.modifier then -- what waited is not there any more
    behind = {}
  end
  return stand_in(stream, name, behind, doubt and doubt.unknown)
end

--- What a source is that has an error; `count` streams, where it gives several.
function M.source(script, name, mark, err, count)
  tell(script, err)
  local streams = {}
  for i = 1, count or 1 do
    streams[i] = require("weir.stream").new({
      script = script, info = { schema = {}, key = {} }, mark = mark, stage = name,
      unknown = true, used = true,
    })
  end
  return table.unpack(streams)
end

--- A stage that there is none of.
function M.no_stage(stream, name, err)
  local data = require("weir.stream").data(stream)
  tell(data.script, err)
  return stand_in(stream, name, {}, data.unknown)
end

--- Lets the script's own `pcall` see errors as ever. In a coroutine nothing is read on anyway, and
--- one that yields in it may never come back.
function M.guard(script, env)
  local inner = rawget(env, "pcall")
  local function leave(...)
    script.guarded = script.guarded - 1
    return ...
  end
  rawset(env, "pcall", function(...)
    if coroutine.running() ~= script.thread then
      return inner(...)
    end
    script.guarded = script.guarded + 1
    return leave(inner(...))
  end)
end

return M
