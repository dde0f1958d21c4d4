-- What a run and a plan tell: the last line, rejects by reason, explain.
local explain = require("weir.explain")
local report = require("weir.report")
local schema = require("weir.schema")

describe("the last line of a run", function()
  it("has rows in, out per sink, rejected by code, late and seconds", function()
    assert.equal("1,234,567 in, 12 out to a.csv, 1 out to sqlite:o.db/t, "
      .. "5 rejected (W501 3, W506 2), 7 late, 1.25 s",
      report.line({
        rows_in = 1234567, sinks = { { name = "a.csv", rows = 12 }, { name = "sqlite:o.db/t",
          rows = 1 } },
        rejected = { { code = "W506", n = 2 }, { code = "W501", n = 1 }, { code = "W501", n = 2 } },
        late = 7, seconds = 1.25,
      }))
  end)
  it("says how many floats were written as null", function()
    assert.equal("2 in, 2 out to a.ndjson (1,234 nan or inf written as null), 0 rejected, 0 late, "
      .. "1.00 s", report.line({ rows_in = 2, seconds = 1,
        sinks = { { name = "a.ndjson", rows = 2, nonfinite = 1234 } } }))
  end)
  it("says what nobody sees of a run that did not end", function()
    local sinks = { { name = "a.csv", rows = 9, is_held = true }, { name = "stdout", rows = 9 } }
    assert.equal("interrupted: 9 in, 9 out to a.csv (dropped: the run did not end), "
      .. "9 out to stdout, 0 rejected, 0 late, 1.00 s",
      report.line({ interrupted = 2, rows_in = 9, seconds = 1, sinks = sinks }))
    assert.equal("interrupted: 9 in, 9 out to a.csv (there when the run ends), "
      .. "9 out to stdout, 0 rejected, 0 late, 1.00 s",
      report.line({ interrupted = 2, rows_in = 9, seconds = 1, sinks = sinks, has_state = true }))
  end)
  it("says when it was interrupted, and long times in minutes", function()
    assert.equal("interrupted: 0 in, 0 rejected, 0 late, 61 min 1 s",
      report.line({ interrupted = 2, seconds = 3661.2 }))
  end)
end)

describe("rejects by reason", function()
  it("have one example each, on one line", function()
    assert.same({
      "3 rows rejected; `--rejects FILE` keeps them:",
      "  W501  3  cannot parse (at `read`)",
      "        x.csv:17: field 2",
      "        | a,\\x09b",
    }, report.rejects({ rejected = { {
      code = "W501", n = 3, reason = "cannot parse", stage = "read",
      example = { source = "x.csv", line = 17, detail = "field 2", raw = "a,\tb\r\n" },
    } } }))
  end)
  it("have the place of the record, and the reason where it says more", function()
    local lines = report.rejects({ rejected = { { code = "W507", n = 1, reason = "late",
      example = { source = "x.csv", position = "line 7 byte 512", reason = "late by 3s" } } } })
    assert.equal("        x.csv:7: late by 3s", lines[3])
  end)
  it("of rows that were kept are told apart", function()
    local summary = { rejected = { { code = "W508", n = 2, reason = "expectation `a`",
      only_warns = true } } }
    assert.equal("2 rows not as expected, and kept:", report.rejects(summary)[1])
    assert.truthy(report.line(summary):find("0 rejected", 1, true))
  end)
  it("that the run keeps are left out, rows with a warning are not", function()
    local summary = { rejected = { { code = "W501", n = 3, reason = "cannot parse" },
      { code = "W508", n = 2, reason = "expectation", only_warns = true } } }
    assert.same({ "2 rows not as expected, and kept:", "  W508  2  expectation" },
      report.rejects(summary, true))
  end)
  it("are nothing when there are none", function()
    assert.same({}, report.rejects({ rejected = {} }))
  end)
  it("cut long rows between characters", function()
    local lines = report.rejects({ rejected = { { code = "W501", n = 1, reason = "r",
      example = { raw = ("ä"):rep(200) } } } })
    assert.truthy(utf8.len(lines[3]))
    assert.truthy(#lines[3] < 180)
  end)
end)

describe("explain", function()
  it("names Lua functions by where they stand", function()
    local expressions = {
      { expr = "(function 2.1(n) + 1)", how = "vm: function 2.1", name = "a" },
      { expr = "function 2.2(n)", how = "vm: function 2.2, function 3.1", name = "b" },
    }
    explain.name_functions({ nodes = { { expressions = expressions } } },
      { [2] = "clicks.lua:12:10" })
    assert.same({
      { expr = "(function(n) + 1)", how = "vm: function at clicks.lua:12:10", name = "a" },
      { expr = "function(n)", how = "vm: function at clicks.lua:12:10, result 2, function 3.1",
        name = "b" },
    }, expressions)
  end)
  local text = explain.text({ nodes = { {
    id = 2, op = "agg", name = "by user", inputs = { 1 },
    schema = schema.fields("user string, n int64"),
    key = { "user" }, order = "firing", bounded = true, has_time = true,
    expressions = { { name = " n", expr = "count()", how = "native" },
      { expr = "f(e)", how = "vm: a call" } },
    facts = { pushed_down = { "amount", "user" }, state = "groups × open windows" },
  } }, shards = 1 })

  it("shows each node with what is known of it", function()
    for _, part in ipairs({ "   2  agg by user ← 1", "order: firing · ends · event time",
      "columns: user string, n int64", "key: user", "expression: n = count() (native)",
      "expression: f(e) (vm: a call)", "pushed down: amount, user",
      "state: groups × open windows", "shards: 1" }) do
      assert.truthy(text:gsub(" +", " "):find(part:gsub(" +", " "), 1, true), part)
    end
  end)
  it("shows of columns only what a stage adds", function()
    local fields = schema.fields("a int64, b string")
    local same = explain.text({ nodes = { { id = 0, op = "read", schema = fields },
      { id = 1, op = "filter", inputs = { 0 }, schema = fields },
      { id = 2, op = "derive", inputs = { 1 },
        schema = schema.fields("a int64, b string, c date") },
      { id = 3, op = "derive", inputs = { 2 }, schema = schema.fields("a date, b string, c date") },
    } })
    assert.truthy(same:find("columns: the same\n", 1, true))
    assert.truthy(same:find("columns: the same, c date\n", 1, true))
    assert.truthy(same:find("columns: a date, b string, c date\n", 1, true))
  end)
  it("stays within 80 columns", function()
    local wide = explain.text({ nodes = { { id = 1, op = "read",
      schema = schema.fields(("abcdefgh_%d int64, "):rep(30):gsub("%%d", function()
        return tostring(math.random(1 << 40))
      end)) } } })
    for line in wide:gmatch("[^\n]+") do
      assert.truthy(utf8.len(line) <= 80, line)
    end
  end)
end)
