--- Errors as people read them. Every code has a row in `weir.error_codes`: its message, its help
--- and a page with an example of what is wrong and what is right.
local M = {}

--- Characters of a source line that are shown; more are cut around the caret.
M.WIDTH = 100

local FAMILIES = {
  W0 = "text", W1 = "names and types", W2 = "stages", W3 = "time, state, updates",
  W4 = "endpoints", W5 = "rows", W6 = "the run", W7 = "Lua", W9 = "hints",
}

--- What a code belongs to: "names and types" of W103.
---@param code string
---@return string?
function M.family(code)
  return FAMILIES[code:sub(1, 2)]
end

--- "error", or "warning" for what a script may have (W9).
function M.severity(err)
  return err.severity or (err.code and err.code:find("^W9") and "warning") or "error"
end

-- ── characters ──────────────────────────────────────────────────────────────────────────────────
-- Ranges of code points that take two columns; after Unicode's EastAsianWidth, emoji included.
local WIDE = {
  0x1100, 0x115f, 0x2e80, 0x303e, 0x3041, 0xa4cf, 0xac00, 0xd7a3, 0xf900, 0xfaff, 0xfe30, 0xfe6f,
  0xff00, 0xff60, 0xffe0, 0xffe6, 0x1f300, 0x1f64f, 0x1f900, 0x1f9ff, 0x20000, 0x3fffd,
}

local function columns(code)
  if code < 0x300 then
    return 1
  elseif code <= 0x36f or code == 0x200b or code == 0x200d then
    return 0 -- combining marks, joiners without width
  end
  for i = 1, #WIDE, 2 do
    if code >= WIDE[i] and code <= WIDE[i + 1] then
      return 2
    end
  end
  return 1
end

--- The characters of a line; what a terminal would obey, and bytes that are no UTF-8, become `?`.
local function characters(line)
  local list, i = {}, 1
  while i <= #line do
    local text = line:match("^[\xc2-\xf4][\x80-\xbf]+", i)
    if not text or utf8.len(text) ~= 1 then
      text = line:sub(i, i)
    end
    i = i + #text
    if #text == 1 and text ~= "\t" and text:find("[%c\x80-\xff]") then
      text = "?"
    end
    list[#list + 1] = text
  end
  return list
end

--- Text without what a terminal would obey; line breaks stay.
local function harmless(text)
  local lines = {}
  for line in (text .. "\n"):gmatch("(.-)\n") do
    lines[#lines + 1] = table.concat(characters(line))
  end
  return table.concat(lines, "\n")
end

--- Cuts a line of characters around the caret. Returns the part and the caret's place in it.
local function cut(list, col, length)
  if #list <= M.WIDTH then
    return list, col, length
  end
  length = math.min(length, M.WIDTH // 2)
  local first = math.max(1, math.min(col - M.WIDTH // 3, #list - M.WIDTH + 1))
  local last = math.min(#list, first + M.WIDTH - 1)
  local part = table.move(list, first, last, 1, {})
  if first > 1 then
    part[1] = "…"
  end
  if last < #list then
    part[#part] = "…"
  end
  return part, col - first + 1, length
end

-- ── text ────────────────────────────────────────────────────────────────────────────────────────
local COLORS = {
  error = "\27[1;31m", warning = "\27[1;33m", help = "\27[1;36m", strong = "\27[1m",
  faint = "\27[2m",
}

local function painter(color)
  return function(kind, text)
    if not color then
      return text
    end
    return COLORS[kind] .. text .. "\27[0m"
  end
end

--- A source line and its caret: tabs are copied, so that the caret stands where the text does.
local function excerpt(out, paint, severity, gutter, line, col, length)
  local list
  list, col, length = cut(characters(line), col, length)
  local before = {}
  for i = 1, col - 1 do
    local character = list[i] or " "
    before[i] = character == "\t" and "\t" or (" "):rep(columns(utf8.codepoint(character)))
  end
  local width = 0
  for i = col, col + length - 1 do
    local character = list[i]
    width = width + (character and character ~= "\t" and columns(utf8.codepoint(character)) or 1)
  end
  local caret = "^" .. ("~"):rep(math.max(width, 1) - 1)
  local blank = (" "):rep(utf8.len(gutter))
  out[#out + 1] = paint("faint", ("  %s | "):format(gutter)) .. table.concat(list)
  out[#out + 1] = paint("faint", ("  %s | "):format(blank)) .. table.concat(before)
    .. paint(severity, caret)
end

--- The line of `content` that holds byte `from`, for text that stands in no script.
local function content_line(err)
  local from = math.min(err.from, #err.content + 1)
  local start = from
  while start > 1 and not err.content:sub(start - 1, start - 1):find("[\r\n]") do
    start = start - 1
  end
  local line = err.content:match("^[^\r\n]*", start)
  local col = #characters(line:sub(1, from - start)) + 1
  local length = #characters(line:sub(from - start + 1, (err.to or from) - start + 1))
  return line, col, math.max(length, 1)
end

local function add_notes(out, paint, severity, err, place)
  for _, note in ipairs(place.notes or {}) do
    if note.line and note.text == "called from" then
      out[#out + 1] = ("%s called from %s:%d"):format(paint("help", "note:"), note.file, note.line)
    elseif note.line then
      out[#out + 1] = ("%s %s: %s:%d:%d"):format(paint("help", "note:"), note.text, note.file,
        note.line, note.col)
      excerpt(out, paint, severity, tostring(note.line), note.source_line, note.col, note.caret_len)
    else
      out[#out + 1] = ("%s %s"):format(paint("help", "note:"), harmless(note.text))
      if err.content and err.from then
        excerpt(out, paint, severity, " ", content_line(err))
      end
    end
  end
end

local function render_text(err, place, color)
  local paint, severity = painter(color), M.severity(err)
  local where = place and ("%s:%d:%d: "):format(place.file, place.line, place.col) or ""
  local code = err.code and ("[%s]"):format(err.code) or ""
  local out = {
    paint("strong", harmless(where)) .. paint(severity, severity .. code .. ":") .. " "
      .. paint("strong", harmless(err.message)),
  }
  if place and place.source_line then
    excerpt(out, paint, severity, tostring(place.line), place.source_line, place.col,
      place.caret_len or 1)
  elseif err.content and err.from then
    excerpt(out, paint, severity, " ", content_line(err))
  end
  if err.help then
    out[#out + 1] = paint("help", "help:") .. " " .. harmless(err.help)
  end
  if place then
    add_notes(out, paint, severity, err, place)
  end
  return table.concat(out, "\n")
end

-- ── for programs ────────────────────────────────────────────────────────────────────────────────
local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function json_string(text)
  local _, bad = utf8.len(text)
  while bad do
    text = text:sub(1, bad - 1) .. "\u{fffd}" .. text:sub(bad + 1)
    _, bad = utf8.len(text)
  end
  return '"' .. text:gsub('[%c"\\]', function(c)
    return ESCAPES[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

local function json_object(pairs_list)
  local parts = {}
  for i = 1, #pairs_list, 2 do
    local key, value = pairs_list[i], pairs_list[i + 1]
    if value ~= false then
      local text = type(value) == "string" and json_string(value)
        or type(value) == "table" and value[1] or tostring(value)
      parts[#parts + 1] = ("%s:%s"):format(json_string(key), text)
    end
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

--- An error as data; what is not known of it is nil.
---@return table {file=, line=, col=, end_col=, severity=, code=, message=, help=, notes=}
function M.facts(err, place)
  local notes = {}
  for i, note in ipairs(place and place.notes or {}) do
    notes[i] = { text = note.text, file = note.file, line = note.line, col = note.col }
  end
  local facts = { severity = M.severity(err), code = err.code, message = err.message,
    help = err.help, notes = notes[1] and notes }
  if place then
    facts.file, facts.line, facts.col = place.file, place.line, place.col
    facts.end_col = place.col + (place.caret_len or 1)
  end
  return facts
end

--- One line of JSON, what is looked at first in front.
local function render_json(err, place)
  local function object(facts, names)
    local list = {}
    for _, name in ipairs(names) do
      list[#list + 1], list[#list + 2] = name, facts[name] or false
    end
    return json_object(list)
  end
  local facts, notes = M.facts(err, place), {}
  for i, note in ipairs(facts.notes or {}) do
    notes[i] = object(note, { "text", "file", "line", "col" })
  end
  facts.notes = notes[1] and { "[" .. table.concat(notes, ",") .. "]" }
  return object(facts, { "file", "line", "col", "end_col", "severity", "code", "message", "help",
    "notes" })
end

local function github_escape(text, property)
  text = text:gsub("%%", "%%25"):gsub("\r", "%%0D"):gsub("\n", "%%0A")
  if property then
    text = text:gsub(":", "%%3A"):gsub(",", "%%2C")
  end
  return text
end

--- A workflow command of GitHub Actions, which shows the error at the line of a change.
local function render_github(err, place)
  local properties = {}
  if place then
    properties[1] = "file=" .. github_escape(place.file, true)
    properties[2] = "line=" .. place.line
    properties[3] = "col=" .. place.col
    properties[4] = "endColumn=" .. place.col + (place.caret_len or 1)
  end
  if err.code then
    properties[#properties + 1] = "title=" .. err.code
  end
  local text = err.help and err.message .. "\nhelp: " .. err.help or err.message
  local words = table.concat(properties, ",")
  return ("::%s%s%s::%s"):format(M.severity(err), words ~= "" and " " or "", words,
    github_escape(text, false))
end

--- An error as text, without a line break at its end.
---@param err table {code=, message=, help=, content=, from=, to=, severity=}
---@param place table? as of loader.locate; nil when the error is about no script
---@param opts { color: boolean?, format: "text"|"json"|"github"? }?
---@return string
function M.render(err, place, opts)
  local format = opts and opts.format or "text"
  if format == "json" then
    return render_json(err, place)
  elseif format == "github" then
    return render_github(err, place)
  end
  return render_text(err, place, opts and opts.color)
end

-- ── the table of codes ──────────────────────────────────────────────────────────────────────────
--- The row of a code: {message=, help=, page=, wrong=, right=}, or nil.
---@param code string "W103", in any case
function M.lookup(code)
  return require("weir.error_codes")[code:upper()]
end

--- All codes, in order.
---@return string[]
function M.codes()
  local list = {}
  for code in pairs(require("weir.error_codes")) do
    list[#list + 1] = code
  end
  table.sort(list)
  return list
end

local function wrap(out, text, indent)
  local line = indent
  for word in text:gmatch("%S+") do
    if utf8.len(line) + utf8.len(word) + 1 > 80 and line ~= indent then
      out[#out + 1] = line
      line = indent
    end
    line = line == indent and indent .. word or line .. " " .. word
  end
  out[#out + 1] = line
end

local function example(out, title, text)
  if text then
    out[#out + 1] = title
    for line in (text .. "\n"):gmatch("(.-)\n") do
      out[#out + 1] = "    " .. line
    end
  end
end

--- What the page says of a code whose stage or check is still to come.
M.LATER = "This version never says it: what would does not exist yet."

--- The page of a code, at most 80 columns wide, or nil and the code that may be meant.
---@param code string
---@return string? page, string? near
function M.page(code)
  local row = M.lookup(code)
  if not row then
    return nil, require("weir.suggest").nearest(code:upper(), M.codes())
  end
  local out = {}
  wrap(out, ("%s: %s"):format(code:upper(), row.message), "")
  if row.help then
    wrap(out, "help: " .. row.help, "")
  end
  out[#out + 1] = ""
  wrap(out, row.page, "")
  if row.later then
    out[#out + 1] = ""
    wrap(out, M.LATER, "")
  end
  out[#out + 1] = ""
  example(out, "wrong:", row.wrong)
  example(out, "right:", row.right)
  return table.concat(out, "\n")
end

return M
