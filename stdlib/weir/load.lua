--- Reads a script: its text, its lock file, its environment; finds the place of what went wrong.
local diag = require("weir.diag")
local loader = require("weir.loader")
local script = require("weir.script")
local M = {}

--- Reads a whole file.
---@return string? text, string? message
function M.read_file(path)
  local handle, message = io.open(path, "rb")
  if not handle then
    return nil, message
  end
  local text, why = handle:read("a")
  handle:close()
  return text, why and ("%s: %s"):format(path, why)
end

--- The folder of a path, "." when it names none.
function M.directory(path)
  return path:match("^(.*)/[^/]*$") or "."
end

--- `clicks.lua` → `clicks.schema`, its lock file.
function M.lock_path(path)
  return (path:gsub("%.lua$", "")) .. ".schema"
end

--- Makes the place of a diagnostic: `located`, from the mark.
function M.locate(err)
  if not err.located and err.mark then
    err.located = loader.locate(err.mark, {
      key = err.key, arg = err.arg ~= "stage" and err.arg or nil, content = err.content,
      from = err.from, to = err.to,
    })
  end
  return err
end

local function place_of(file, line)
  return loader.place_of_line(file, line)
    or { file = file, line = line, col = 1, caret_len = 0 }
end

--- What a script raised as text; a table has none, and its address says nothing.
function M.error_text(err)
  local kind = type(err)
  if err == "error in error handling" then
    return "stack overflow"
  elseif kind == "string" or kind == "number" or kind == "nil" or kind == "boolean" then
    return tostring(err)
  end
  return "a " .. kind
end

--- Anything that a script raised, as a diagnostic with its place: our own errors as they are, Lua's
--- as W511 at the line that its message names.
---@param err any
---@param name string of the script
function M.as_diagnostic(err, name)
  if diag.is(err) then
    return M.locate(err)
  elseif type(err) == "table" and err.message then
    local known = diag.new({}, err)
    if err.file and err.line then -- a function that was stopped
      known.located = place_of(err.file, err.line)
    end
    return M.locate(known)
  end
  local text = M.error_text(err)
  local file, line, message = text:match("^([^\n:]+):(%d+): (.*)$")
  if file and file:find("^weir%.") and not loader.place_of_line(file, math.tointeger(line)) then
    file = nil -- of ours, which ran when the stack was full
  end
  local code, said = (message or text):match("^(W%d%d%d): (.*)$")
  local found = diag.new({}, { code = code or "W511", message = said
    or "Lua error: " .. (message or text) })
  if file then
    found.located = place_of(file, math.tointeger(line))
  else
    found.located = { file = name, line = 1, col = 1, caret_len = 0 }
  end
  return found
end

--- Writes a file through a temporary name beside it, so that nobody sees half of it.
---@return boolean? ok, string? message
function M.replace_file(path, text)
  local temporary = path .. ".new"
  local handle, message = io.open(temporary, "wb")
  if not handle then
    return nil, message
  end
  local ok
  ok, message = handle:write(text)
  if ok then
    ok, message = handle:close()
  else
    handle:close()
  end
  if ok then
    ok, message = os.rename(temporary, path)
  end
  if not ok then
    os.remove(temporary)
    return nil, message
  end
  return true
end

local function make_script(fields)
  return script.new({
    native = fields.native, loader = loader, name = fields.name,
    directory = fields.directory or M.directory(fields.name), params_given = fields.params,
    allow = fields.allow, trace = fields.trace, verify_locks = fields.verify_locks,
    format = fields.format, strict = fields.strict, sources_only = fields.sources_only,
    file = not fields.text and fields.name or nil, runs = fields.runs, state = fields.state,
    collects = fields.collects,
  })
end

--- Names of stock Lua that a script does not have, and what there is instead.
local NOT_AVAILABLE = {
  io = "`weir.read` reads, `:write` writes", os = "`now()` in strings, `weir.env` and parameters",
  debug = false, package = "`require` loads modules beside the script",
  load = "`require` loads modules beside the script", loadfile = "`require`", dofile = "`require`",
  loadstring = "`require`", collectgarbage = false, rawset = "write `t[k] = v`",
  xpcall = "`pcall`", warn = "`print` writes to stderr",
}

local OTHERS_WORDS = {
  None = "nil", null = "nil", NULL = "nil", undefined = "nil", True = "true", TRUE = "true",
  False = "false", FALSE = "false",
}

--- What a name that is not defined may have been, as help; nil: nothing is known of it.
local function meant(name)
  if OTHERS_WORDS[name] then
    return ("Lua writes `%s`"):format(OTHERS_WORDS[name])
  elseif require("weir").functions()[name] then
    return ("write `weir.%s`"):format(name)
  elseif name == "from" or name == "source" then
    return "`weir.read \"orders.csv\"` makes a stream of a file"
  elseif name == "import" or name == "include" then
    return "`local m = require \"m\"` reads m.lua beside the script"
  end
  return nil
end

local function near_names(env, native)
  local names, seen = {}, {}
  local function add(name)
    if type(name) == "string" and not name:find("[.]") and not seen[name] then
      names[#names + 1], seen[name] = name, true
    end
  end
  for known in pairs(env) do
    add(known)
  end
  for _, f in ipairs(native.functions and native.functions() or {}) do
    add(f.name)
  end
  table.sort(names)
  return names
end

--- Does a name on a line stand bare in the call of a stage, as in `r:filter(a > 1)`? The stage.
local function stage_around(line, name)
  local at = line and line:find("%f[%w_]" .. name .. "%f[^%w_]")
  local before = at and line:sub(1, at - 1):gsub('"[^"]*"', ""):gsub("'[^']*'", "")
  if not before or before:find("%f[%w_]function%f[^%w_]") then
    return nil
  end
  before = before:gsub("%b()", "")
  local stage = before:match(":%s*([%a_][%w_]*)%s*%([^:]*$")
  return stage and require("weir.stream").stage(stage) and stage
end

--- What is said of a name that is nothing, as an error without a place.
local function unknown_name(env, name, native)
  local err = { code = "W511", message = ("Lua error: `%s` is not defined"):format(tostring(name)) }
  if NOT_AVAILABLE[name] ~= nil then
    err.code = "W703"
    err.message = ("`%s` is not available in a pipeline"):format(name)
    err.help = NOT_AVAILABLE[name] or nil
  elseif type(name) == "string" and meant(name) then
    err.help = meant(name)
  else
    local near = type(name) == "string"
      and require("weir.suggest").nearest(name, near_names(env, native))
    if near then
      err.message = err.message .. (": did you mean `%s`?"):format(near)
    end
  end
  return err
end

--- A name that is nothing is an error where it is read: nil would pass through expressions unseen.
local function refuse_unknown(env, name, native)
  local info = debug.getinfo(3, "Sl")
  local err = unknown_name(env, name, native)
  if err.code == "W511" and not err.help and not script.current() then
    -- In a row function, where no help is shown.
    err.message = ("`%s` is not defined: a column is `e.%s`"):format(tostring(name),
      tostring(name))
  end
  if info and info.currentline > 0 then
    err.located = loader.place_of_line(info.short_src, info.currentline)
    local stage = err.code == "W511" and err.located and type(name) == "string"
      and stage_around(err.located.source_line, name)
    if stage then
      err.help = ("expressions and columns stand in quotes: `:%s \"… %s …\"`"):format(stage, name)
    end
  end
  error(diag.new({}, err), 0)
end

--- What `print` of a script says goes to stderr: the standard output is for data.
local function print_aside(to_text, ...)
  local parts = table.pack(...)
  for i = 1, parts.n do
    parts[i] = to_text(parts[i])
  end
  io.stderr:write(table.concat(parts, "\t"), "\n")
end

--- The environment of a script: `weir`, `require`, what of Lua's own is safe, and the function
--- library, of which each function comes in when it is first read.
local function make_env(fields, made)
  local native = fields.native
  local globals = { weir = require("weir").new(made) }
  local env = native.sandbox(globals)
  local to_text = rawget(env, "tostring") or tostring
  rawset(env, "require", loader.requirer(made.directory, env))
  rawset(env, "print", function(...)
    print_aside(to_text, ...)
  end)
  return setmetatable(env, {
    __metatable = false,
    __index = function(_, name)
      local f = native.library and native.library(name)
      if not f then
        refuse_unknown(env, name, native)
      end
      rawset(env, name, f)
      return f
    end,
  })
end

--- Bytes that reading the text of a script may take: its tree is several hundred times as long.
local PARSE_BYTES_MAX = 1 << 30

--- The loader, with the time of a script.
local function load_bounded(fields, text, env)
  local call = fields.native.call_user or pcall
  local ok, chunk, err = call(function()
    return loader.load(text, fields.name, env, { bytes_before = fields.bytes_before })
  end, nil, nil, PARSE_BYTES_MAX)
  if not ok then
    return nil, chunk
  end
  return chunk, err
end

--- Reads and runs a script.
---@param fields table native, name; text (instead of the file `name`), directory, params, allow,
---  trace, verify_locks, no_locks, sources_only (stages need not bind), collects (all errors),
---  globals(script) → more globals, after(script, result),
---  bytes_before (bytes of its line 1 that its author did not write)
---@return table? script, weir.Diagnostic? err
---@return table? failed the script as far as it was read, beside an error in it
function M.script(fields)
  local text = fields.text
  if not text then
    local message
    text, message = M.read_file(fields.name)
    if not text then
      return nil, diag.new({}, message:find("Permission denied", 1, true)
        and { code = "W611", message = "open " .. message }
        or { code = "W401", message = ("no such script: %s"):format(message) })
    end
  end
  local made = make_script(fields)
  local err
  if not fields.text and not fields.no_locks then
    made.locks, err = require("weir.lock").read(M.lock_path(fields.name))
    if not made.locks then
      return nil, err
    end
  end
  local env = make_env(fields, made)
  if made.collects then
    require("weir.collect").guard(made, env)
  end
  function made.unknown_name(name)
    local is_known = rawget(env, name) ~= nil or loader.is_assigned(name)
      or fields.native.library and fields.native.library(name)
    return not is_known and unknown_name(env, name, fields.native) or nil
  end
  local chunk
  chunk, err = load_bounded(fields, text, env)
  if chunk then
    local ok
    ok, err = made:read(function()
      for name, x in pairs(fields.globals and fields.globals(made) or {}) do
        rawset(env, name, x)
      end
      local result = chunk()
      if fields.after then
        fields.after(made, result)
      end
    end)
    if ok then
      return made
    end
  end
  return nil, M.as_diagnostic(err, fields.name), made
end

return M
