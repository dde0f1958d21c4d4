--- Rows of tests: between tables that people write, cells that the runtime takes, and text.
local json = require("weir.json")
local params = require("weir.params")
local schema = require("weir.schema")
local suggest = require("weir.suggest")
local value = require("weir.value")
local M = {}

--- Rows compared one by one with the best alignment; beyond, only by position.
M.ALIGNED_ROWS_MAX = 1000
--- Equal rows shown around a difference, and lines shown at most.
local CONTEXT, LINES_MAX = 2, 60

--- What Lua values a type takes as they are.
local PLAIN = {
  bool = "boolean", string = "string", bytes = "string", json = "string",
}
local TIMES = { timestamp = true, date = true, duration = true, decimal = true }

--- A value that a test wrote as a cell of a type, or nil and what is wrong.
local function to_cell(x, type_of, zone)
  local kind = type_of.kind
  if x == nil then
    return nil
  elseif value.is(x) then
    if x.type == kind then
      return { type = x.type, v = x.v }
    end
  elseif TIMES[kind] and type(x) == "string" then
    local typed = params.read(type_of, x, zone)
    if typed then
      return { type = typed.type, v = typed.v }
    end
  elseif kind == "int64" and math.type(x) == "integer" then
    return x
  elseif kind == "float64" and type(x) == "number" then
    return x + 0.0
  elseif PLAIN[kind] == type(x) then
    return x
  elseif (kind == "list" or kind == "struct" or kind == "map") and type(x) == "table" then
    return json.encode(x)
  elseif (kind == "list" or kind == "struct" or kind == "map") and type(x) == "string" then
    return x
  end
  return nil, ("must be %s, got %s"):format(schema.type_text(type_of),
    type(x) == "string" and ("%q"):format(x) or value.text(x))
end

local function positions_of(fields)
  local positions, names = {}, {}
  for i, field in ipairs(fields) do
    positions[field.name], names[i] = i, field.name
  end
  return positions, names
end

--- Rows by name or position → rows of cells by position, `n` columns each.
---@param zone string? of times without offset; UTC
---@return table[]? cells, string? message
function M.to_cells(fields, rows, zone)
  local positions, names = positions_of(fields)
  local all = {}
  if type(rows) ~= "table" then
    return nil, "rows must be a table of rows"
  end
  for number, row in ipairs(rows) do
    local cells = { n = #fields }
    for key, x in pairs(row) do
      local at = positions[key] or math.tointeger(tonumber(key))
      if not at or at < 1 or at > #fields then
        local near = type(key) == "string" and suggest.nearest(key, names)
        return nil, ("row %d: unknown column `%s`%s; columns: %s"):format(number, tostring(key),
          near and (", did you mean `%s`?"):format(near) or "", table.concat(names, ", "))
      end
      local cell, message = to_cell(x, fields[at].type, zone)
      if cell == nil then
        return nil, ("row %d: column `%s` %s"):format(number, fields[at].name, message)
      end
      cells[at] = cell
    end
    all[number] = cells
  end
  return all
end

--- The first cell that is nil where a source demands a value, as a message; nil: there is none.
function M.missing(fields, cells)
  for number, row in ipairs(cells) do
    for at, field in ipairs(fields) do
      if field.required and row[at] == nil then
        return ("row %d: column `%s` is required; a run rejects such a record as it reads (W512), "
          .. "and a test feeds what was read"):format(number, field.name)
      end
    end
  end
end

local function from_cell(cell)
  if type(cell) == "table" and cell.type and not value.is(cell) then
    return value[cell.type](cell.v)
  end
  return cell
end

--- Cells by position → rows by name, with typed values.
function M.from_cells(fields, rows)
  local all = {}
  for i, cells in ipairs(rows) do
    local row = {}
    for at, field in ipairs(fields) do
      row[field.name] = from_cell(cells[at])
    end
    all[i] = row
  end
  return all
end

-- ── text ────────────────────────────────────────────────────────────────────────────────────────
local function csv_field(x)
  if x == nil then
    return ""
  end
  local text = value.text(x)
  if text == "" or text:find("[,\"\r\n]") then
    return "\"" .. text:gsub("\"", "\"\"") .. "\""
  end
  return text
end

M.FORMATS = {}

function M.FORMATS.csv(fields, rows)
  local lines, cells = {}, {}
  for i, field in ipairs(fields) do
    cells[i] = csv_field(field.name)
  end
  lines[1] = table.concat(cells, ",")
  for number, row in ipairs(rows) do
    for i, field in ipairs(fields) do
      cells[i] = csv_field(row[field.name])
    end
    lines[number + 1] = table.concat(cells, ",")
  end
  return table.concat(lines, "\n") .. "\n"
end

local NESTED = { json = true, list = true, struct = true, map = true }

function M.FORMATS.ndjson(fields, rows)
  local lines = {}
  for number, row in ipairs(rows) do
    local cells = {}
    for i, field in ipairs(fields) do
      local x = row[field.name]
      local text = NESTED[field.type.kind] and x ~= nil and x or json.encode(x)
      cells[i] = json.string(field.name) .. ":" .. text
    end
    lines[number] = "{" .. table.concat(cells, ",") .. "}\n"
  end
  return table.concat(lines)
end

--- One record of CSV from byte `at`: fields {text=, quoted=}, and where the next one begins.
local function csv_record(text, at)
  local fields = {}
  while true do
    if text:sub(at, at) == "\"" then
      local past = at + 1
      local parts = {}
      while true do
        local close = text:find("\"", past, true)
        if not close then
          return nil, "a quote is not closed"
        end
        parts[#parts + 1] = text:sub(past, close - 1)
        past = close + 1
        if text:sub(past, past) ~= "\"" then
          break
        end
        parts[#parts + 1] = "\""
        past = past + 1
      end
      fields[#fields + 1] = { text = table.concat(parts), quoted = true }
      at = past
    else
      local word = text:match("^[^,\n]*", at)
      fields[#fields + 1] = { text = word:match("^%s*(.-)%s*$") }
      at = at + #word
    end
    local separator = text:sub(at, at)
    at = at + 1
    if separator ~= "," then
      return fields, at
    end
  end
end

local function read_csv_cell(field, cell)
  if cell.text == "" and not cell.quoted then
    return nil
  elseif NESTED[field.type.kind] then
    return cell.text
  end
  return params.read(field.type, cell.text)
end

--- CSV text with a header line → cells; indentation of lines is no part of it.
---@return table[]? cells, string? message
function M.parse_csv(fields, text)
  text = text:gsub("^%s*\n", ""):gsub("\n[ \t]+", "\n"):gsub("^[ \t]+", ""):gsub("%s*$", "")
  local positions = positions_of(fields)
  local header, at = csv_record(text, 1)
  if not header then
    return nil, at
  end
  local rows, number = {}, 0
  while at <= #text do
    local record, past = csv_record(text, at)
    number = number + 1
    if not record then
      return nil, ("row %d: %s"):format(number, past)
    elseif #record ~= #header then
      return nil, ("row %d has %d fields, the header %d"):format(number, #record, #header)
    end
    local row = {}
    for i, cell in ipairs(record) do
      local name = header[i].text
      local field = fields[positions[name]]
      if field then
        local x, message = read_csv_cell(field, cell)
        if x == nil and message then
          return nil, ("row %d: column `%s`: %s"):format(number, name, message)
        end
        row[name] = x
      else
        row[name] = cell.text -- told by to_cells, which knows the columns
      end
    end
    rows[number], at = row, past
  end
  return M.to_cells(fields, rows)
end

-- ── differences ─────────────────────────────────────────────────────────────────────────────────

--- A longest common subsequence of two lists of texts, as pairs of positions.
--- Wagner and Fischer, "The String-to-String Correction Problem", 1974.
local function align(a, b)
  local lengths = { [#a + 1] = {} }
  for j = 1, #b + 1 do
    lengths[#a + 1][j] = 0
  end
  for i = #a, 1, -1 do
    lengths[i] = { [#b + 1] = 0 }
    for j = #b, 1, -1 do
      lengths[i][j] = a[i] == b[j] and lengths[i + 1][j + 1] + 1
        or math.max(lengths[i + 1][j], lengths[i][j + 1])
    end
  end
  local edits, i, j = {}, 1, 1
  while i <= #a or j <= #b do
    if i <= #a and j <= #b and a[i] == b[j] then
      edits[#edits + 1] = { " ", a[i] }
      i, j = i + 1, j + 1
    elseif i <= #a and (j > #b or lengths[i + 1][j] >= lengths[i][j + 1]) then
      edits[#edits + 1] = { "-", a[i] }
      i = i + 1
    else
      edits[#edits + 1] = { "+", b[j] }
      j = j + 1
    end
  end
  return edits
end

--- Beyond ALIGNED_ROWS_MAX: position by position.
local function pair_up(a, b)
  local edits = {}
  for i = 1, math.max(#a, #b) do
    if a[i] == b[i] then
      edits[#edits + 1] = { " ", a[i] }
    else
      edits[#edits + 1] = a[i] and { "-", a[i] } or nil
      edits[#edits + 1] = b[i] and { "+", b[i] } or nil
    end
  end
  return edits
end

--- The edits as lines, equal ones only near a difference; nil when there is no difference.
local function show(edits)
  local near, differs = {}, false
  for i, edit in ipairs(edits) do
    if edit[1] ~= " " then
      differs = true
      for j = i - CONTEXT, i + CONTEXT do
        near[j] = true
      end
    end
  end
  if not differs then
    return nil
  end
  local lines, skipped = {}, false
  for i, edit in ipairs(edits) do
    if near[i] and #lines < LINES_MAX then
      lines[#lines + 1] = edit[1] .. " " .. edit[2]
      skipped = false
    elseif not skipped then
      lines[#lines + 1] = "  …"
      skipped = true
    end
  end
  return table.concat(lines, "\n")
end

local function difference_of(a, b)
  local small = #a <= M.ALIGNED_ROWS_MAX and #b <= M.ALIGNED_ROWS_MAX
  return show(small and align(a, b) or pair_up(a, b))
end

--- Rows as lines of aligned columns under a title line; typed: 1 and 1.0 are different.
local function to_lines(fields, rows, widths)
  local lines = {}
  for number, row in ipairs(rows) do
    local cells = {}
    for i, field in ipairs(fields) do
      local x = row[field.name]
      local text = x == nil and "nil" or (type(x) == "string" and json.string(x)) or value.text(x)
      if math.type(x) == "float" and text:find("^-?%d+$") then
        text = text .. ".0"
      end
      cells[i] = text
      widths[i] = math.max(widths[i], utf8.len(text) or #text)
    end
    lines[number] = cells
  end
  return lines
end

local function pad(lines, widths)
  local padded = {}
  for number, cells in ipairs(lines) do
    local parts = {}
    for i, text in ipairs(cells) do
      parts[i] = text .. (" "):rep(widths[i] - (utf8.len(text) or #text))
    end
    padded[number] = (table.concat(parts, "  "):gsub("%s+$", ""))
  end
  return padded
end

--- How rows differ from what was expected; nil when they do not.
---@return string?
function M.difference(fields, expected, got)
  local widths, title = {}, {}
  for i, field in ipairs(fields) do
    widths[i], title[i] = utf8.len(field.name) or #field.name, field.name
  end
  local a, b = to_lines(fields, expected, widths), to_lines(fields, got, widths)
  local text = difference_of(pad(a, widths), pad(b, widths))
  return text and ("  %s\n%s"):format(pad({ title }, widths)[1], text)
end

--- How two texts differ, line by line; nil when they do not.
function M.difference_of_lines(expected, got)
  local function split(text)
    local lines = {}
    for line in text:gmatch("([^\n]*)\n?") do
      lines[#lines + 1] = line
    end
    return lines
  end
  return expected ~= got and (difference_of(split(expected), split(got))
    or "  only the newline at the end differs") or nil
end

return M
