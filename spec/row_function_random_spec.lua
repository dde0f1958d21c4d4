-- Random expressions over random rows, once as a string and once as the text of a Lua function:
-- they give the same cells, and reject the same rows by the same codes. Runs inside the program
-- only.
local expr = require("weir.grammar.expr")
local random = require("spec.support.random") -- reads WEIR_RANDOM_SECONDS
local ok, native = pcall(require, "weir.native")

if not ok then
  describe("functions and strings", function()
    pending("run inside the program")
  end)
  return
end

local ROWS = 24

local function typed(kind)
  return function(v)
    return { type = kind, v = v }
  end
end
local timestamp, date, duration, decimal =
  typed("timestamp"), typed("date"), typed("duration"), typed("decimal")

local function map(f, list)
  local made = {}
  for i, v in ipairs(list) do
    made[i] = f(v)
  end
  return made
end

--- What cells are made of, by type: limits, and what is beside them.
local POOLS = {
  int64 = { 0, 1, -1, 2, 7, -7, 10, 1000, 63, 64, -64, math.maxinteger, math.mininteger,
    math.maxinteger - 1, 1 << 53, (1 << 53) + 1, -(1 << 53) - 1 },
  float64 = { 0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -7.25, 1e300, -1e300, 5e-324, 2.0 ^ 53, 2.0 ^ 63,
    -2.0 ^ 63, 0 / 0, 1 / 0, -1 / 0, 0.1 },
  string = { "", "a", "b", "ab", "B", "10", " x ", "a\0b", "größe", "\255", ("xy"):rep(40), "0x10",
    "a.b%c" },
  bool = { true, false },
  timestamp = map(timestamp, { 0, 1, -1, 1711879200000000, 1e15 // 1 | 0, -62135596800000000,
    253402300799999999 }),
  date = map(date, { 0, 1, -1, 19812, -719162, 2932896 }),
  duration = map(duration, { 0, 1, -1, 3600000000, -5400000000, 86400000000, math.maxinteger,
    math.mininteger }),
  decimal = map(decimal, { "0.00", "1.00", "-1.00", "0.01", "2.50", "-7.25",
    "9999999999999999.99" }),
}
local COLUMNS = {
  { "a", "int64" }, { "b", "int64" }, { "x", "float64" }, { "y", "float64" }, { "s", "string" },
  { "t", "string" }, { "p", "bool" }, { "q", "bool" }, { "ts", "timestamp" }, { "us", "timestamp" },
  { "d", "date" }, { "dd", "date" }, { "w", "duration" }, { "v", "duration" },
  { "m", "decimal" }, { "n", "decimal" },
}
local SCHEMA = { { name = "i", type = { kind = "int64" } } }
for k, column in ipairs(COLUMNS) do
  SCHEMA[k + 1] = { name = column[1], type = { kind = column[2] } }
  if column[2] == "decimal" then
    SCHEMA[k + 1].type = { kind = "decimal", precision = 18, scale = 2 }
  end
end

local function pick(list)
  return list[math.random(#list)]
end

local function random_rows()
  local rows = {}
  for i = 1, ROWS do
    rows[i] = { i }
    for k, column in ipairs(COLUMNS) do
      rows[i][k + 1] = math.random(8) > 1 and pick(POOLS[column[2]]) or nil
    end
  end
  return rows
end

-- ── expressions: `@a` is column a ───────────────────────────────────────────────────────────────

-- No `0`: Lua compiles `x - 0` as `x + 0`, which differs for -0.0; so it does where constants
-- that it folds are 0.
local LITERALS = {
  int64 = { "1", "2", "3", "(-1)", "7", "64", "9223372036854775807" },
  float64 = { "0.0", "0.5", "2.0", "1e308", "3.25" },
  string = { "''", "'a'", "'ab'", "'10'" },
  bool = { "true", "false" },
}

--- By type of the result: templates, in which `{int64}` is an expression of that type, and
--- `{:int64}` a column (where Lua works out what a string's operator passes over).
local FORMS = {
  int64 = {
    "({int64} + {int64})", "({int64} - {int64})", "({int64} * {int64})", "({int64} // {int64})",
    "({int64} % {int64})", "({int64} & {int64})", "({int64} | {int64})", "({int64} ~ {int64})",
    "({int64} << {int64})", "({int64} >> {int64})", "(~{int64})", "(-{int64})", "(#{string})",
    "({duration} // {duration})", "abs({int64})", "len({string})", "min_of({int64}, {int64})",
    "max_of({int64}, {int64})", "int64({float64})", "int64({decimal})", "int64({string})",
    "year({timestamp})", "day({date})", "diff('hour', {timestamp}, {timestamp})",
    "sign({int64})", "sign({float64})", "clamp({int64}, {int64}, {int64})", "gcd({int64}, {int64})",
    "popcount({int64})", "nullif({int64}, {int64})", "coalesce({:int64}, {:int64})",
    "case({bool}, {:int64}, {:int64})", "position({string}, {string})",
    "({:bool} and {:int64} or 3)",
    "floor({float64})", "trunc({float64})", "hash64({string})", "epoch({timestamp})",
  },
  float64 = {
    "({float64} + {float64})", "({float64} - {:int64})", "({int64} * {float64})",
    "({float64} // {float64})", "({float64} % {float64})", "({int64} // {float64})",
    "({float64} % {int64})", "({int64} / {int64})", "({float64} / {float64})",
    "({float64} ^ {int64})", "({int64} ^ {int64})", "(-{float64})", "({duration} / {duration})",
    "float64({int64})", "float64({string})", "float64({decimal})", "sqrt({float64})",
    "abs({float64})", "round({float64}, 2)", "min_of({float64}, {float64})",
    "max_of({float64}, {float64})", "nullif({float64}, {float64})",
    "coalesce({:float64}, {:float64})",
  },
  string = {
    "({string} .. {string})", "({string} .. {int64})", "({int64} .. {string})", "lower({string})",
    "upper({string})", "trim({string})", "{string}:rep(2)", "{string}:sub(2, 3)",
    "sub({string}, {int64})", "left({string}, {int64})", "right({string}, {int64})",
    "string({int64})", "string({float64})", "string({decimal})", "string({bool})",
    "string({timestamp})", "string({date})", "string({duration})",
    "replace({string}, {string}, 'z')",
    "reverse({string})", "concat({string}, {string})", "min_of({string}, {string})",
    "case({bool}, {:string}, {:string})", "({:string} or 'none')", "hex({string})", "md5({string})",
    "nullif({string}, {string})",
  },
  bool = {
    "({int64} < {int64})", "({int64} <= {float64})", "({float64} > {float64})",
    "({float64} >= {int64})", "({int64} == {int64})", "({int64} ~= {float64})",
    "({float64} == {float64})", "({string} < {string})", "({string} == {string})",
    "({string} ~= {string})", "({timestamp} < {timestamp})", "({timestamp} == {timestamp})",
    "({date} <= {date})", "({date} ~= {date})", "({duration} > {duration})",
    "({duration} == {duration})", "({decimal} < {:decimal})", "({:decimal} == {decimal})",
    "({decimal} <= {int64})", "({int64} > {decimal})", "({bool} == {bool})", "(not {bool})",
    "({:bool} and {:bool})", "({:bool} or {:bool})", "(not {int64})", "is_nil({float64})",
    "({int64} == nil)", "({string} ~= nil)", "is_nan({float64})", "starts_with({string}, {string})",
    "contains({string}, {string})",
  },
  timestamp = {
    "({timestamp} + {duration})", "({timestamp} - {duration})", "({duration} + {timestamp})",
    "timestamp({date})", "{timestamp}:trunc('hour')", "add({timestamp}, {int64}, 'day')",
    "min_of({timestamp}, {timestamp})", "coalesce({:timestamp}, {:timestamp})",
  },
  date = {
    "({date} + {int64})", "({date} - {int64})", "date({timestamp})", "last_day({date})",
    "max_of({date}, {date})",
  },
  duration = {
    "({timestamp} - {timestamp})", "({date} - {date})", "({duration} + {duration})",
    "({duration} - {duration})", "({duration} * {int64})", "({int64} * {duration})",
    "({duration} * {float64})", "({duration} / {int64})", "({duration} / {float64})",
    "({duration} % {duration})", "(-{duration})", "abs({duration})",
  },
  -- One operand is a column: to bring a long one to the digits of the other may fail, also where
  -- that one is nil; in a function nil has no digits.
  decimal = {
    "({decimal} + {:decimal})", "({:decimal} - {decimal})", "({decimal} * {:decimal})",
    "({decimal} + {int64})", "({int64} * {decimal})", "({decimal} / {:decimal})", "(-{decimal})",
    "abs({decimal})", "min_of({:decimal}, {:decimal})", "round({:decimal}, 1)",
    "({int64} - {decimal})",
  },
}
local KINDS = { "int64", "float64", "string", "bool", "timestamp", "date", "duration", "decimal" }

local function column_of(kind)
  local names = {}
  for _, column in ipairs(COLUMNS) do
    if column[2] == kind then
      names[#names + 1] = "@" .. column[1]
    end
  end
  return pick(names)
end

local function generate(kind, depth)
  local literals = LITERALS[kind]
  if depth == 0 and literals and math.random(3) == 1 then
    local literal = pick(literals)
    return literal:find("^'") and "(" .. literal .. ")" or literal
  elseif depth == 0 or math.random(6) == 1 then
    return column_of(kind)
  end
  return (pick(FORMS[kind]):gsub("{(:?)(%w+)}", function(plain, inner)
    return plain == ":" and column_of(inner) or generate(inner, depth - 1)
  end))
end

-- ── both ways ───────────────────────────────────────────────────────────────────────────────────

--- By row number: a cell in a table, or the code of the reject. Else nil and the error of the plan.
local function derive(rows, spec, f)
  local plan = native.plan({ timezone = "UTC", directory = ".", source_name = "x.lua" })
  local source = assert(plan:add({ op = "read", options = {},
    endpoint = { kind = "rows", rows = { {} } }, schema = SCHEMA }))
  if f then
    plan:set_function(1, f, "derive")
  end
  spec.op, spec.inputs = "derive", { source }
  local id, info = plan:add(spec)
  if not id then
    return nil, info
  end
  local sink = assert(plan:add({ op = "print", inputs = { id },
    endpoint = { kind = "print", options = {} } }))
  local made = assert(native.harness(plan, { start = 0, seed = 1 }))
  assert(made:feed(source, rows))
  local done, err = made:finish()
  assert(done, err and err.message)
  local cells = {}
  for _, row in ipairs(made:rows(sink).rows) do
    cells[row[1]] = { row[#SCHEMA + 1] }
  end
  for _, row in ipairs(made:rejects().rows) do
    cells[tonumber(row[11]:match('"i":(%d+)'))] = row[3]
    cells["why " .. row[11]:match('"i":(%d+)')] = row[5]
  end
  return cells, info.schema[#SCHEMA + 1].type
end

local function compiled(text)
  local env = setmetatable(native.sandbox({}), { __index = function(_, name)
    return native.library(name) or error("no " .. name, 2)
  end })
  return assert(load("return function(e) return " .. text .. " end", "@x.lua", "t", env))()
end

local function text_of(cell)
  if type(cell) == "string" then
    return cell
  end
  local v = cell[1]
  if type(v) == "table" then
    return ("%s %s"):format(v.type, v.v)
  elseif math.type(v) == "float" then
    return v ~= v and "nan" or ("%a"):format(v == 0 and 0.0 or v)
  end
  return ("%s %q"):format(type(v), v)
end

--- Without the sign of a zero: Lua computes `x - 0` as `x + 0`, which of -0.0 is 0.0.
local function unsigned(text)
  return (text:gsub("%-0x0p%+0", "0x0p+0"):gsub("%-0%.0%f[^%d]", "0.0"))
end

--- The rows of both ways, cell by cell; how many were compared, and how many of them rejects.
local function compare(text, rows, cells, own)
  local rejected = 0
  for i = 1, ROWS do
    local want, got = text_of(cells[i]), text_of(own[i])
    rejected = rejected + (type(cells[i]) == "string" and 1 or 0)
    if unsigned(want) ~= unsigned(got) then
      local row = {}
      for k, column in ipairs(COLUMNS) do
        if text:find("%f[%w]" .. column[1] .. "%f[%W]") then
          row[#row + 1] = column[1] .. " = " .. text_of({ rows[i][k + 1] })
        end
      end
      error(("%s is %s, in a function %s (%s) where %s"):format(text, want, got,
        own["why " .. i], table.concat(row, ", ")), 0)
    end
  end
  return ROWS, rejected
end

--- Runs an expression as a string: its cells and its type, or nil where it cannot be bound.
local function as_string(rows, template)
  local text = template:gsub("@", "")
  return derive(rows, { items = expr.parse_list("r = " .. text) or error(text) })
end

local function as_function(rows, template, kind)
  local own, err = derive(rows, { fn = { id = 1, reads = "all",
    outputs = { { name = "r", type = kind } } } }, compiled((template:gsub("@", "e."))))
  return assert(own, err and err.message)
end

--- Rounds of `share`; `both` gives the text, and the cells of both ways, or nil.
local function rounds(share, both)
  local compared, rejected = 0, 0
  for _ in random.rounds(share) do
    local rows = random_rows()
    local text, cells, own = both(rows)
    if cells then
      local more, bad = compare(text:gsub("@", ""), rows, cells, own)
      compared, rejected = compared + more, rejected + bad
    end
  end
  assert.truthy(compared > 1000 and rejected > 10, compared .. " " .. rejected)
end

describe("a random expression", function()
  it(("means the same in a string and in a function (WEIR_SEED=%d)"):format(random.seed), function()
    rounds(0.5, function(rows)
      local template = generate(pick(KINDS), math.random(3))
      local cells, kind = as_string(rows, template)
      return template, cells, cells and as_function(rows, template, kind)
    end)
  end)
  -- `struct` gives json, so that the function gives a struct of the types that its values have.
  it(("is the same inside a table (WEIR_SEED=%d)"):format(random.seed), function()
    rounds(0.5, function(rows)
      local p, q = generate(pick(KINDS), 2), generate(pick(KINDS), 2)
      local template = ("struct('p', %s, 'q', struct('r', %s))"):format(p, q)
      local cells = as_string(rows, template)
      local has_p, kind_p = as_string(rows, p)
      local has_q, kind_q = as_string(rows, q)
      if not (cells and has_p and has_q) then
        return template
      end
      local inner = { kind = "struct", fields = { { name = "r", type = kind_q } } }
      return template, cells, as_function(rows, ("{ p = %s, q = { r = %s } }"):format(p, q), {
        kind = "struct", fields = { { name = "p", type = kind_p }, { name = "q", type = inner } },
      })
    end)
  end)
end)
