--- Stages by which rows leave, or are looked at: write, print, tap, rejects, late.
local call = require("weir.call")
local places = require("weir.places")
local stream = require("weir.stream")
local endpoint = require("weir.endpoint")
local formats = require("weir.formats")
local duration = require("weir.duration")
local size = require("weir.size")
local suggest = require("weir.suggest")

local function names(parsed)
  return call.column_names(parsed)
end

--- A write into directories: the columns that say which are computed by a `derive` before it.
local function partitioned(c, input, spec, by)
  if spec.endpoint.kind ~= "file" or spec.endpoint.address == "-" then
    c:fail("W203", ("`partition_by` is of files, and this is %s"):format(
      spec.endpoint.kind == "file" and "the standard output" or spec.endpoint.kind),
      "`:write(\"out/\", { partition_by = \"day\", format = \"csv\" })`", "partition_by")
  elseif by.fn then
    c:fail("W203", "option `partition_by` of `write` must be a list in a string, got a function",
      "compute the columns in a `derive` before", "partition_by")
  end
  local known = {}
  for _, name in ipairs(stream.columns(input)) do
    known[name] = true
  end
  spec.partition_by = {}
  for _, item in ipairs(by.ast) do
    local is_column = item.expr.k == "name" and item.expr.name == item.name
    if not is_column and known[item.name] then
      c:fail("W205", ("column `%s` exists: `partition_by` would hide it"):format(item.name),
        "give the directory another name", "partition_by", item.from, item.to)
    end
    spec.partition_by[#spec.partition_by + 1] = not item.is_local and item.name or nil
  end
  local above = { stream.data(input).id }
  local derive = { op = "derive", items = by.ast, inputs = above, mark = c.mark }
  local info, err = c.script:plan():probe(derive)
  if not info then
    err.arg = "partition_by"
    c:fail_with(err)
  end
  local derived = stream.add(c, derive)
  stream.use(derived)
  spec.endpoint.kind = "partitions"
  spec.inputs = { stream.data(derived).id }
  return spec
end

--- The calls of aggregates in an expression, each once, as they are written.
local function aggregates_in(expr, text, known, found)
  if type(expr) ~= "table" then
    return found
  elseif expr.k == "call" and known[expr.name] and expr.from and expr.to then
    found[#found + 1] = { expr = expr, text = text:sub(expr.from, expr.to) }
    return found
  end
  for _, part in pairs(expr) do
    aggregates_in(part, text, known, found)
  end
  table.sort(found, function(a, b)
    return a.expr.from < b.expr.from
  end)
  return found
end

local AUDITED = { file = true, partitions = true, sqlite = true, postgres = true, state = true }

--- Conditions over all rows of a write: an `agg` of them beside it, and what looks at its row.
local function add_audit(c, input, spec, audit)
  local info, kind = stream.data(input).info, spec.endpoint.kind
  if audit.fn then
    c:fail("W203", "option `audit` of `write` must be a list in a string, got a function",
      "`audit = \"enough = count() >= 1000\"`", "audit")
  elseif not info.bounded then
    c:fail("W203", "`audit` is over all rows of a write, and this input never ends",
      "`expect` checks each row; a window and an `agg` before it check what is complete", "audit")
  elseif not AUDITED[kind] or spec.endpoint.address == "-" then
    c:fail("W203", "`audit` of `write` is of files, sqlite, state and postgres: what is shown "
      .. "cannot be held back", nil, "audit")
  end
  local known, items, conditions, text = {}, {}, {}, c.texts.audit
  for _, each in ipairs(c.script.native.aggregates()) do
    known[each.name] = true
  end
  for i, item in ipairs(audit.ast) do
    items[#items + 1] = item
    local values = item.is_local and {} or aggregates_in(item.expr, text, known, {})
    local texts = {}
    for k, one in ipairs(values) do
      texts[k] = one.text
      items[#items + 1] = { name = ("%s %d %d"):format(item.name, i, k), expr = one.expr,
        from = one.expr.from, to = one.expr.to }
    end
    conditions[#conditions + 1] = not item.is_local and { name = item.name, values = texts,
      text = text:sub(item.expr.from or item.from, item.expr.to or item.to) } or nil
  end
  local agg = { op = "agg", items = items, inputs = { stream.data(input).id }, mark = c.mark }
  local bound, err = c.script:plan():probe(agg)
  if not bound then
    err.arg = "audit"
    c:fail_with(err)
  end
  local counted = stream.add(c, agg)
  stream.use(counted)
  stream.use(stream.add(c, { op = "write", endpoint = { kind = "audit", options = {} },
    mark = c.mark, inputs = { stream.data(counted).id }, conditions = conditions,
    of = endpoint.text(c.place) }))
  spec.audited = true
end

--- What a word of `roll` or `breaker` must be, and how it is read: a number of rows or failures,
--- bytes, microseconds.
local COUNT = { what = "a whole number of at least 1" }
local SIZE = { what = "a size like \"64MB\"", parse = size.parse, or_bytes = true }

local function duration_like(text)
  return { what = ("a duration like %q"):format(text), parse = duration.parse }
end

local ROLL = { rows = COUNT, size = SIZE, every = duration_like "1h", quiet = duration_like "10m" }
local BREAKER = { failures = COUNT, cooldown = duration_like "10s", limit = duration_like "1h" }

--- One word of an option that is a table of them, as a number.
local function word_value(c, option, words, name, x)
  local word, value, err = words[name], nil, nil
  if not word then
    local known = {}
    for one in pairs(words) do
      known[#known + 1] = one
    end
    table.sort(known)
    local near = type(name) == "string" and suggest.nearest(name, known)
    c:fail("W202", ("unknown option `%s` of `%s`"):format(tostring(name), option),
      near and ("did you mean `%s`?"):format(near) or "`" .. table.concat(known, "`, `") .. "`",
      option)
  elseif not word.parse or (word.or_bytes and math.type(x) == "integer") then
    value = math.type(x) == "integer" and x or nil
  elseif type(x) == "string" then
    value, err = word.parse(x)
  end
  if not value or value < 1 then
    c:fail("W203", ("`%s` of `%s` must be %s, got %s"):format(name, option, word.what,
      call.describe(x)), err and err.help, option)
  end
  return value
end

local function word_values(c, option, words, given)
  local read = {}
  for name, x in pairs(given) do
    read[name] = word_value(c, option, words, name, x)
  end
  return read
end

--- `roll`: when a file is complete and the next one begins. Rows, bytes, microseconds.
---@return table? {rows=, size=, every=, quiet=}
local function read_roll(c, input, roll)
  if roll == nil then
    return nil
  elseif type(roll) == "string" then
    roll = { quiet = roll }
  elseif type(roll) ~= "table" or getmetatable(roll) ~= nil or next(roll) == nil then
    c:wrong("roll", "a table, as `{ rows = 100000, size = \"64MB\", every = \"1h\" }`", roll)
  end
  local read = word_values(c, "roll", ROLL, roll)
  local timed = read.every and "every" or read.quiet and "quiet"
  if timed and not stream.data(input).info.has_time then
    c:fail("W301", ("`%s` of `roll` is of event time, and there is none"):format(timed),
      "`:event_time \"ts\"` before; `:processing_time \"at\"` is that of the clock", "roll")
  end
  return read
end

--- `breaker`: how many failures open it, how long it stays open, and after how long the run ends.
---@return table|boolean|nil {failures=, cooldown=, limit=}
local function read_breaker(c, breaker)
  if type(breaker) == "boolean" or breaker == nil then
    return breaker
  elseif type(breaker) ~= "table" or getmetatable(breaker) ~= nil then
    c:wrong("breaker", "true, false or a table, as `{ failures = 5, cooldown = \"10s\" }`", breaker)
  end
  return next(breaker) == nil or word_values(c, "breaker", BREAKER, breaker)
end

--- Files that roll, all in one directory.
local function in_parts(c, spec)
  local address = spec.endpoint.address
  if spec.endpoint.kind ~= "file" or address == "-" or not address:find("/$") then
    c:fail("W203", "`roll` writes files into a directory, and this is none",
      spec.endpoint.kind == "file" and address ~= "-" and ("`%s/`"):format(address) or nil, "1")
  end
  spec.endpoint.kind = "partitions"
  spec.partition_by = {}
  return spec
end

local function make_write(c, input)
  if c.place.kind == "stdout" or c.place.address == "-" then
    c.format = c.format or c.script:shown_format()
  end
  local place, format, rest = places.share(c)
  local has_tables = place.kind == "sqlite" or place.kind == "postgres"
  if has_tables and not place.options.table then
    c:fail("W203", ("`write` to %s needs the option `table`"):format(place.kind),
      ("`:write(%q, { table = \"revenue\" })`"):format(
        place.kind == "sqlite" and "sqlite:out.db" or "postgres:host/shop"), "1")
  elseif has_tables and place.options.query then
    c:fail("W202", "unknown option `query` of `write`", "a query can only be read", "query")
  elseif (has_tables or place.kind == "state") and rest.mode == "new" then
    c:fail("W203", ("option `mode` of `write` to %s must be \"upsert\", \"append\" or "
      .. "\"replace\", got the text \"new\""):format(place.kind), nil, "mode")
  elseif not rest.partition_by and place.options.success then
    c:fail("W203", "`success` of `write` is of partitions, and there is no `partition_by`", nil,
      "success")
  elseif place.kind == "file" and rest.mode == "upsert" then
    c:fail("W203", "option `mode` of `write` to a file must be \"append\", \"replace\" or \"new\", "
      .. "got the text \"upsert\"", "a file has no keys; a database does", "mode")
  end
  local mode = rest.mode or place.options.mode
  place.options.mode = mode
  place.options.roll = read_roll(c, input, place.options.roll)
  place.options.breaker = read_breaker(c, place.options.breaker)
  local spec = {
    op = "write", endpoint = place, format = format, key = names(rest.key), mode = mode,
  }
  if rest.partition_by then
    spec = partitioned(c, input, spec, rest.partition_by)
  elseif place.options.roll then
    spec = in_parts(c, spec)
  end
  if rest.audit then
    add_audit(c, input, spec, rest.audit)
  end
  return spec
end

--- The node to be looked at: of a stream that changes its rows, each change as a row.
local function shown(c, input)
  local data = stream.data(input)
  if not data.info.updates then
    return data.id
  end
  local changes = stream.add(c, { op = "changes", inputs = { data.id } })
  stream.use(changes)
  return stream.data(changes).id
end

return {
  write = {
    returns_input = true,
    usage = ':write("sqlite:out.db", { table = "revenue" })',
    doc = "Writes the rows and returns its input, so that the chain may go on.",
    subjects = { { kind = "value" } }, way = "writes",
    options = {
      key = { kind = "columns", doc = "the key of the sink; the key of the stream" },
      mode = { kind = "choice", of = { "upsert", "append", "replace", "new" },
        doc = "sqlite, state, postgres: `upsert`, `append`, `replace`; file: `replace`, "
        .. "`append`, `new`" },
      format = { kind = "any", doc = "a format's name or value; what the file's name says" },
      partition_by = { kind = "list", doc = "files in directories by these columns, which the "
        .. "files then do not have: `dt=2024-01-01/hm=10%3A05/part-00000.csv`; nil is "
        .. "`__HIVE_DEFAULT_PARTITION__`, as in Hive and Spark also an empty text, which is told; "
        .. "a text that is this word is `%5F_HIVE_…`, which they read as itself" },
      audit = { kind = "list", doc = "conditions over all rows, `enough = count() >= 1000`: one "
        .. "that is not true fails the run (W608) before anything is published; of files, sqlite, "
        .. "state and postgres" },
    },
    prepare = function(c)
      places.prepare(c, "writes")
    end,
    make = make_write,
  },
  print = {
    returns_input = true,
    usage = ":print { rows = 20 }",
    doc = "Shows the rows on the standard output: a table on a terminal, else NDJSON.",
    subjects = {},
    options = {
      rows = { kind = "count", min = 1, doc = "show so many rows at most" },
      format = { kind = "any", doc = "table, ndjson, json, csv, tsv or md" },
    },
    prepare = function(c)
      c.place = { kind = "print", options = {} }
      c.format = places.format(c, c.place, "writes")
      if c.format then
        c:allow_options(formats.FORMATS[c.format.name].options)
      end
    end,
    make = function(c, input)
      c.format = c.format or c.script:shown_format()
      local format = c.format and { name = c.format.name, options = {} }
      for key, x in pairs(c.format and c.format.options or {}) do
        format.options[key] = x
      end
      for key, x in pairs(c.opts) do
        if format and formats.FORMATS[format.name].options[key] then
          format.options[key] = x
        end
      end
      return { op = "print", inputs = { shown(c, input) }, rows = c.opts.rows, format = format,
        endpoint = { kind = "print", options = { rows = c.opts.rows } } }
    end,
  },
  tap = {
    returns_input = true,
    usage = ':tap("after the filter", { rows = 5 })',
    doc = "Shows the first rows on the standard error; the stream goes on.",
    subjects = { { kind = "text", what = "a label" } },
    options = { rows = { kind = "count", min = 1, doc = "show so many", default = "5" } },
    make = function(c, input)
      return { op = "tap", inputs = { shown(c, input) }, label = c[1], rows = c.opts.rows or 5 }
    end,
  },
  changes = {
    usage = ":changes { before = true }",
    doc = "A changelog as rows that stay: each change is a row with a column `op` behind the "
      .. "others: `insert`, `update` (the new row), `delete` (the row taken back).",
    subjects = {},
    options = { before = { kind = "boolean", default = "false",
      doc = "the old row of an update too, as `update_before`" } },
    make = function(c)
      return { op = "changes", before = c.opts.before or false }
    end,
  },
  rejects = {
    usage = ":rejects()",
    doc = "The rows that this stage and those before it on the chain rejected, with their reasons. "
      .. "The chain runs for them, also where its own rows go nowhere.",
    subjects = {},
    make = function()
      return { op = "rejects" }
    end,
  },
  late = {
    usage = ":late()",
    doc = "The rows that the last timed stage of the chain refused, as they came to it. Of windows "
      .. "that overlap a row that was in time for one is not here, though others miss it.",
    subjects = {},
    make = function()
      return { op = "late" }
    end,
  },
}
