--- What decides the results of a Lua function: its text, the values that it takes from outside, and
--- the functions that it calls. A state belongs to scripts whose functions agree in it.
local value = require("weir.value")
local M = {}

--- Values further away than so many tables and functions are not looked at.
M.DEPTH_MAX = 8

--- Functions of the library whose results are not those of the row alone.
local VOLATILE = { now = true, random = true }

--- The global names that the text of a function uses.
local function globals_of(info)
  require("weir.grammar.scope").resolve(info.file.ast)
  local names, seen = {}, {}
  require("weir.grammar.lua").walk(info.node.body, function(node)
    if node.k == "name" and not node.decl and not seen[node.name] then
      seen[node.name] = true
      names[#names + 1] = node.name
    end
  end)
  table.sort(names)
  return names
end

local describe

local function describe_function(state, f, depth)
  local info = state.loader and state.loader.function_info(f)
  local native = debug.getinfo(f, "S").what == "C"
  state:add(native and "native" or info and info.text or string.dump(f, true))
  for i = 1, native and 0 or math.huge do
    local name, x = debug.getupvalue(f, i)
    if not name then
      break
    elseif name ~= "_ENV" then
      state:add(name)
      describe(state, x, depth + 1)
    end
  end
  for _, name in ipairs(info and globals_of(info) or {}) do
    local x = info.file.env and rawget(info.file.env, name)
    state.volatile = state.volatile or VOLATILE[name] and x == nil or nil
    if x ~= nil then
      state:add(name)
      describe(state, x, depth + 1)
    end
  end
end

--- Tables with a metatable are streams, places and libraries: known by what stands in the plan.
local function describe_table(state, x, depth)
  local keys = {}
  for key in next, x do
    if type(key) == "string" or type(key) == "number" or type(key) == "boolean" then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys, function(a, b)
    if type(a) ~= type(b) then
      return type(a) > type(b)
    elseif type(a) == "boolean" then
      return a and not b
    end
    return a < b
  end)
  for _, key in ipairs(keys) do
    state:add(tostring(key))
    describe(state, rawget(x, key), depth + 1)
  end
end

function describe(state, x, depth)
  local kind = type(x)
  state:add(kind)
  if kind ~= "table" and kind ~= "function" then
    local text = kind == "number" and ("%q"):format(x) or tostring(x)
    state:add(kind == "string" and text or (text:gsub("0x%x+$", ""))) -- no addresses
  elseif state.seen[x] or depth > M.DEPTH_MAX then
    return
  else
    state.seen[x] = true
    if kind == "function" then
      describe_function(state, x, depth)
    elseif value.is(x) then
      state:add(value.text(x))
    elseif getmetatable(x) == nil then
      describe_table(state, x, depth)
    end
  end
end

--- The fingerprint of a function, and whether it calls `now` or `random`, itself or by another.
---@param f function
---@param loader table? `weir.loader`, which knows the texts of functions
---@return string text, boolean? volatile
function M.of(f, loader)
  local parts = {}
  local state = { loader = loader, seen = { [f] = true }, add = function(_, text)
    parts[#parts + 1] = text
  end }
  describe_function(state, f, 0)
  return table.concat(parts, "\0"), state.volatile
end

return M
