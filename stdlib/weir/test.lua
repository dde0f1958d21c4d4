--- The scenario harness: a script stepped by its test, under a clock that the test moves.
---   local t = require("weir.test").new("clicks.lua", { params = { min = 1 } })
---   t:feed("clicks.ndjson", { { user = "a", ts = "2024-01-01T00:00:00Z" } })
---   t:finish()
---   t:expect_rows("out.csv", { { user = "a", n = 1 } })
--- It is the production scheduler that runs; only sources and sinks are the test's.
local call = require("weir.call")
local duration = require("weir.duration")
local rows_text = require("weir.test_rows")
local suggest = require("weir.suggest")
local value = require("weir.value")
local M = {}

--- Golden files are rewritten instead of compared (`weir test --update`).
M.update = false

local Scenario = {}
Scenario.__index = Scenario

--- An error of the harness or of the script, as the text of a failed test.
local function fail(err, level)
  if type(err) == "table" then
    local load = require("weir.load")
    local found = load.as_diagnostic(err, "test")
    err = require("weir.errors").render(found, found.located, { color = false })
  end
  error(err, (level or 1) + 1)
end

--- A script's path as a spec writes it: from the working directory, or from the spec's folder.
local function find_script(name, level)
  local handle = io.open(name, "rb")
  if handle then
    handle:close()
    return name
  end
  local source = debug.getinfo(level + 1, "S").source
  local folder = source:match("^@(.*)/[^/]*$")
  return folder and folder .. "/" .. name or name
end

--- Reads a script for a test.
---@param name string its path
---@param options { params: table?, text: string?, native: table?, start: string?, seed: integer? }?
---  text: the script itself, `name` is only shown; start: the clock's first time
---@return weir.Scenario
function M.new(name, options)
  options = options or {}
  local native = options.native or require("weir.native")
  local path = options.text and name or find_script(name, 2)
  local made, err = require("weir.load").script({
    native = native, name = path, text = options.text, params = options.params,
  })
  if not made then
    fail(err, 2)
  end
  local start = options.start and M.time(options.start) or 0
  local harness
  harness, err = native.harness(made:plan(), {
    start = start, seed = options.seed or 1, batch_rows = options.batch_rows,
    shards = options.shards, state = made.settings.state ~= nil,
    checkpoint = made.settings.checkpoint,
  })
  if not harness then
    fail(err, 2)
  end
  return setmetatable({ script = made, harness = harness }, Scenario)
end

--- A time as text, typed value or microseconds → microseconds.
function M.time(x)
  local typed = type(x) == "string" and value.parse_timestamp(x) or x
  if value.is(typed) and typed.type == "timestamp" then
    return typed.v
  elseif math.type(typed) == "integer" then
    return typed
  end
  error(("a time is expected, as \"2024-03-31T10:00:00Z\", got %s"):format(call.describe(x)), 3)
end

-- ── names ───────────────────────────────────────────────────────────────────────────────────────

--- The names by which a test may call a node: its `name`, address, table, or file name alone.
local function names_of(node)
  local names = { node.name, node.address, node.written, node.table }
  local list = {}
  for i = 1, 4 do
    list[#list + 1] = names[i]
  end
  local address = node.address
  local base = address and address:match("[^/]+$")
  if base then
    list[#list + 1] = base
    list[#list + 1] = base:match("^([^.]+)%.")
  end
  if node.kind and node.address and node.kind ~= "file" then
    list[#list + 1] = node.kind .. ":" .. node.address
  end
  if node.op == "print" or node.kind == "stdout" or node.kind == "blackhole" then
    list[#list + 1] = node.op == "print" and "print" or node.kind
  end
  return list
end

--- The node that a name means. Raises when there is none, or more than one, at the line of the
--- spec: `level` counts the functions up to it.
local function find_node(self, name, ops, what, level)
  local found, all = {}, {}
  local ids = {}
  for id in pairs(self.script.nodes) do
    ids[#ids + 1] = id
  end
  table.sort(ids)
  for _, id in ipairs(ids) do
    local node = self.script.nodes[id]
    if ops[node.op] then
      local hit = false
      local known = names_of(node)
      all[#all + 1] = known[1]
      for _, each in ipairs(known) do
        hit = hit or each == name
      end
      found[#found + 1] = hit and node or nil
    end
  end
  if #found == 1 then
    return found[1]
  elseif #found > 1 then
    error(("%d %ss are called %q: give them the option `name`"):format(#found, what, name), level)
  end
  local near = type(name) == "string" and suggest.nearest(name, all)
  error(("no %s is called %q%s"):format(what, tostring(name),
    near and (": did you mean %q?"):format(near) or "; there are: " .. table.concat(all, ", ")),
    level)
end

local SOURCES = { read = true }
local SINKS = { write = true, print = true }

-- ── steps ───────────────────────────────────────────────────────────────────────────────────────
local function check(ok, err)
  if not ok and err then
    fail(err, 3)
  end
end

--- Gives rows of typed values to a source; what can be done with them is done at once.
---@param name string
---@param rows table[] by column name or by position; times may be text
function Scenario:feed(name, rows)
  local node = find_node(self, name, SOURCES, "source", 3)
  local cells, message = rows_text.to_cells(node.schema, rows,
    node.timezone or self.script.settings.timezone)
  message = message or rows_text.missing(node.schema, cells)
  if message then
    error(("feed %q: %s"):format(name, message), 2)
  end
  check(self.harness:feed(node.id, cells))
  return self
end

--- Moves the watermark of sources that are fed with `source = true`.
function Scenario:advance_watermark(time, name)
  local node = name and find_node(self, name, SOURCES, "source", 3)
  check(self.harness:advance_watermark(M.time(time), node and node.id))
  return self
end

--- Moves the clock.
---@param text string a duration, as "10s"
function Scenario:advance_time(text)
  local us, err = duration.parse(text)
  if not us then
    error(("advance_time: %s"):format(err.message), 2)
  end
  check(self.harness:advance_time(us))
  return self
end

--- The sources end: windows close, sinks are complete.
function Scenario:finish()
  check(self.harness:finish())
  return self
end

--- The process dies and starts again from its last checkpoint; what was fed and not yet safe is
--- fed again, as a source would.
function Scenario:crash()
  check(self.harness:crash())
  return self
end

local function rows_of(self, name)
  local node = find_node(self, name, SINKS, "sink", 4)
  local got, err = self.harness:rows(node.id)
  if not got then
    fail(err, 3)
  end
  return rows_text.from_cells(got.schema or node.schema, got.rows), got.schema or node.schema
end

--- All rows that came to a sink since the start, in order of arrival, as tables by name.
---@return table[] rows, table[] schema
function Scenario:rows(name)
  local rows, schema = rows_of(self, name)
  return rows, schema
end

--- All rejected rows, as tables by name.
function Scenario:rejects()
  local got, err = self.harness:rejects()
  if not got then
    fail(err, 2)
  end
  return rows_text.from_cells(got.schema, got.rows)
end

-- ── expectations ────────────────────────────────────────────────────────────────────────────────
local function read_text(path)
  local handle = io.open(path, "rb")
  local text = handle and handle:read("a")
  if handle then
    handle:close()
  end
  return text
end

local function expect_golden(path, rows, schema, what)
  local format = path:match("%.(%w+)$")
  local text = rows_text.FORMATS[format] and rows_text.FORMATS[format](schema, rows)
  if not text then
    error(("golden file %q: it must end in .csv or .ndjson"):format(path), 3)
  elseif M.update then
    local ok, message = require("weir.load").replace_file(path, text)
    if not ok then
      error(("golden file: %s"):format(message), 3)
    end
    return
  end
  local golden = read_text(path)
  if not golden then
    error(("no golden file %q; `weir test --update` writes it"):format(path), 3)
  end
  local difference = rows_text.difference_of_lines(golden, text)
  if difference then
    error(("%s differs from %s (- golden, + got)\n%s"):format(what, path, difference), 3)
  end
end

--- Compares the rows of a sink, typed and in order.
---@param name string
---@param expected table[]|string rows, CSV text with a header line, or a golden file (.csv,
---  .ndjson), whose path starts at the script's folder
function Scenario:expect_rows(name, expected)
  local rows, schema = rows_of(self, name)
  local what = ("rows of %q"):format(name)
  if type(expected) == "string" and not expected:find("\n", 1, true) then
    local folder = self.script.directory
    local beside = expected:find("^/") or folder == "."
    expect_golden(beside and expected or folder .. "/" .. expected, rows, schema, what)
    return self
  end
  local cells, message
  if type(expected) == "string" then
    cells, message = rows_text.parse_csv(schema, expected)
  else
    cells, message = rows_text.to_cells(schema, expected, self.script.settings.timezone)
  end
  if not cells then
    error(("%s: %s"):format(what, message), 2)
  end
  local difference = rows_text.difference(schema, rows_text.from_cells(schema, cells), rows)
  if difference then
    error(("%s differ (- expected, + got)\n%s"):format(what, difference), 2)
  end
  return self
end

--- Compares the rejects: all rows that have the given values; `n` of them (else at least one).
---@param expected { code: string?, reason: string?, stage: string?, n: integer? }
function Scenario:expect_rejects(expected)
  local rejects, count, seen = self:rejects(), 0, {}
  for _, row in ipairs(rejects) do
    local matches = true
    for key, x in pairs(expected) do
      matches = matches and (key == "n" or row[key] == x)
    end
    count = count + (matches and 1 or 0)
    local key = ("%s %s"):format(row.code, row.reason or "")
    seen[key] = (seen[key] or 0) + 1
  end
  if expected.n and count ~= expected.n or not expected.n and count == 0 then
    local lines = {}
    for key, n in pairs(seen) do
      lines[#lines + 1] = ("  %d × %s"):format(n, key)
    end
    table.sort(lines)
    error(("rejects: expected %s, got %d\n%s"):format(expected.n or "at least one", count,
      #lines > 0 and table.concat(lines, "\n") or "  there are none"), 2)
  end
  return self
end

return M
