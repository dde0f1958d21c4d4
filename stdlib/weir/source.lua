--- The text of one script: lines and columns, and the place in it that a message means.
--- A place is {file=, line=, col=, caret_len=, source_line=}; all count from 1, columns and the
--- caret in characters, lines as Lua counts them.
local lex = require("weir.grammar.lex")
local lua = require("weir.grammar.lua")
local M = {}

--- A script. `text` is what stock Lua compiles (no BOM, `#!` line blanked), `shown` what its author
--- wrote, of the same length.
---@param name string as messages print it
---@param original string the bytes of the file
---@return table file {name=, text=, shown=, ast=nil until known}; `bytes_before`, where it is set:
---  bytes of line 1 that its author did not write, which places do not count
function M.new(name, original)
  local shown = original:gsub("^\xef\xbb\xbf", "")
  local text = shown:gsub("^#[^\r\n]*", function(line)
    return (" "):rep(#line)
  end)
  return { name = name, shown = shown, text = text }
end

--- Lua's `load` of a text. Called in a pcall of its own, because an overflow of the C stack, which
--- deeply nested texts cause, would otherwise reach the message handler of whoever runs the script.
---@return function? chunk, string? message
function M.compile(text, chunkname, env)
  local ok, chunk, message = pcall(load, text, chunkname, "t", env)
  if ok then
    return chunk, message
  end
  return nil, tostring(chunk)
end

local function line_starts(file)
  local starts, i, text = { 1 + (file.bytes_before or 0) }, 1, file.text
  while true do
    i = text:find("[\r\n]", i)
    if not i then
      break
    end
    local pair = text:sub(i, i + 1)
    i = i + ((pair == "\r\n" or pair == "\n\r") and 2 or 1)
    starts[#starts + 1] = i
  end
  file.starts = starts
  return starts
end

--- The line that holds byte `at`, and the line's first byte.
function M.line_of(file, at)
  local starts = file.starts or line_starts(file)
  local low, high = 1, #starts
  while low < high do
    local middle = (low + high + 1) // 2
    if starts[middle] <= at then
      low = middle
    else
      high = middle - 1
    end
  end
  return low, starts[low]
end

--- The text of a line without its end, and its first byte; nil when there is no such line.
function M.line_text(file, line)
  local start = (file.starts or line_starts(file))[line]
  if not start then
    return nil
  end
  return file.shown:match("^[^\r\n]*", start), start
end

--- Characters in bytes [from, to] of `text`; bytes that are no UTF-8 count one each.
local function characters(text, from, to)
  if to < from then
    return 0
  end
  local part = text:sub(from, to)
  return utf8.len(part) or #part:gsub("[\xc2-\xf4][\x80-\xbf]+", "x")
end

--- The place of bytes [from, to]; what runs over a line is cut at its end.
function M.place(file, from, to)
  local line, start = M.line_of(file, from)
  local source_line = M.line_text(file, line)
  local line_end = start + #source_line - 1
  to = math.max(math.min(to or from, line_end), from)
  return {
    file = file.name,
    line = line,
    col = characters(file.shown, start, math.min(from - 1, line_end)) + 1,
    caret_len = math.max(characters(file.shown, from, math.min(to, line_end)), 1),
    source_line = source_line,
  }
end

--- The place of a whole line, from its first character that is not blank.
function M.line_place(file, line)
  local source_line, start = M.line_text(file, line)
  if not source_line then
    return { file = file.name, line = line, col = 1, caret_len = 1, source_line = "" }
  end
  local blank = #source_line:match("^%s*")
  if blank == #source_line then
    return M.place(file, start, start)
  end
  return M.place(file, start + blank, start + #source_line - 1)
end

-- ── calls and their strings ─────────────────────────────────────────────────────────────────────
local function unwrap(node)
  while node and node.k == "paren" do
    node = node.a
  end
  return node
end

--- The value of a string literal, or nil for any other node.
local function content_of(file, node)
  if node.k ~= "string" then
    return nil
  end
  return lex.decode(file.text:sub(node.from, node.to))
end

--- The item of a table constructor with this key, by name or as `["name"]`.
local function item_named(file, node, key)
  for _, item in ipairs(node.items) do
    if item.name == key or (item.key and content_of(file, item.key) == key) then
      return item
    end
  end
  return nil
end

local function nth_positional(node, n)
  for _, item in ipairs(node.items) do
    if not item.name and not item.key then
      n = n - 1
      if n == 0 then
        return item
      end
    end
  end
  return nil
end

--- The node that `arg` means: "1" the first argument, "key" an option, "within.2" a part of one.
local function argument(file, call, arg)
  local node
  for step in tostring(arg):gmatch("[^.]+") do
    local n = math.tointeger(tonumber(step))
    local found
    if node == nil and n then
      found = call.args[n]
    elseif node == nil then
      for _, candidate in ipairs(call.args) do
        candidate = unwrap(candidate)
        found = found or (candidate.k == "table" and item_named(file, candidate, step))
      end
      found = found and found.value
    elseif node.k == "table" then
      local item = n and nth_positional(node, n) or item_named(file, node, step)
      found = item and item.value
    end
    node = unwrap(found or nil)
    if not node then
      return nil
    end
  end
  return node
end

--- All string literals of this content below `node`.
local function strings_of(file, node, content)
  local found = {}
  lua.walk(node, function(child)
    if child.k == "string" and content_of(file, child) == content then
      found[#found + 1] = child
    end
  end)
  table.sort(found, function(a, b)
    return a.from < b.from
  end)
  return found
end

--- The place of bytes [from, to] of a string's value; without them of the whole literal.
function M.place_in_string(file, node, from, to)
  if not from then
    return M.place(file, node.from, node.to)
  end
  local map = {}
  lex.decode(file.text:sub(node.from, node.to), map)
  from = math.min(math.max(from, 1), #map)
  to = math.min(math.max(to or from, from), math.max(#map - 1, from))
  return M.place(file, node.from + map[from] - 1, node.from + map.past[to] - 2)
end

--- The place of the word that is called: the method, the last step of `a.b.c`, else its bracket.
function M.place_of_name(file, call)
  local callee = call.k == "method" and call or call.a
  if callee == call or callee.k == "field" then
    return M.place(file, callee.name_from, callee.name_from + #callee.name - 1)
  elseif callee.k == "name" then
    return M.place(file, callee.from, callee.to)
  end
  return M.place(file, call.open, call.open)
end

--- The place of an option's key in a call, or nil.
local function place_of_key(file, call, key)
  for _, node in ipairs(call.args) do
    node = unwrap(node)
    local item = node.k == "table" and item_named(file, node, key)
    if item and item.name then
      return M.place(file, item.name_from, item.name_from + #item.name - 1)
    elseif item then
      return M.place(file, item.key.from, item.key.to)
    end
  end
  return nil
end

--- The place in a marked call that an error means.
---@param call table node of k "call" or "method"
---@param what table key: an option's key; arg: see `argument`; content: the text that was read;
---  from, to: bytes of it; all may be missing
---@return table place, string[] notes, table[] also places that may be meant
function M.locate_in_call(file, call, what)
  if what.key then
    local place = place_of_key(file, call, what.key)
    if place then
      return place, {}, {}
    end
  end
  local node = what.arg and argument(file, call, what.arg)
  local content = what.content
  if node and not content and (node.k ~= "string" or not what.from) then
    return M.place(file, node.from, node.to), {}, {}
  elseif node and node.k == "string" and (not content or content_of(file, node) == content) then
    return M.place_in_string(file, node, what.from, what.to), {}, {}
  elseif not content then
    return M.place_of_name(file, call), {}, {}
  end
  local inside = strings_of(file, call.args, content)
  if inside[1] then
    return M.place_in_string(file, inside[1], what.from, what.to), {}, {}
  end
  local also = file.ast and strings_of(file, file.ast, content) or {}
  local places = {}
  if #also == 1 then
    places[1] = M.place_in_string(file, also[1], what.from, what.to)
  end
  return M.place_of_name(file, call), { "in a string made at run time" }, places
end

--- The same for a file without marks, of which only the line is known.
function M.locate_in_line(file, line, what)
  local found = what.content and file.ast and strings_of(file, file.ast, what.content) or {}
  local chosen = #found == 1 and found[1] or nil
  for _, node in ipairs(found) do
    chosen = chosen or (M.line_of(file, node.from) == line and node)
  end
  if chosen then
    return M.place_in_string(file, chosen, what.from, what.to)
  end
  return M.line_place(file, line)
end

return M
