-- Where streams begin: read, rows, generate; settings and the other functions of `weir`.
local scripts = require("spec.support.scripts")

describe("weir.read", function()
  it("has its endpoint, format, schema and options", function()
    local specs = scripts.specs([[weir.read("in/*.csv.gz",
      { schema = "a int64 key, b date('%d.%m.%Y')",
      null = "NA", delimiter = ";", on_error = "fail", partitions = "each",
        timezone = "Europe/Rome" })]],
      { bare = true })
    local read = specs[1]
    assert.same({ kind = "file", address = "in/*.csv.gz", options = { partitions = "each" } },
      read.endpoint)
    assert.equal("csv", read.format.name)
    assert.equal(";", read.format.options.delimiter)
    assert.same({ "a", "b" }, { read.schema[1].name, read.schema[2].name })
    assert.is_true(read.schema[1].key)
    assert.equal("fail", read.options.on_error)
    assert.equal("Europe/Rome", read.options.timezone)
  end)
  it("of the standard input is NDJSON unless said otherwise", function()
    local specs = scripts.specs("weir.read('-', { schema = 'a int64' })\n"
      .. "weir.read('-', { schema = 'a int64', format = 'csv', delimiter = ';' })", { bare = true })
    assert.equal("ndjson", specs[1].format.name)
    assert.same({ name = "csv", options = { delimiter = ";" } }, specs[2].format)
  end)
  it("of sqlite takes a table or a query", function()
    assert.equal("W203", select(2, scripts.err("weir.read 'sqlite:a.db'")).code)
    assert.equal("W203",
      select(2, scripts.err("weir.read('sqlite:a.db', { table = 't', query = 'select 1' })")).code)
    local spec = scripts.spec("weir.read('sqlite:a.db', "
      .. "{ query = 'select 1', schema = 'a int64' })")
    assert.equal("select 1", spec.endpoint.options.query)
  end)
  it("of a file that is not there is told at its string", function()
    assert.equal("2:11 W401", (scripts.err("weir.read 'nope.csv'")))
  end)
  it("a schema with an error points into it", function()
    assert.equal("2:43 W116", (scripts.err("weir.read('x.csv', { schema = 'a int64, b nt64' })")))
  end)
  it("a schema from a file is told to be of a later version", function()
    assert.equal("2:31 W203", (scripts.err("weir.read('x.csv', { schema = 'x.avsc' })")))
  end)
  it("options of later versions say so, false is no use of one", function()
    local at, err = scripts.err("weir.read('x.csv', { wait = '1h' })")
    assert.equal("option `wait` of `read` is not in this version", err.message)
    assert.equal("2:29 W202", at)
    assert.is_truthy(scripts.read("weir.read('x.csv', { wait = false }):print()"))
  end)
  it("a range is of rows, or of times that the rows get", function()
    local function options(text)
      return scripts.specs("weir.read('x.csv', { schema = 'at timestamp', " .. text .. " })"
        .. ":event_time 'at'")[1].options
    end
    assert.same({ row = 0 }, options("start = 0").start)
    assert.same({ row = 7 }, options("stop = 7").stop)
    assert.same({ time = 1767225600000000 }, options("start = '2026-01-01'").start)
    assert.same({ time = 1767225601000000 }, options("stop = '2026-01-01T00:00:01Z'").stop)
    local function wrong(text)
      local at, err = scripts.err("weir.read('x.csv', { schema = 'at timestamp', " .. text
        .. " }):print()")
      return at, err.message
    end
    for _, text in ipairs({ "start = -1", "stop = 0", "start = 1.5", "start = 'x'",
      "stop = {}" }) do
      assert.truthy(wrong(text):find("W203"), text)
    end
    local at, message = wrong("start = '2026-01-01'")
    assert.equal("2:55 W203", at)
    assert.equal("option `start` of `read` is a time, and no `event_time` says that of a row",
      message)
  end)
  it("rejects are read again by the format that they had, into another file", function()
    local function format(text)
      return scripts.spec("weir.read('r.ndjson', { schema = 'a int64', replay = " .. text .. " })")
        .format
    end
    local all = format("true")
    assert.equal("replay", all.name)
    assert.equal("ndjson", all.options.rows)
    assert.same({ header = false }, all.options.records.csv)
    assert.same({ ndjson = {} }, format("'json'").options.records)
    assert.same({ csv = { header = false, delimiter = ";" } },
      format("weir.csv { delimiter = ';' }").options.records)
    assert.equal("ndjson", format("false").name)
    local function wrong(text)
      return select(2, scripts.err(text)).message
    end
    assert.equal("`replay` needs the columns of the records: `schema = \"…\"`",
      wrong("weir.read('r.ndjson', { replay = true })"))
    assert.truthy(wrong("weir.read('r.ndjson', { replay = 'xml', schema = 'a int64' })")
      :find("true, or the format that the records had", 1, true))
    assert.equal("`replay` reads files of rejects, and this is sqlite",
      wrong("weir.read('sqlite:a.db', { table = 't', replay = true, schema = 'a int64' })"))
    assert.equal("`replay` reads r.ndjson, which this script writes",
      wrong("local s = weir.read('r.ndjson', { replay = true, schema = 'a int64' })\n"
        .. "s:print() s:rejects():write 'r.ndjson'"))
  end)
  it("a file is followed, a glob or directory is watched, an input is neither", function()
    local function kind(text)
      local script = text:gsub("OPTIONS", "schema = 'a int64', format = 'csv', follow = true")
      return scripts.spec(script).endpoint.kind
    end
    assert.equal("follow", kind("weir.read('x.csv', { OPTIONS })"))
    assert.equal("watch", kind("weir.read('in/x*.csv', { OPTIONS })"))
    assert.equal("watch", kind("weir.read('in/', { OPTIONS })"))
    local at, err = scripts.err("weir.read('sqlite:x.db', { table = 't', follow = true })")
    assert.equal("`follow` of `read` is of files, and this is sqlite", err.message)
    assert.equal("2:50 W203", at)
  end)
  it("a directory that is followed need not be there, but its format is said", function()
    local read = "weir.read('%s/', { follow = true, %s })"
    for _, folder in ipairs({ "no-such", "spec" }) do
      local at, err = scripts.err(read:format(folder, "schema = 'a int64'"))
      assert.equal("2:11 W402", at)
      assert.truthy(err.help:find("say it: `{ format = \"csv\" }`", 1, true))
    end
  end)
end)

describe("weir.rows", function()
  it("takes rows by position and by name", function()
    local spec = scripts.spec([[weir.rows("a int64, b string, t timestamp",
      { { 1, "x" }, { b = "y", a = 2 }, { 3, nil, "2024-01-01T00:00:00Z" } })]])
    assert.same({ { 1, "x" }, { 2, "y" }, { 3, nil, "2024-01-01T00:00:00Z" } }, spec.endpoint.rows)
    assert.equal("rows", spec.endpoint.kind)
  end)
  it("takes CSV text", function()
    assert.equal("a\n1\n", scripts.spec("weir.rows('a int64', 'a\\n1\\n')").endpoint.text)
  end)
  it("refuses names and positions that the schema does not have", function()
    local _, err = scripts.err("weir.rows('amount int64', { { amuont = 1 } })")
    assert.equal("row 1: unknown column `amuont`", err.message)
    assert.truthy(err.help:find("did you mean `amount`", 1, true))
    assert.equal("W203", select(2, scripts.err("weir.rows('a int64', { { 1, 2 } })")).code)
    assert.equal("W203", select(2, scripts.err("weir.rows('a int64', { 1 })")).code)
    assert.equal("W203", select(2, scripts.err("weir.rows('a int64', 5)")).code)
    assert.equal("W203", select(2, scripts.err("weir.rows('a int64', { a = 1 })")).code)
    assert.equal("W203",
      select(2, scripts.err("weir.rows('a int64', { { 1 }, nil, nil, { 2 }, [9] = { 3 } })")).code)
  end)
end)

describe("weir.generate", function()
  it("has columns over i", function()
    local spec = scripts.spec("weir.generate { rows = 10, rate = 2.5, "
      .. "columns = 'id = i, k = i % $n', n = 3 }")
    assert.equal("generate", spec.endpoint.kind)
    assert.same({ rows = 10, rate = 2.5, seed = 1 }, spec.endpoint.options)
    assert.equal(3, spec.endpoint.columns[2].expr.b.v)
  end)
  it("needs columns", function()
    assert.equal("W203", select(2, scripts.err("weir.generate { rows = 10 }")).code)
  end)
end)

describe("weir.settings", function()
  it("stands once, at the top", function()
    local _, plan,
      made = scripts.specs("weir.settings { timezone = 'Europe/Berlin', memory = '64MB',"
      .. " checkpoint = '100ms', max_bad = 3 }\nweir.read('x.csv'):print()", { bare = true })
    assert.equal("Europe/Berlin", plan.options.timezone)
    assert.equal(67108864, made.settings.memory)
    assert.equal(100000, made.settings.checkpoint)
    assert.equal("2:6 W203", (scripts.err("weir.settings { max_bad = 3 }")))
    assert.equal("W208", select(2, scripts.err("weir.settings { max_bad = 3 }\nweir.settings {}",
      { bare = true })).code)
    assert.equal("1:17 W202", (scripts.err("weir.settings { worker = 3 }", { bare = true })))
  end)
end)

describe("the other functions of weir", function()
  it("a schema is a value, from text or from a stream", function()
    local specs = scripts.specs([[local t = weir.schema "a int64, b string"
      weir.read("y.csv", { schema = t }):print()
      weir.read("z.csv", { schema = s.schema }):print()]])
    assert.equal("b", specs[1].schema[2].name)
    assert.equal("amount", specs[3].schema[2].name)
  end)
  it("quote writes any name", function()
    assert(scripts.read([[assert(weir.quote "Total `x`" == "`Total ``x```")
      s:derive(weir.quote "end" .. " = amount"):print()]]))
  end)
  it("secrets are opaque", function()
    assert(scripts.read([[local x = weir.secret "db"
      assert(tostring(x) == "secret(db)")
      assert(not pcall(function() return x .. "" end))
      assert(not pcall(function() return x.name end))
      s:print()]]))
  end)
  it("the environment needs leave", function()
    assert.equal("2:10 W406", (scripts.err("weir.env 'TOKEN'")))
    assert(scripts.read("assert(tostring(weir.env 'TOKEN') == 'env(TOKEN)')\ns:print()",
      { allow = { ["env=TOKEN"] = true } }))
  end)
  it("an unknown one is told with the one that was meant", function()
    local at, err = scripts.err("weir.tumblin '1h'")
    assert.equal("2:6 W201", at)
    assert.equal("did you mean `weir.tumbling`?", err.help)
  end)
  it("windows check their widths", function()
    assert.equal("2:15 W203", (scripts.err("weir.tumbling '0s'")))
    assert.equal("W203", select(2, scripts.err("weir.hopping '1h'")).code)
    assert.equal("2:30 W203", (scripts.err("weir.hopping('1h', { every = '2h' })")))
    assert.equal("W203", select(2, scripts.err("weir.hopping('365d', { every = '1us' })")).code)
    assert.equal("W203", select(2, scripts.err("weir.hopping('1h', { every = '0s' })")).code)
  end)
end)
