-- The scenario harness: names, typed rows, comparison, golden files. What runs is a stand-in that
-- hands every row on as it is.
local fake_native = require("spec.support.fake_native")
local loader = require("weir.loader")
local rows_text = require("weir.test_rows")
local schema = require("weir.schema")
local test = require("weir.test")
local value = require("weir.value")

local SCRIPT = [[
weir.params "min int64 = 1"
local s = weir.read("in/clicks.ndjson",
  { schema = "user string, n int64, x float64, ts timestamp", name = "all clicks" })
s:write "out/all.csv"
s:write("sqlite:o.db", { table = "totals" })
]]

local function scenario(text, options)
  loader.reset()
  options = options or {}
  options.native, options.text = fake_native.new(), text or SCRIPT
  return test.new("clicks.lua", options)
end

local ROWS = {
  { user = "a", n = 1, x = 1.5, ts = "2024-01-01T00:00:00Z" },
  { "b", 2, nil, value.timestamp(0) },
}

describe("a scenario", function()
  it("gives typed rows to a source by any of its names", function()
    for _, name in ipairs({ "all clicks", "in/clicks.ndjson", "clicks.ndjson", "clicks" }) do
      local t = scenario()
      t:feed(name, ROWS)
      local rows = t:rows "all"
      assert.equal("a", rows[1].user)
      assert.equal(value.parse_timestamp("2024-01-01T00:00:00Z"), rows[1].ts)
      assert.is_nil(rows[2].x)
      assert.equal(2, rows[2].n)
    end
  end)
  it("knows sinks by address, table and scheme", function()
    local t = scenario()
    for _, name in ipairs({ "out/all.csv", "all.csv", "all", "o.db", "totals", "sqlite:o.db" }) do
      assert.same({}, (t:rows(name)))
    end
  end)
  it("names what was meant when a name is not known", function()
    local t = scenario()
    assert.error_matches(function()
      t:feed("clikcs", {})
    end, "no source is called \"clikcs\"")
    assert.error_matches(function()
      t:rows("totls")
    end, "no sink is called")
  end)
  it("a name of two needs the option name", function()
    local t = scenario("local s = weir.rows('a int64', {})\ns:print()\ns:print()")
    assert.error_matches(function()
      t:rows("print")
    end, "2 sinks are called")
  end)
  it("passes steps on in their units", function()
    local t = scenario()
    t:advance_time("10s"):advance_watermark("1970-01-01T00:00:01Z"):crash():finish()
    assert.same({ { "advance_time", 10000000 }, { "advance_watermark", 1000000 }, { "crash" },
      { "finish" } }, t.harness.steps)
  end)
  it("refuses values of another type at their row and column", function()
    local t = scenario()
    for _, case in ipairs({
      { { n = "1" }, "row 1: column `n` must be int64, got \"1\"" },
      { { n = 1.5 }, "must be int64, got 1.5" }, { { x = "1.5" }, "column `x`" },
      { { ts = "yesterday" }, "column `ts` must be timestamp" }, { { usr = "a" },
        "did you mean `user`" },
      { { [5] = 5 }, "unknown column `5`" }, { { user = true }, "column `user`" },
    }) do
      local ok, message = pcall(t.feed, t, "clicks", { case[1] })
      assert.is_false(ok)
      assert.truthy(message:find(case[2], 1, true), message)
    end
  end)
  it("takes times without offset in the zone of the source, or of the script", function()
    local text = 'weir.settings { timezone = "Europe/Berlin" }\n'
      .. 'weir.read("in.csv", { schema = "ts timestamp"%s }):write "out.csv"'
    for zone, hour in pairs({ [""] = "08", [", timezone = 'UTC'"] = "10" }) do
      local t = scenario(text:format(zone))
      t:feed("in.csv", { { ts = "2024-07-01 10:00:00" } })
      local expected = value.parse_timestamp("2024-07-01T" .. hour .. ":00:00Z")
      assert.equal(expected, t:rows("out.csv")[1].ts)
    end
  end)
  it("refuses a row without a value that the source demands", function()
    local t = scenario('weir.read("in.csv", { schema = "id int64 required" }):write "out.csv"')
    assert.error_matches(function() t:feed("in.csv", { { id = 1 }, {} }) end,
      "row 2: column `id` is required")
  end)
  it("takes parameters", function()
    assert.equal(5, scenario(nil, { params = { min = "5" } }).script.params.min.value)
  end)
  it("shows an error of its script with its place", function()
    assert.error_matches(function()
      scenario("weir.read('a.csv', { schema = 'a int64' }):filtr 'a > 1'")
    end, "clicks.lua:1:44: error%[W201%]")
  end)
end)

describe("expect_rows", function()
  local t

  before_each(function()
    t = scenario()
    t:feed("clicks", ROWS)
  end)

  it("passes for the same rows as tables and as CSV text", function()
    t:expect_rows("all", ROWS)
    t:expect_rows("all", [[
      user,n,x,ts
      a,1,1.5,2024-01-01T00:00:00Z
      b,2,,1970-01-01T00:00:00Z
    ]])
  end)
  it("fails for another value, another order, a row more and a row less", function()
    for _, rows in ipairs({
      { ROWS[1], { "b", 3, nil, value.timestamp(0) } }, { ROWS[2], ROWS[1] }, { ROWS[1] },
      { ROWS[1], ROWS[2], ROWS[2] }, {}, { ROWS[1], { "b", 2, 0.0, value.timestamp(0) } },
    }) do
      assert.error_matches(function()
        t:expect_rows("all", rows)
      end, "rows of \"all\" differ")
    end
  end)
  it("shows the rows that differ under the names of their columns", function()
    local ok, message = pcall(t.expect_rows, t, "all", { ROWS[1], { "b", 7, nil,
      value.timestamp(0) } })
    assert.is_false(ok)
    assert.truthy(message:find([[
  user  n  x    ts
  "a"   1  1.5  2024-01-01T00:00:00Z
- "b"   7  nil  1970-01-01T00:00:00Z
+ "b"   2  nil  1970-01-01T00:00:00Z]], 1, true), message)
  end)
  it("refuses a column that is not there", function()
    assert.error_matches(function()
      t:expect_rows("all", { { usr = "a" } })
    end, "unknown column `usr`, did you mean `user`")
    assert.error_matches(function()
      t:expect_rows("all", "user,z\na,1\n")
    end, "unknown column `z`")
  end)
  it("compares with golden files, which --update writes", function()
    local base = os.tmpname()
    os.remove(base)
    for _, ending in ipairs({ ".csv", ".ndjson" }) do
      local path = base .. ending
      assert.error_matches(function()
        t:expect_rows("all", path)
      end, "no golden file")
      test.update = true
      t:expect_rows("all", path)
      test.update = false
      t:expect_rows("all", path)
      t:feed("clicks", { { user = "c" } })
      assert.error_matches(function()
        t:expect_rows("all", path)
      end, "%+ ")
      os.remove(path)
    end
  end)
end)

describe("a golden file", function()
  it("lies beside the script", function()
    local path = os.tmpname()
    local folder, base = path:match("^(.*)/([^/]*)$")
    os.remove(path)
    loader.reset()
    local t = test.new(folder .. "/" .. base .. ".lua", {
      native = fake_native.new(), text = "weir.read('a.csv', { schema = 'a int64' }):write 'o.csv'",
    })
    t:feed("a.csv", { { a = 1 } })
    test.update = true
    t:expect_rows("o.csv", base .. ".csv")
    test.update = false
    local handle = assert(io.open(path .. ".csv"))
    assert.equal("a\n1\n", handle:read("a"))
    handle:close()
    os.remove(path .. ".csv")
  end)
end)

describe("expect_rejects", function()
  it("counts rows with the given values", function()
    local t = scenario()
    t.harness.rejected = {
      { nil, "read", "W501", "cannot parse" }, { nil, "event_time", "W506", "no event time" },
      { nil, "read", "W501", "cannot parse" },
    }
    t:expect_rejects({ code = "W501", n = 2 })
    t:expect_rejects({ code = "W506", stage = "event_time" })
    t:expect_rejects({ code = "W503", n = 0 })
    assert.error_matches(function()
      t:expect_rejects({ code = "W501", n = 1 })
    end, "expected 1, got 2")
    assert.error_matches(function()
      t:expect_rejects({ code = "W503" })
    end, "2 × W501 cannot parse")
  end)
end)

describe("rows as text", function()
  local fields = schema.fields("a string, b int64, l list<int64>")

  it("CSV reads quotes, empty strings and nil apart", function()
    local cells = assert(rows_text.parse_csv(fields, 'a,b,l\n"x,""y""",1,"[1,2]"\n"",,\n,2,'))
    assert.same({ { "x,\"y\"", 1, "[1,2]", n = 3 }, { "", n = 3 }, { [2] = 2, n = 3 } }, cells)
    assert.is_nil((rows_text.parse_csv(fields, "a,b,l\n\"x,1,2\n")))
    assert.is_nil((rows_text.parse_csv(fields, "a,b,l\nx,1\n")))
  end)
  it("CSV and NDJSON are written by the types", function()
    local rows = rows_text.from_cells(fields, { { "", 1, "[1,2]" }, { nil, 2 }, { "a\"b" } })
    assert.equal('a,b,l\n"",1,"[1,2]"\n,2,\n"a""b",,\n', rows_text.FORMATS.csv(fields, rows))
    assert.equal('{"a":"","b":1,"l":[1,2]}\n{"a":null,"b":2,"l":null}\n'
      .. '{"a":"a\\"b","b":null,"l":null}\n',
      rows_text.FORMATS.ndjson(fields, rows))
  end)
  it("a difference is the shortest one, and bounded", function()
    local function rows(from, to)
      local list = {}
      for i = from, to do
        list[#list + 1] = { a = "x", b = i }
      end
      return list
    end
    local text = rows_text.difference(fields, rows(1, 500), rows(2, 501))
    local _, removed = text:gsub("\n%- ", "")
    local _, added = text:gsub("\n%+ ", "")
    assert.same({ 1, 1 }, { removed, added })
    local _, lines = rows_text.difference(fields, rows(1, 3000), rows(4001, 7000)):gsub("\n", "")
    assert.truthy(lines < 100)
    assert.is_nil(rows_text.difference(fields, rows(1, 5), rows(1, 5)))
  end)
end)
