--- Where streams begin: `weir.read`, `weir.rows`, `weir.generate`, `weir.nexmark`; and
--- `weir.rejects`.
local call = require("weir.call")
local endpoint = require("weir.endpoint")
local nexmark = require("weir.nexmark")
local places = require("weir.places")
local suggest = require("weir.suggest")
local value = require("weir.value")
local M = {}

--- Rows that a script may hold in its text.
M.ROWS_MAX = 1000000

local function later()
  return { kind = "any", later = true }
end

--- W407 when the source is not what the lock file says. Looks at the source, so for runs only.
local function verify_lock(c, spec, name)
  local real = {}
  for key, x in pairs(spec) do
    real[key] = x
  end
  real.schema, real.locked, real.mark = nil, nil, c.mark
  local info, err = c.script:plan():probe(real)
  if not info then
    c:fail_with(err)
  end
  local difference = require("weir.lock").difference(spec.schema, info.schema,
    info.guesses)
  if difference then
    c:fail("W407", ("the schema of %s differs from the lock file: %s"):format(name, difference),
      "`weir schema pull` writes it again; `schema = \"…\"` goes before it; or the source is not "
        .. "the right one", "1")
  end
end

--- A file that is followed is another kind of source than one that ends.
local function follow(c, place, rest)
  local given = rest.follow
  if given == nil then
    given = place.options.follow
  end
  rest.follow, place.options.follow = nil, nil
  if given and place.kind ~= "file" then
    c:fail("W203", ("`follow` of `read` is of files, and this is %s"):format(place.kind), nil,
      "follow")
  elseif given and place.address then
    local is_many = place.address:find("[*?%[]") or place.address:find("/$")
    place.kind = is_many and "watch" or "follow"
  end
end

--- Formats of records that were rejected. Their text has no header.
local RECORDS = { ndjson = {}, csv = { header = false }, tsv = { header = false }, lines = {} }

--- The format of a file of rejects that is read again as the records in it.
local function replay(c, place, format, given, schema)
  local formats = require("weir.formats")
  local name = formats.is(given) and given.name or given
  name = name == "json" and "ndjson" or name
  if given ~= true and not RECORDS[name] then
    c:wrong("replay", "true, or the format that the records had, as \"csv\"", given)
  elseif place.kind ~= "file" and place.kind ~= "follow" and place.kind ~= "watch" then
    c:fail("W203", ("`replay` reads files of rejects, and this is %s"):format(place.kind), nil,
      "replay")
  elseif not schema then
    c:fail("W203", "`replay` needs the columns of the records: `schema = \"…\"`",
      "those of the source that rejected them; of CSV in the order of its header", "replay")
  end
  local records = {}
  for each, options in pairs(RECORDS) do
    if given == true and each ~= "lines" or each == name then
      records[each] = { null = each ~= "lines" and each ~= "ndjson" and c.opts.null or nil }
      for key, x in pairs(formats.is(given) and given.options or {}) do
        records[each][key] = x
      end
      for key, x in pairs(options) do
        records[each][key] = x
      end
    end
  end
  return { name = "replay", options = { rows = format.name, records = records } }
end

local function make_read(c)
  local place, format, rest = places.share(c)
  local has_tables = place.kind == "sqlite" or place.kind == "postgres"
  if has_tables and (place.options.table ~= nil) == (place.options.query ~= nil) then
    local address = place.kind == "sqlite" and "in.db" or "host/shop"
    c:fail("W203", place.kind .. " needs the option `table` or `query`, one of them",
      (c.stage == "read" and "`weir.read(\"%s:%s\", { table = \"orders\" })`"
        or "`weir.%s(\"%s\", { table = \"orders\" })`"):format(place.kind, address), "1")
  elseif has_tables and place.options.mode then
    c:fail("W202", "unknown option `mode` of `read`", "a mode is for writing", "mode")
  end
  follow(c, place, rest)
  local name = c.place_name or endpoint.text(c.place)
  local schema, from_lock = rest.schema, false
  if not schema then
    schema, from_lock = c.script:locked_schema(name)
  end
  if rest.replay then
    format = replay(c, place, format, rest.replay, schema)
  end
  rest.schema, rest.name, rest.format, rest.replay = nil, nil, nil, nil
  rest.on_error = rest.on_error or c.script.settings.on_error
  local spec = {
    op = "read", endpoint = place, schema = schema, locked = from_lock or nil, format = format,
    options = rest,
  }
  if from_lock and c.script.verify_locks then
    verify_lock(c, spec, name)
  end
  c.script:remember_source(name, c.opts.schema == nil)
  return spec
end

--- One row by name → by position; W103 for a name that the schema does not have.
local function row_by_position(c, fields, row, number)
  local positions, cells = {}, {}
  for i, field in ipairs(fields) do
    positions[field.name] = i
  end
  for key, x in pairs(row) do
    local at = type(key) == "string" and positions[key] or math.tointeger(key)
    if type(key) == "string" and not positions[key] then
      local names = {}
      for i, field in ipairs(fields) do
        names[i] = field.name
      end
      local near = suggest.nearest(key, names)
      c:fail("W103", ("row %d: unknown column `%s`"):format(number, key),
        (near and ("did you mean `%s`?  "):format(near) or "") .. "columns: "
          .. table.concat(names, ", "), "2")
    elseif not at or at < 1 or at > #fields then
      c:fail("W203", ("row %d has a value at position %s, the schema has %d columns"):format(
        number, tostring(key), #fields), nil, "2")
    end
    cells[at] = value.is(x) and value.text(x) or x
  end
  return cells
end

local function make_rows(c)
  local fields, data = c[1], c[2]
  local place = { kind = "rows", options = {} }
  if type(data) == "string" then
    place.text, c.texts["2"] = data, data
  elseif type(data) == "table" and getmetatable(data) == nil then
    if #data > M.ROWS_MAX then
      c:fail("W203", ("`rows` takes at most %d rows, got %d"):format(M.ROWS_MAX, #data), nil, "2")
    end
    for key in pairs(data) do
      if not math.tointeger(key) or key < 1 or key > #data then
        c:fail("W203", ("`rows` takes a list of rows, got the key %s"):format(tostring(key)),
          "`{ { 1, \"a\" }, { id = 2, name = \"b\" } }`, without holes", "2")
      end
    end
    place.rows = {}
    for i, row in ipairs(data) do
      if type(row) ~= "table" or getmetatable(row) ~= nil then
        c:fail("W203", ("row %d of `rows` must be a table, got %s"):format(i, call.describe(row)),
          "`{ { 1, \"a\" }, { id = 2, name = \"b\" } }`", "2")
      end
      place.rows[i] = row_by_position(c, fields, row, i)
    end
  else
    c:wrong("2", "rows, as `{ { 1, \"a\" }, … }`, or CSV text", data)
  end
  return { op = "read", endpoint = place, schema = fields, options = {} }
end

local function make_generate(c)
  local columns = c.opts.columns
  if not columns or columns.fn then
    c:fail("W203", "option `columns` of `generate` must be a list in a string",
      "`weir.generate { rows = 10, columns = \"id = i, even = i % 2 == 0\" }`; `i` counts from 1",
      columns and "columns" or nil)
  end
  return {
    op = "read",
    endpoint = {
      kind = "generate", columns = columns.ast,
      options = {
        rows = c.opts.rows, rate = c.opts.rate, seed = c.opts.seed or c.script.settings.seed or 1,
      },
    },
    options = {},
  }
end

--- The descriptors, as `weir.call` reads them.
M.SOURCES = {
  read = {
    usage = 'weir.read("clicks.ndjson", { schema = "user string, ts timestamp" })',
    doc = "A stream of the rows of a file, glob, URL or endpoint; `-` is the standard input, "
      .. "NDJSON unless `format` says otherwise. Without `schema` it comes from the lock "
      .. "file, or from a sample of the file.",
    subjects = { { kind = "value" } }, way = "reads",
    options = {
      schema = { kind = "schema", doc = "names and types: \"name type, …\"" },
      format = { kind = "any", doc = "a format's name or value; what the file's name says" },
      on_error = { kind = "choice", of = { "reject", "fail" },
        doc = "what a row does that cannot be read", default = "reject" },
      null = { kind = "text", empty = true, doc = "the text that stands for nil" },
      timezone = { kind = "text", doc = "of timestamps without offset", default = "the script's" },
      follow = { kind = "boolean", default = "false",
        doc = "a file: goes on reading as it grows; a glob or `directory/`: files that come, too" },
      start = { kind = "place", doc = "so many rows are passed over; or from the first row on that "
        .. "has this event time, or a later one" },
      stop = { kind = "place", min = 1, doc = "the row that is not read any more, counted from 0 "
        .. "as for `start`; or the first that has this event time: the input ends before it" },
      replay = { kind = "any", default = "false", doc = "the file is one of rejects: its `raw` is "
        .. "read again, as the format that `source` says; `\"csv\"` says it for all "
        .. "(`weir help replay`)" },
      wait = later(),
    },
    prepare = function(c)
      places.prepare(c, "reads")
    end,
    make = make_read,
  },
  rows = {
    usage = 'weir.rows("id int64, name string", { { 1, "a" }, { id = 2, name = "b" } })',
    doc = "A stream of rows that stand in the script: by position, by name, or as CSV text, whose "
      .. "first line is a header: `\"id,name\\n1,a\"`.",
    subjects = { { kind = "schema" }, { kind = "any" } },
    make = make_rows,
  },
  generate = {
    usage = 'weir.generate { rows = 1000, columns = "id = i, even = i % 2 == 0" }',
    doc = "A stream that is computed: `i` counts the rows from 1. Without `rows` it never ends.",
    subjects = {},
    options = {
      rows = { kind = "count", doc = "so many rows", default = "endless" },
      rate = { kind = "number", min = 0, doc = "rows a second; as fast as they are taken" },
      seed = { kind = "count", doc = "of `random()`", default = "that of `settings`, or 1" },
      columns = { kind = "list", doc = "what each row holds (required)" },
    },
    make = make_generate,
  },
  nexmark = nexmark.descriptor,
  rejects = {
    usage = "weir.rejects()",
    doc = "All rows that the script rejects, wherever. Streams that go nowhere (W902) do not run.",
    subjects = {},
    make = function()
      return { op = "rejects", inputs = {} }
    end,
  },
}

return M
