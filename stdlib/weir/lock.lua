--- The lock file of a script, `SCRIPT.schema`: the schemas of its sources as they were when
--- `weir schema pull` looked. Text that is committed; one section a source, one field a line.
local diag = require("weir.diag")
local schema = require("weir.schema")
local schema_text = require("weir.schema_text")
local M = {}

--- Bytes of a lock file.
M.BYTES_MAX = 4194304

local function read_text(path)
  local handle = io.open(path, "rb")
  if not handle then
    return nil
  end
  local text = handle:read(M.BYTES_MAX + 1)
  handle:close()
  return text or ""
end

--- The sections of a lock file's text: {name=, from_line=, text=}.
local function sections(text)
  local found, current, number = {}, nil, 0
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do
    number = number + 1
    local name = line:match("^%[(.+)%]%s*$")
    if name then
      current = { name = name, line = number, lines = {} }
      found[#found + 1] = current
    elseif current then
      current.lines[#current.lines + 1] = line
    elseif line:find("%S") and not line:find("^%s*%-%-") then
      return nil, number
    end
  end
  return found
end

local function broken(path, line, message)
  local err = diag.new({}, {
    code = "W407", message = ("lock file: %s"):format(message),
    help = "write it again: `weir schema pull`",
  })
  err.located = { file = path, line = line, col = 1, caret_len = 0 }
  return nil, err
end

--- Reads a lock file: fields by source. No file is no lock.
---@return table<string, table[]>? locks, weir.Diagnostic? err
function M.read(path)
  local text = read_text(path)
  if not text then
    return {}
  elseif #text > M.BYTES_MAX then
    return broken(path, 1, ("more than %d bytes"):format(M.BYTES_MAX))
  end
  local found, line = sections(text)
  if not found then
    return broken(path, line, "a field stands before the first `[source]`")
  end
  local locks = {}
  for _, section in ipairs(found) do
    local fields, err = schema_text.parse(table.concat(section.lines, "\n"))
    if not fields then
      return broken(path, section.line, ("[%s]: %s"):format(section.name, err.message))
    end
    locks[section.name] = fields
  end
  return locks
end

--- The text of a lock file.
---@param name string of the script
---@param sources table[] {name=, fields=} in the order of the script
function M.text(name, sources)
  local parts = { ("-- The schemas of the sources of %s, written by `weir schema pull %s`."):format(
    name, name) }
  for _, source in ipairs(sources) do
    parts[#parts + 1] = ("\n[%s]\n%s"):format(source.name, schema.text(source.fields))
  end
  return table.concat(parts, "\n") .. "\n"
end

--- May a column be read as the locked type, though its values look like another?
local function fits(locked, real, guess)
  local as_text = real == "string" or real == "timestamp" or real == "date"
  return locked == real or guess == "nothing"
    or guess ~= nil and locked == "float64" and real == "int64"
    or guess == "text" and locked == "string"
    or guess == "value" and (locked == "json" or locked == "string" and as_text)
end

--- How the real fields differ from the locked ones, as text; nil when they do not. A type that was
--- inferred and fits into the locked one is no difference: the locked one is read.
---@param locked table[] fields
---@param real table[] fields
---@param guesses table<string, string> by column whose type nobody declared: inferred from "text",
---  from each "value" with a kind of its own, or from "nothing"
---@return string?
function M.difference(locked, real, guesses)
  local types, seen = {}, {}
  for _, field in ipairs(real) do
    types[field.name] = schema.type_text(field.type)
  end
  for _, field in ipairs(locked) do
    local type = schema.type_text(field.type)
    seen[field.name] = true
    if types[field.name] == nil then
      return ("`%s` is missing"):format(field.name)
    elseif not fits(type, types[field.name], guesses[field.name]) then
      return ("`%s` is %s, locked as %s"):format(field.name, types[field.name], type)
    end
  end
  for _, field in ipairs(real) do
    if not seen[field.name] then
      return ("`%s` %s is new"):format(field.name, schema.type_text(field.type))
    end
  end
  return nil
end

return M
