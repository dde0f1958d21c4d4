--- Loads scripts and the modules beside them, so that every stage, string and function of theirs
--- knows where it stands. It runs with the full Lua library; what it loads runs in `env`.
---
--- A mark is an integer. A stage asks for the one of its call by `take_mark`, keeps it, and
--- `locate` turns it into a place when there is something to say. Where a script cannot be marked
--- (Lua's limits of 200 locals and 255 registers) marks stand for lines.
local lua = require("weir.grammar.lua")
local marks = require("weir.marks")
local source = require("weir.source")
local M = {}

--- Bytes of one script or module.
M.SCRIPT_BYTES_MAX = 1048576
--- Marks below this stand for calls and functions, from it on for a call reached by a certain way.
local SITE_FIRST = 1 << 40
--- Callers named in `called from`.
local TRAIL_MAX = 3

local files -- all loaded files, in order; also by chunk name ("@clicks.lua")
local nodes -- mark -> {file=, node=}
local sites -- from SITE_FIRST on: {mark= or line=, file=, trail={{file=, line=}…}}
local site_ids -- key of a site -> its number
local functions -- marked function -> mark; weak
local current -- mark of the last call that a marked script made

--- Forgets everything; a state that loads another script begins like this.
function M.reset()
  files, nodes, sites, site_ids = {}, {}, {}, {}
  functions = setmetatable({}, { __mode = "k" })
  current = nil
end
M.reset()

--- FNV-1a with 64 bits as 16 hexadecimal digits (Fowler, Noll, Vo). Tells texts apart; is no
--- protection.
---@param text string
---@return string
function M.hash(text)
  local hash = 0xcbf29ce484222325
  for i = 1, #text do
    hash = (hash ~ text:byte(i)) * 0x100000001b3
  end
  return ("%016x"):format(hash)
end

local function syntax_error(file, message)
  return require("weir.syntax_error").explain(file, message)
end

local function failure(file, code, at, to, message, help)
  local place = source.place(file, at, to)
  return { code = code, message = message, help = help, located = place }
end

--- `__c` and `__f` as the script's environment gets them.
local function install(env, hooks)
  local on_function = hooks and hooks.on_function
  rawset(env, "__c", function(mark, ...)
    current = mark
    return ...
  end)
  rawset(env, "__f", function(mark, func)
    functions[func] = mark
    if on_function then
      on_function(func, mark)
    end
    return func
  end)
end

local function load_marked(file, env, hooks)
  local first = #nodes + 1
  local text, found = marks.insert(file.text, file.ast, first)
  local chunk = source.compile(text, file.chunkname, env)
  if not chunk then
    return nil
  end
  for i, node in ipairs(found) do
    nodes[first + i - 1] = { file = file, node = node }
  end
  file.marked = true
  install(env, hooks)
  return chunk
end

--- Loads a script. Touches nothing outside.
---@param text string the bytes of the file
---@param name string as messages print it
---@param env table? its globals; the marks `__c` and `__f` are put there. _G by default
---@param hooks { on_function: fun(func: function, mark: integer)?, bytes_before: integer? }?
---  `on_function` is told of each function literal; `bytes_before` as of `weir.source`
---@return function? chunk, table? err with `located`
function M.load(text, name, env, hooks)
  env = env or _G
  local file = source.new(name, text)
  file.bytes_before = hooks and hooks.bytes_before
  file.chunkname, file.hash, file.marked, file.env = "@" .. name, M.hash(text), false, env
  if #text > M.SCRIPT_BYTES_MAX then
    return nil, failure(file, "W001", 1, 1, ("a script of %d bytes, expected at most %d"):format(
      #text, M.SCRIPT_BYTES_MAX))
  end
  local chunk, message = source.compile(file.text, "=weir", env)
  if not chunk then
    return nil, syntax_error(file, message)
  end
  files[#files + 1] = file
  files[file.chunkname] = file
  file.ast = lua.parse(file.text)
  if file.ast then
    local reserved, at = marks.reserved_use(file.text, file.ast)
    if reserved then
      return nil, failure(file, "W703", at, at + #reserved - 1,
        ("`%s` is not available in a pipeline"):format(reserved))
    end
    local marked = load_marked(file, env, hooks)
    if marked then
      return marked
    end
  end
  return source.compile(file.text, file.chunkname, env)
end

-- ── where a call stands ─────────────────────────────────────────────────────────────────────────
--- The frames of loaded scripts on the stack, innermost first.
local function script_frames(level)
  local frames = {}
  while true do
    local info = debug.getinfo(level, "Slt")
    if not info then
      return frames
    end
    local file = files[info.source]
    if file and info.currentline > 0 then
      frames[#frames + 1] = { file = file, line = info.currentline }
    end
    level = level + 1
  end
end

--- Is this frame the one that makes the marked call? A function that returned by a tail call has
--- left none.
local function makes_call(frame, record)
  if not frame or frame.file ~= record.file then
    return false
  end
  local node = record.node
  return source.line_of(frame.file, node.from) <= frame.line
    and frame.line <= source.line_of(frame.file, node.to)
end

local function site_of(mark, file, line, trail)
  local key = { mark or "", file.name, line or "" }
  for _, frame in ipairs(trail) do
    key[#key + 1] = frame.file.name .. ":" .. frame.line
  end
  key = table.concat(key, "\n")
  if not site_ids[key] then
    sites[#sites + 1] = { mark = mark, file = file, line = line, trail = trail }
    site_ids[key] = SITE_FIRST + #sites - 1
  end
  return site_ids[key]
end

--- The mark of the call that is being made, which is then cleared. A stage calls it first, before
--- anything that could call back.
---@param level integer? 1 (default) is the caller of `take_mark`
---@return integer? mark nil when no loaded script is calling
function M.take_mark(level)
  local mark = current
  current = nil
  local frames = script_frames((level or 1) + 2)
  local record = mark and nodes[mark]
  if not frames[1] and not record then
    return nil
  elseif not record or (frames[1] and not frames[1].file.marked) then
    -- A file without marks, or a call that a library made for the script: the line is known.
    local innermost = table.remove(frames, 1)
    return site_of(nil, innermost.file, innermost.line, table.move(frames, 1, TRAIL_MAX, 1, {}))
  end
  if makes_call(frames[1], record) then
    table.remove(frames, 1)
  end
  if not frames[1] then
    return mark
  end
  return site_of(mark, record.file, nil, table.move(frames, 1, TRAIL_MAX, 1, {}))
end

--- The place that an error means: {file=, line=, col=, caret_len=, source_line=, notes={…}}; a note
--- is {text=} or a place with `text`.
---@param mark integer? as of `take_mark`
---@param what table? key: name of an option, to point at it; arg: "1" the first argument, "table"
---  an option, "within.2" a part of one; content: the text that was read; from, to: bytes of it
---@return table? place nil without a mark
function M.locate(mark, what)
  if not mark then
    return nil
  end
  what = what or {}
  local site = mark >= SITE_FIRST and sites[mark - SITE_FIRST + 1] or { mark = mark, trail = {} }
  local place, remarks, also
  if site.mark then
    local record = nodes[site.mark]
    if record.node.k == "function" then
      place, remarks, also = source.place(record.file, record.node.from, record.node.to), {}, {}
    else
      place, remarks, also = source.locate_in_call(record.file, record.node, what)
    end
  else
    place, remarks, also = source.locate_in_line(site.file, site.line, what), {}, {}
  end
  place.notes = {}
  for _, text in ipairs(remarks) do
    table.insert(place.notes, { text = text })
  end
  for _, other in ipairs(also) do
    other.text = "this text is written here"
    table.insert(place.notes, other)
  end
  for _, frame in ipairs(site.trail) do
    local caller = source.line_place(frame.file, frame.line)
    caller.text = "called from"
    table.insert(place.notes, caller)
  end
  return place
end

--- As Lua's messages print the name of a file: long ones lose their beginning.
local function short_name(name)
  return #name <= 59 and name or "..." .. name:sub(-56)
end

--- The place of a line that a message of Lua names.
---@param name string as the message has it
---@param line integer
---@return table? place nil when no such file was loaded
function M.place_of_line(name, line)
  for _, file in ipairs(files) do
    if file.name == name or short_name(file.name) == name then
      return source.line_place(file, line)
    end
  end
  return nil
end

-- ── functions ───────────────────────────────────────────────────────────────────────────────────
--- What is known of a function that a marked script made, or nil.
---@param func function
---@return { mark: integer, file: table, node: table, text: string, line: integer }?
function M.function_info(func)
  local mark = functions[func]
  local record = mark and nodes[mark]
  if not record then
    return nil
  end
  local file, node = record.file, record.node
  return {
    mark = mark, file = file, node = node, text = file.text:sub(node.from, node.to),
    line = source.line_of(file, node.from),
  }
end

--- The mark of a function that a marked script made, or nil.
---@param func function
---@return integer?
function M.function_mark(func)
  return functions[func]
end

--- The text of the function with this mark, as the script has it.
---@param mark integer
---@return string
function M.function_text(mark)
  local record = nodes[mark]
  return record.file.text:sub(record.node.from, record.node.to)
end

--- The function without marks, for hot loops: compiled again from its text, with the upvalues of
--- `func` joined by name. Returns `func` itself when that is not possible.
function M.recompile(func)
  local info = M.function_info(func)
  return info and require("weir.recompile").recompile(func, info) or func
end

--- Refuses a row function that assigns to what lies outside of it (W705).
---@param func function
---@return table? err with `located`
function M.check_row_function(func)
  local info = M.function_info(func)
  if not info then
    return nil
  end
  require("weir.grammar.scope").resolve(info.file.ast)
  local first = info.node.writes_outside[1]
  if not first then
    return nil
  end
  return failure(info.file, "W705", first.from, first.from + #first.name - 1,
    ("a row function assigns to `%s`"):format(first.name),
    "state belongs into `process` or an aggregate")
end

--- What a row function reads from outside although the script changes it (W910): the value at the
--- start of the run holds.
---@param func function
---@return table[] hints errors with `located`, in the order of the text
function M.row_function_hints(func)
  local info = M.function_info(func)
  local hints = {}
  if not info then
    return hints
  end
  require("weir.grammar.scope").resolve(info.file.ast)
  local seen = {}
  lua.walk(info.node.body, function(node)
    local decl = node.k == "name" and node.decl
    if decl and info.node.captures[decl] and decl.writes > 0 and not seen[decl] then
      seen[decl] = true
      hints[#hints + 1] = failure(info.file, "W910", node.from, node.to,
        ("`%s` is not constant"):format(node.name),
        "the script assigns it more than once; the value at the start of the run holds")
    end
  end)
  table.sort(hints, function(a, b)
    return a.located.line < b.located.line
      or (a.located.line == b.located.line and a.located.col < b.located.col)
  end)
  return hints
end

--- Is a global of this name assigned in any file that has been loaded, by whatever may run?
---@param name string
---@return boolean
function M.is_assigned(name)
  for _, file in ipairs(files) do
    if file.ast then
      require("weir.grammar.scope").resolve(file.ast)
      if file.ast.assigned[name] then
        return true
      end
    end
  end
  return false
end

-- ── modules ─────────────────────────────────────────────────────────────────────────────────────
local function no_module(name, help)
  return { code = "W704", message = ("no module `%s`"):format(name), help = help, arg = "1" }
end

local function read_file(path)
  local handle, message = io.open(path, "rb")
  if not handle then
    return nil, message
  end
  local text = handle:read("a")
  handle:close()
  if not text then
    return nil, path .. ": cannot be read"
  end
  return text
end

--- Loads a module of the script: `name.lua` in `dir`, dots in the name are folders.
---@param name string letters a-z, digits, `_` and dots
---@param dir string the script's folder
---@param env table?
---@param hooks table? as of `load`; also `read(path) -> text | nil, message` in place of files
---@return function? chunk, table? err
function M.module(name, dir, env, hooks)
  local dotted = ("." .. tostring(name) .. ".")
  if type(name) ~= "string" then
    return nil, no_module(tostring(name), "a module's name is a string")
  elseif not dotted:find("^[a-z0-9_.]+$") or dotted:find("..", 1, true) then
    return nil, no_module(name, "names are made of `a-z`, `0-9`, `_`, and `.` between folders")
  end
  local path = name:gsub("%.", "/") .. ".lua"
  if dir ~= "." and dir ~= "" then
    path = dir:gsub("/+$", "") .. "/" .. path
  end
  local text, message = (hooks and hooks.read or read_file)(path)
  if not text then
    return nil, no_module(name, ("it would be %s beside the script: %s"):format(path, message))
  end
  local chunk, err = M.load(text, path, env, hooks)
  if chunk then
    files[#files].module = name
  end
  return chunk, err
end

--- A `require` for scripts: modules of `dir`, each run once. Raises an error table.
---@return fun(name: string): any
function M.requirer(dir, env, hooks)
  local loaded, loading = {}, {}
  return function(name)
    local mark = M.take_mark()
    if loaded[name] == nil then
      local err = loading[name] and no_module(tostring(name), "it requires itself")
      local chunk
      if not err then
        chunk, err = M.module(name, dir, env, hooks)
      end
      if err then
        err.mark = not err.located and mark or nil
        error(err, 0)
      end
      loading[name] = true
      local value = chunk(name)
      loading[name] = nil
      loaded[name] = value == nil and true or value
    end
    return loaded[name]
  end
end

--- What has been loaded, in order: {name=, hash=, marked=, module=nil for the script}.
function M.files()
  local list = {}
  for i, file in ipairs(files) do
    list[i] = { name = file.name, hash = file.hash, marked = file.marked, module = file.module }
  end
  return list
end

return M
