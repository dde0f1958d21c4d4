--- Schemas as text: `id int64 key, amount decimal(18,2) required = decimal'0' @unit(EUR) -- note`.
--- Fields are separated by commas or new lines; what belongs to a field stands on its line. The
--- result is plain data, one table a field:
---   {name=, type=T, key=true?, required=true?, default=?, time_format=?, notes={pii="id"}?,
---    description=?, from=, to=}; from, to: the name's bytes in the text
---   T: {kind="int64"} …, {kind="decimal", precision=, scale=}, {kind="list", item=T},
---    {kind="map", key=T, value=T}, {kind="struct", fields={{name=, type=T}…}}
local lpeg = require("lpeg")
local lex = require("weir.grammar.lex")
local P, S, C, Cp = lpeg.P, lpeg.S, lpeg.C, lpeg.Cp
local M = {}

--- Types inside types.
M.NESTING_MAX = 16
--- Columns of one schema.
M.FIELDS_MAX = 4096
M.TEXT_BYTES_MAX = 1048576
--- What is kept of a description, and of the comments before a field.
M.DESCRIPTION_BYTES_MAX = 4096

M.PLAIN_TYPES = {
  "bool", "int64", "float64", "string", "bytes", "timestamp", "date", "duration", "json",
}
local ALL_TYPES = "bool int64 float64 decimal(p,s) string bytes timestamp date duration json "
  .. "list<T> struct<name T, …> map<K,V>"
local plain_types = {}
for _, kind in ipairs(M.PLAIN_TYPES) do
  plain_types[kind] = true
end

-- Names of other systems, and what weir calls them.
local MEANT = {
  int = "int64", integer = "int64", bigint = "int64", long = "int64", smallint = "int64",
  int32 = "int64", int16 = "int64", int8 = "int64", uint64 = "int64", uint32 = "int64",
  serial = "int64", bigserial = "int64", double = "float64", float = "float64", real = "float64",
  number = "float64", float32 = "float64", text = "string", varchar = "string", str = "string",
  char = "string", uuid = "string", enum = "string", boolean = "bool", datetime = "timestamp",
  timestamptz = "timestamp", time = "timestamp", interval = "duration", numeric = "decimal(p,s)",
  money = "decimal(p,s)", binary = "bytes", blob = "bytes", bytea = "bytes", jsonb = "json",
  object = "struct<…>", record = "struct<…>", row = "struct<…>", array = "list<…>",
  any = "json", variant = "json", dict = "map<…>",
}

local TIME_UNITS = { s = true, ms = true, us = true, ns = true }

local skip_inline = S(" \t") ^ 0 * Cp()
local skip = lex.skip * Cp()
local word = C(lex.ident) * Cp()
local name_token = lex.name * Cp()
local comment = P("--") * (#lex.long_open * C(lex.long) + C((1 - S("\r\n")) ^ 0)) * Cp()
local inline_comment = P("--") * C(lex.long_inline) * Cp()
local blank_lines = S(" \t\r\n\v\f") ^ 0 * Cp()

-- One parse: `text`, `at` (the next byte), and what it was asked for.
local Reader = {}
Reader.__index = Reader

--- Leaves the parse; `M.parse` and the others return what is raised here.
function Reader:fail(code, from, to, message, help)
  error({ code = code, from = from, to = to, message = message, help = help }, 0)
end

--- What stands at `at`, for messages: a word, or one character.
function Reader:seen(at)
  return self.text:match("^[%w_\x80-\xff]+", at) or self.text:sub(at, at)
end

function Reader:unexpected(expected, help)
  local at = self.at
  local found = self:seen(at)
  if found == "" then
    local last = #self.text:match("^(.-)%s*$") + 1
    self:fail("W001", last, last, "unexpected end, expected " .. expected, help)
  end
  local message = ("unexpected `%s`, expected %s"):format(found, expected)
  self:fail("W001", at, at + #found - 1, message, help)
end

function Reader:take(symbol, expected)
  self.at = lpeg.match(skip, self.text, self.at)
  if self.text:sub(self.at, self.at + #symbol - 1) ~= symbol then
    self:unexpected(expected or ("`%s`"):format(symbol))
  end
  self.at = self.at + #symbol
end

function Reader:accept(symbol)
  local at = lpeg.match(skip, self.text, self.at)
  if self.text:sub(at, at + #symbol - 1) ~= symbol then
    return false
  end
  self.at = at + #symbol
  return true
end

function Reader:name()
  local from = self.at
  local name, past = lpeg.match(name_token, self.text, from)
  if not name then
    local found = self:seen(from)
    if lex.keywords[found] then
      self:fail("W011", from, from + #found - 1,
        ("`%s` is a Lua keyword: write `` `%s` ``"):format(found, found))
    elseif found == "`" then
      self:fail("W007", from, #self.text, "string is not closed",
        "a name between backticks ends with a backtick, and is not empty")
    end
    local odd = self.text:match("^%d[%w_]*", from)
    self:unexpected("a name", odd and ("write `` `%s` ``"):format(odd)
      or found:find("^[\"']") and "names stand between backticks, not quotes" or nil)
  end
  local odd_at, character, help = lex.look_alike(name)
  if odd_at and self.text:sub(from, from) ~= "`" then
    self:fail("W001", from + odd_at - 1, from + odd_at + #character - 2,
      ("unexpected `%s`"):format(character), help)
  end
  self.at = past
  return name, from, past - 1
end

-- ── types ───────────────────────────────────────────────────────────────────────────────────────
function Reader:unknown_type(from, name)
  local meant = MEANT[name:lower()]
    or require("weir.suggest").nearest(name, { "decimal", "list", "struct", "map",
      table.unpack(M.PLAIN_TYPES) })
  local message = ("unknown type `%s`"):format(name)
  if meant then
    message = ("%s: did you mean `%s`?"):format(message, meant)
  end
  self:fail("W116", from, from + #name - 1, message, "types: " .. ALL_TYPES)
end

function Reader:whole_number(low, high, what)
  self.at = lpeg.match(skip, self.text, self.at)
  local digits = self.text:match("^%d+", self.at)
  local value = digits and math.tointeger(tonumber(digits))
  if not value or value < low or value > high then
    local from, to = self.at, self.at + math.max(#self:seen(self.at), 1) - 1
    self:fail("W116", from, to, ("%s is a whole number from %d to %d"):format(what, low, high))
  end
  self.at = self.at + #digits
  return value
end

local composed = {}

function composed.decimal(reader, from)
  if not reader:accept("(") then
    reader:fail("W116", from, from + #"decimal" - 1, "`decimal` needs its digits: `decimal(p,s)`",
      "`decimal(18,2)` has 18 digits, two of them behind the point; at most 38")
  end
  local precision = reader:whole_number(1, 38, "the precision")
  local scale = 0
  if reader:accept(",") then
    scale = reader:whole_number(0, precision, "the scale")
  end
  reader:take(")")
  return { kind = "decimal", precision = precision, scale = scale }
end

function composed.list(reader, _, depth)
  reader:take("<", "`<`, as in `list<string>`")
  local item = reader:type(depth + 1)
  reader:take(">")
  return { kind = "list", item = item }
end

function composed.map(reader, _, depth)
  reader:take("<", "`<`, as in `map<string,int64>`")
  local key = reader:type(depth + 1)
  reader:take(",")
  local value = reader:type(depth + 1)
  reader:take(">")
  return { kind = "map", key = key, value = value }
end

function composed.struct(reader, _, depth)
  reader:take("<", "`<`, as in `struct<name string>`")
  local fields, seen = {}, {}
  repeat
    reader.at = lpeg.match(skip, reader.text, reader.at)
    local name, from, to = reader:name()
    if seen[name] then
      reader:fail("W105", from, to, ("duplicate name `%s`"):format(name))
    end
    seen[name] = true
    fields[#fields + 1] = { name = name, type = reader:type(depth + 1) }
  until not reader:accept(",")
  reader:take(">")
  return { kind = "struct", fields = fields }
end

--- A type at the next word; returns its `(format)` too, which only a column may have.
function Reader:type(depth)
  self.at = lpeg.match(skip, self.text, self.at)
  local from = self.at
  local kind, past = lpeg.match(word, self.text, from)
  if not kind then
    self:unexpected("a type", self:seen(from) == ":" and "write `name type`, without `:`"
      or "types: " .. ALL_TYPES)
  elseif depth > M.NESTING_MAX then
    self:fail("W116", from, past - 1,
      ("types inside types, deeper than %d levels"):format(M.NESTING_MAX))
  end
  self.at = past
  if composed[kind] then
    return composed[kind](self, from, depth)
  elseif not plain_types[kind] then
    self:unknown_type(from, kind)
  end
  local format = nil
  if self.text:sub(self.at, self.at) == "(" then
    if kind ~= "timestamp" and kind ~= "date" then
      self:fail("W116", from, self.at, ("`%s` takes nothing in brackets"):format(kind))
    elseif depth > 1 then
      self:fail("W116", from, self.at, "only the type of a column itself says how text is read")
    end
    format = self:time_format(kind)
  end
  return { kind = kind }, format
end

--- `(ms)` or `('%d.%m.%Y')`.
function Reader:time_format(kind)
  self:take("(")
  self.at = lpeg.match(skip, self.text, self.at)
  local from = self.at
  local raw, past = lpeg.match(C(lex.string) * Cp(), self.text, from)
  local format = raw and lex.decode(raw)
  if not raw then
    format, past = lpeg.match(word, self.text, from)
    if not format or not TIME_UNITS[format] or kind == "date" then
      self:unexpected(kind == "date" and "a format as `'%d.%m.%Y'`"
        or "`s`, `ms`, `us`, `ns` or a format as `'%d.%m.%Y'`")
    end
  elseif not format or format == "" or not format:find("%%") then
    self:fail("W114", from, past - 1, ("bad literal: %s is no format of a time"):format(raw),
      "a format holds `%Y %m %d %H %M %S` and the like")
  end
  self.at = past
  self:take(")")
  return format
end

-- ── defaults, notes ─────────────────────────────────────────────────────────────────────────────
local function fits(kind, literal)
  if kind == "int64" then
    return literal.type == "int64"
  elseif kind == "float64" then
    return literal.type == "int64" or literal.type == "float64"
  elseif kind == "bool" then
    return literal.type == "bool"
  elseif kind == "decimal" then
    return literal.type == "string" or literal.type == "int64"
  end
  return literal.type == "string"
end

local literal_pattern = C((lex.word("true") + lex.word("false") + lex.word("nil"))
  + S("+-") ^ -1 * lex.number + (lex.ident * lex.skip) ^ -1 * lex.string) * Cp()

--- The value behind `=`: a literal of the column's type, or the text of one.
function Reader:default(kind)
  self.at = lpeg.match(skip_inline, self.text, self.at)
  local from = self.at
  local text, past = lpeg.match(literal_pattern, self.text, from)
  if not text then
    self:unexpected(("a literal of %s"):format(kind))
  end
  self.at = past
  local function bad(help)
    self:fail("W114", from, past - 1, ("bad literal: `%s` is no %s"):format(text, kind), help)
  end
  local sign = text:match("^[+-]")
  local ast, err = require("weir.grammar.expr").parse_expr(sign and text:sub(2) or text)
  if not ast then
    self:fail(err.code, from, past - 1, err.message, err.help)
  end
  if ast.k == "call" then
    if ast.name ~= kind then
      bad(("write `%s'…'`"):format(kind))
    end
    ast = ast.args[1]
  end
  if ast.type == "nil" then
    bad("what has no default is nil")
  elseif not fits(kind, ast) then
    bad()
  elseif kind == "duration" and not require("weir.duration").parse(ast.v, { signed = true }) then
    bad(require("weir.duration").HELP)
  elseif kind == "decimal" and not tostring(ast.v):find("^[+-]?%d+%.?%d*$") then
    bad("digits, and a point if needed: `decimal'0.5'`")
  end
  local value = sign == "-" and -ast.v or ast.v
  if kind == "float64" then
    return value + 0.0
  end
  return kind == "decimal" and tostring(value) or value
end

--- `@name`, `@name(text)`; the text is kept as it stands.
function Reader:note(notes)
  local from = self.at - 1
  local name, past = lpeg.match(word, self.text, self.at)
  if not name then
    self:unexpected("the name of a note, as in `@pii(id)`")
  elseif notes[name] ~= nil then
    self:fail("W105", from, past - 1, ("duplicate note `@%s`"):format(name))
  end
  self.at = past
  notes[name] = true
  local inside = self.text:match("^%b()", past)
  if inside then
    local content = inside:sub(2, -2)
    notes[name] = content:match("^%s*(.-)%s*$")
    self.at = past + #inside
  elseif self.text:sub(past, past) == "(" then
    self:fail("W001", past, past, "unexpected end, expected `)`")
  end
end

-- ── fields ──────────────────────────────────────────────────────────────────────────────────────
--- A comment as a description: blanks at its ends and the bars of a drawn line are no text.
local function tidy(text)
  local inside = text:match("^%[=*%[(.*)%]=*%]$") or text
  local trimmed = inside:gsub("^[%s%-]+", ""):gsub("%s+$", "")
  return trimmed ~= "" and trimmed or nil
end

local function describe(field, text)
  local words = tidy(text)
  if words and #(field.description or "") < M.DESCRIPTION_BYTES_MAX then
    field.description = field.description and field.description .. " " .. words or words
  end
end

local FLAGS = { key = true, required = true }

--- What follows the type on the same line.
function Reader:attributes(field)
  while true do
    self.at = lpeg.match(skip_inline, self.text, self.at)
    local from = self.at
    local flag, past = lpeg.match(word, self.text, from)
    local symbol = self.text:sub(from, from)
    if flag and FLAGS[flag] and self.kind == "schema" then
      if field[flag] then
        self:fail("W105", from, past - 1, ("`%s` twice"):format(flag))
      end
      field[flag], self.at = true, past
    elseif symbol == "=" and self.kind ~= "names" then
      if field.default ~= nil then
        self:fail("W105", from, from, "two defaults")
      end
      self.at = from + 1
      field.default = self:default(field.type.kind)
    elseif symbol == "@" and self.kind == "schema" then
      self.at = from + 1
      field.notes = field.notes or {}
      self:note(field.notes)
    elseif lpeg.match(inline_comment, self.text, from) then
      local text
      text, self.at = lpeg.match(inline_comment, self.text, from)
      describe(field, text)
    else
      return
    end
  end
end

function Reader:field()
  local field = {}
  field.name, field.from, field.to = self:name()
  local inline = lpeg.match(skip_inline, self.text, self.at)
  local has_type = self.kind ~= "names" or lpeg.match(word, self.text, inline) ~= nil
  if has_type and self.text:find("^[\r\n,]", inline) then
    self:fail("W001", field.from, field.to, ("`%s` has no type"):format(field.name),
      "types: " .. ALL_TYPES)
  end
  if has_type then
    field.type, field.time_format = self:type(1)
    self:attributes(field)
  end
  return field
end

--- Passes a separator and all comments up to the next field. A comment on a field's line describes
--- it; one on lines of its own describes the next field. Returns whether a separator stood there.
function Reader:separator(field)
  local separated, line_over, pending = field == nil, field == nil, {}
  while true do
    local past = lpeg.match(blank_lines, self.text, self.at)
    if self.text:sub(self.at, past - 1):find("[\r\n]") then
      separated, line_over = true, true
    end
    self.at = past
    local text, after = lpeg.match(comment, self.text, past)
    if text then
      if line_over then
        pending[#pending + 1] = text
      else
        describe(field, text)
      end
      self.at = after
    elseif self.text:sub(past, past) == "," and not self.comma and field then
      self.at, self.comma, separated = past + 1, true, true
    else
      self.comma = false
      return separated, pending
    end
  end
end

function Reader:expected_separator(field)
  local found = self:seen(self.at)
  local help
  if found:lower() == "not" or found:lower() == "null" then
    help = "write `required`"
  elseif found:lower() == "primary" then
    help = "write `key`"
  elseif found:lower() == "default" then
    help = "write `= value`"
  elseif found == ";" then
    help = "fields are separated by commas or new lines"
  elseif found == ":" then
    help = ("write `%s type`, without `:`"):format(field.name)
  elseif FLAGS[found] then
    help = self.kind == "params" and "a parameter without default is required"
      or "the columns of a function have only a name and a type"
  end
  self:unexpected("`,` or a new line", help)
end

function Reader:fields()
  local fields, seen = {}, {}
  local _, pending = self:separator(nil)
  if self.at > #self.text then
    self:fail("W008", 1, math.max(#self.text, 1), "empty list")
  end
  while self.at <= #self.text do
    if #fields == M.FIELDS_MAX then
      self:fail("W001", self.at, self.at, ("more than %d columns"):format(M.FIELDS_MAX))
    end
    local field = self:field()
    if seen[field.name] then
      self:fail("W105", field.from, field.to, ("duplicate name `%s`"):format(field.name))
    end
    seen[field.name] = true
    for _, text in ipairs(pending) do
      describe(field, text)
    end
    fields[#fields + 1] = field
    local separated
    separated, pending = self:separator(field)
    if not separated and self.at <= #self.text then
      self:expected_separator(field)
    end
  end
  return fields
end

local function read(kind, text)
  if #text > M.TEXT_BYTES_MAX then
    return nil, {
      code = "W001", from = 1, to = 1,
      message = ("text of %d bytes, expected at most %d"):format(#text, M.TEXT_BYTES_MAX),
    }
  end
  local reader = setmetatable({ text = text, at = 1, kind = kind }, Reader)
  local ok, fields = pcall(reader.fields, reader)
  if ok then
    return fields
  elseif type(fields) ~= "table" then
    error(fields, 0)
  end
  return nil, fields
end

--- A schema.
---@param text string
---@return table[]? fields, table? err
function M.parse(text)
  return read("schema", text)
end

--- Parameters: names, types and defaults.
---@param text string
---@return table[]? fields, table? err
function M.params(text)
  return read("params", text)
end

--- The columns that a function gives: names, and types where they are known (else `type` is nil).
---@param text string
---@return table[]? fields, table? err
function M.names(text)
  return read("names", text)
end

return M
