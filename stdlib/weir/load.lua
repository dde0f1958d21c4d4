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

--- Anything that a script raised, as a diagnostic with its place: our own errors as they are, Lua's
--- as W511 at the line that its message names.
---@param err any
---@param name string of the script
function M.as_diagnostic(err, name)
  if diag.is(err) then
    return M.locate(err)
  elseif type(err) == "table" and err.message then
    return M.locate(diag.new({}, err))
  end
  local text = tostring(err)
  local file, line, message = text:match("^([^\n:]+):(%d+): (.*)$")
  local code, said = (message or text):match("^(W%d%d%d): (.*)$")
  local found = diag.new({}, { code = code or "W511", message = said
    or "Lua error: " .. (message or text) })
  if file then
    found.located = loader.place_of_line(file, math.tointeger(line))
      or { file = file, line = math.tointeger(line), col = 1, caret_len = 0 }
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
    format = fields.format,
  })
end

--- Names of stock Lua that a script does not have.
local NOT_AVAILABLE = {
  io = true, os = true, debug = true, package = true, load = true, loadfile = true, dofile = true,
  loadstring = true, collectgarbage = true, coroutine = true, rawget = true, rawset = true,
  rawequal = true, rawlen = true, setmetatable = true, getmetatable = true, xpcall = true,
  warn = true,
}

--- A name that is nothing is an error where it is read: nil would pass through expressions unseen.
local function refuse_unknown(env, name)
  if NOT_AVAILABLE[name] then
    error(("W703: `%s` is not available in a pipeline"):format(name), 3)
  end
  local names = {}
  for known in pairs(env) do
    names[#names + 1] = tostring(known)
  end
  table.sort(names)
  local near = type(name) == "string" and require("weir.suggest").nearest(name, names)
  error(("`%s` is not defined%s"):format(tostring(name),
    near and (": did you mean `%s`?"):format(near) or ""), 3)
end

--- What `print` of a script says goes to stderr: the standard output is for data.
local function print_aside(...)
  local parts = table.pack(...)
  for i = 1, parts.n do
    parts[i] = tostring(parts[i])
  end
  io.stderr:write(table.concat(parts, "\t"), "\n")
end

--- The environment of a script: `weir`, `require`, and what of Lua's own is safe.
local function make_env(fields, made)
  local globals = { weir = require("weir").new(made) }
  local env = fields.native.sandbox(globals)
  rawset(env, "require", loader.requirer(made.directory, env))
  rawset(env, "print", print_aside)
  return setmetatable(env, {
    __metatable = false,
    __index = function(_, name)
      refuse_unknown(env, name)
    end,
  })
end

--- Reads and runs a script.
---@param fields table native, name; text (instead of the file `name`), directory, params, allow,
---  trace, verify_locks, no_locks, globals(script) → more globals, after(script, result),
---  lines_before (lines of `text` that its author did not write)
---@return table? script, weir.Diagnostic? err
function M.script(fields)
  local text = fields.text
  if not text then
    local message
    text, message = M.read_file(fields.name)
    if not text then
      return nil, diag.new({}, { code = "W401", message = ("no such script: %s"):format(message) })
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
  local chunk
  chunk, err = loader.load(text, fields.name, env)
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
  return nil, M.shift_lines(M.as_diagnostic(err, fields.name), fields.lines_before)
end

--- Takes lines off the place of an error, which weir itself put before the text.
function M.shift_lines(err, count)
  if count and err.located then
    err.located.line = math.max(err.located.line - count, 1)
  end
  return err
end

return M
