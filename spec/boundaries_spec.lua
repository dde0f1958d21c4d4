-- Where time, state and inputs just touch: each boundary by its name, by the program's own
-- scheduler. What a stage does beyond them says its own spec.
local timed = require("spec.support.timed")
local two = require("spec.support.two_streams")
local test = require("weir.test")

--- Window columns as seconds behind the first of the rows.
local SECONDS = ":derive(\"s = (window_start - timestamp'2024-01-01T00:00:00Z') // duration'1s',"
  .. " e = (window_end - timestamp'2024-01-01T00:00:00Z') // duration'1s'\")"

--- Rows {k, v, second} through windows that `agg` counts, as "start-end key count sum".
local function windows(window, rows, options)
  options = options or {}
  local stages = (":window(%s, { allowed_lateness = '%s' }):group_by 'k'"
    .. ":agg 'n = count(), sum = sum(v)'%s%s"):format(window, options.allowed or "0s", SECONDS,
    options.allowed and ":changes()" or "")
  local t = timed.run(stages, rows, { max_delay = options.max_delay or "0s" })
  return timed.shown(t, options.allowed and { "s", "e", "k", "n", "sum", "op" }
    or { "s", "e", "k", "n", "sum" }), t
end

--- Rows {k, value, second, …} of both sides through stages over `l` and `r`, as rows of columns.
local function joined(stages, left, right, columns)
  local t = test.new("x.lua", { text = two.script [[
local l = read("l", "k int64, a string, ts timestamp"):event_time("ts", { max_delay = "5s" })
local r = read("r", "k int64, b string, ts timestamp"):event_time("ts", { max_delay = "5s" })
]] .. stages .. ":write(weir.file('out.csv'))" })
  t:feed("l", two.rows("a", left))
  t:feed("r", two.rows("b", right))
  t:finish()
  return timed.shown(t, columns or { "a", "r_b" }), t
end

describe("a window's edge", function()
  it("is in the later window", function()
    assert.equal("0 10 a 1 1; 10 20 a 1 2",
      (windows('weir.tumbling "10s"', { { "a", 1, 9 }, { "a", 2, 10 } })))
  end)
  it("is in the later step of a cumulative window, and in each that holds it", function()
    assert.equal("0 10 a 1 1; 0 20 a 2 3",
      (windows('weir.cumulative("20s", { every = "10s" })', { { "a", 1, 9 }, { "a", 2, 10 } })))
  end)
end)

describe("lateness", function()
  it("refuses a row of a window that ends exactly at the frontier", function()
    local rows, t = windows('weir.tumbling "10s"', { { "a", 1, 1 }, { "a", 2, 10 }, { "a", 4, 9 } })
    assert.equal("0 10 a 1 1; 10 20 a 1 2", rows)
    t:expect_rejects { code = "W507", n = 1 }
  end)
  it("takes a row that is behind while its window is open", function()
    local rows, t = windows('weir.tumbling "10s"', { { "a", 1, 1 }, { "a", 2, 9 }, { "a", 4, 0 } })
    assert.equal("0 10 a 3 7", rows)
    t:expect_rejects { code = "W507", n = 0 }
  end)
  it("takes a row at the frontier, and less than max_delay behind the newest", function()
    local rows, t = windows('weir.tumbling "10s"', { { "a", 1, 1 }, { "a", 2, 14 }, { "a", 4, 9 } },
      { max_delay = "5s" })
    assert.equal("0 10 a 2 5; 10 20 a 1 2", rows)
    t:expect_rejects { code = "W507", n = 0 }
  end)
  it("allowed is over when the frontier is at the end plus it", function()
    local rows, t = windows('weir.tumbling "10s"', { { "a", 1, 1 }, { "b", 0, 14 }, { "a", 2, 1 },
      { "b", 0, 15 }, { "a", 4, 1 } }, { allowed = "5s" })
    assert.equal("0 10 a 1 1 insert; 0 10 a 2 3 update; 10 20 b 2 0 insert", rows)
    t:expect_rejects { code = "W507", n = 1 }
  end)
  it("is of each hopping window: one takes the row, another refuses it", function()
    local rows, t = windows('weir.hopping("10s", { every = "5s" })',
      { { "a", 1, 6 }, { "a", 2, 12 }, { "a", 4, 9 } })
    assert.equal("0 10 a 1 1; 5 15 a 3 7; 10 20 a 1 2", rows)
    t:expect_rejects { code = "W507", n = 0 }
  end)
end)

describe("hopping windows", function()
  it("whose size is no multiple of the slide take a row in a changing number of them", function()
    assert.equal("-9 1 a 1 1; -6 4 a 1 1; -3 7 a 2 3; 0 10 a 2 3; 3 13 a 1 2",
      (windows('weir.hopping("10s", { every = "3s" })', { { "a", 1, 0 }, { "a", 2, 5 } })))
  end)
end)

describe("times", function()
  local function far(texts)
    local t = test.new("x.lua", { text = timed.READ .. ":event_time 'ts'"
      .. ":window(weir.tumbling '10s'):agg 'n = count()':write(weir.file('out.csv'))" })
    local rows = {}
    for i, text in ipairs(texts) do
      rows[i] = { k = "a", v = i, ts = text }
    end
    t:feed("in", rows)
    t:finish()
    return timed.shown(t, { "window_start", "window_end", "n" })
  end

  it("before 1970 are in windows that begin before them", function()
    assert.equal("1969-12-31T23:59:50Z 1970-01-01T00:00:00Z 1; "
      .. "1970-01-01T00:00:00Z 1970-01-01T00:00:10Z 1",
      far { "1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z" })
  end)
  it("far back and far ahead are in windows as others", function()
    assert.equal("0001-01-01T00:00:00Z 0001-01-01T00:00:10Z 1; "
      .. "9999-12-31T23:59:50Z 10000-01-01T00:00:00Z 1",
      far { "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z" })
  end)
end)

describe("a session", function()
  it("goes on over a gap that is exactly as long, and ends with a longer one", function()
    assert.equal("0 20 a 2 3; 21 31 a 1 4",
      (windows('weir.session "10s"', { { "a", 1, 0 }, { "a", 2, 10 }, { "a", 4, 21 } })))
  end)
  it("goes on over an equal gap though another key had the frontier there before", function()
    assert.equal("0 20 a 2 3; 10 20 b 1 0", (windows('weir.session "10s"',
      { { "a", 1, 0 }, { "b", 0, 10 }, { "a", 2, 10 } })))
  end)
  it("is one with another through a row that is behind both ends", function()
    assert.equal("0 28 a 3 7", (windows('weir.session "10s"',
      { { "a", 1, 0 }, { "a", 2, 18 }, { "a", 4, 9 } }, { max_delay = "9s" })))
  end)
  it("that has left is taken back when a late row joins it to another", function()
    assert.equal("0 10 a 1 1 insert; 0 10 a 1 1 delete; 0 28 a 3 7 insert",
      (windows('weir.session "10s"', { { "a", 1, 0 }, { "a", 2, 18 }, { "a", 4, 9 } },
        { allowed = "30s" })))
  end)
  it("behind stages that put rows into order goes by their times alone", function()
    local t = timed.run(":sort():window(weir.session '10s'):agg 'n = count()'" .. SECONDS,
      { { "a", 1, 0 }, { "a", 2, 10 }, { "a", 3, 20 }, { "a", 4, 31 } }, { max_delay = "0s" })
    assert.equal("0 30 3; 31 41 1", timed.shown(t, { "s", "e", "n" }))
  end)
end)

describe("an input without rows", function()
  it("gives one row of all, and none of groups, windows and ranks", function()
    local all = timed.run(":agg 'n = count(), s = sum(v)'", {})
    assert.equal("0 nil", timed.shown(all, { "n", "s" }))
    assert.equal("", timed.shown(timed.run(":group_by 'k':agg 'n = count()'", {}), { "n" }))
    assert.equal("", timed.shown(timed.run(":top(1, 'v')", {}), { "k" }))
    assert.equal("", (windows('weir.tumbling "10s"', {})))
    assert.equal("", (windows('weir.session "10s"', {})))
  end)
  it("on the right of a join leaves the rows of the left alone", function()
    local join = "l:join(r, { on = 'k', prefix = 'r_', how = 'left', within = '3s' })"
    assert.equal("x nil", (joined(join, { { 1, "x", 1 } }, {})))
    assert.equal("", (joined(join, {}, { { 1, "p", 1 } })))
  end)
end)

describe("equal times on both sides", function()
  it("of an interval join of no width are a pair", function()
    assert.equal("x p", (joined("l:join(r, { on = 'k', prefix = 'r_', within = '0s' })",
      { { 1, "x", 7 } }, { { 1, "o", 6 }, { 1, "p", 7 }, { 1, "q", 8 } })))
  end)
  it("are a version that holds, but not `before`", function()
    local join = "l:asof_join(r, { on = 'k', prefix = 'r_', %s })"
    local left, right = { { 1, "x", 7 } }, { { 1, "o", 6 }, { 1, "p", 7 } }
    assert.equal("x p", (joined(join:format("how = 'left'"), left, right)))
    assert.equal("x o", (joined(join:format("before = true"), left, right)))
    assert.equal("x p", (joined(join:format("direction = 'forward'"), left, right)))
  end)
end)

describe("changes in one batch", function()
  it("of a key that is updated, deleted and comes again leave each", function()
    local t = timed.run(":as_table('k', { delete = 'v < 0' }):changes { before = true }",
      { { "a", 1, 1 }, { "a", 2, 2 }, { "a", -1, 3 }, { "a", 3, 4 } })
    assert.equal("a 1 insert; a 1 update_before; a 2 update; a 2 delete; a 3 insert",
      timed.shown(t, { "k", "v", "op" }))
  end)
  it("are taken one by one where a sum is made", function()
    local t = timed.run(":as_table('k', { delete = 'v < 0' }):group_by 'one = 1'"
      .. ":agg 'n = count(), s = sum(v)':changes()",
      { { "a", 1, 1 }, { "b", 5, 1 }, { "a", 2, 2 }, { "a", -1, 3 } })
    assert.equal("1 1 insert; 2 6 update; 2 7 update; 1 5 update",
      timed.shown(t, { "n", "s", "op" }))
  end)
end)

describe("a key whose state was dropped", function()
  it("is no duplicate any more", function()
    local t = timed.run(":dedup('k', { within = '10s' })", { { "a", 1, 0 }, { "a", 2, 9 },
      { "b", 3, 30 }, { "a", 4, 31 }, { "a", 5, 40 } }, { max_delay = "0s" })
    assert.equal("a 1; b 3; a 4", timed.shown(t, { "k", "v" }))
  end)
  it("begins a session and a window anew", function()
    local rows = { { "a", 1, 0 }, { "b", 2, 30 }, { "a", 4, 50 } }
    assert.equal("0 10 a 1 1; 30 40 b 1 2; 50 60 a 1 4", (windows('weir.session "10s"', rows)))
    assert.equal("0 10 a 1 1; 30 40 b 1 2; 50 60 a 1 4", (windows('weir.tumbling "10s"', rows)))
  end)
  it("finds no version that is older than `max_age`, and then its new one", function()
    assert.equal("x o; y nil; z q", (joined(
      "l:asof_join(r, { on = 'k', prefix = 'r_', max_age = '5s' })",
      { { 1, "x", 5 }, { 1, "y", 6 }, { 1, "z", 41 } }, { { 1, "o", 0 }, { 1, "q", 40 } })))
  end)
end)

describe("rows of an outer join without a match", function()
  local join = "l:join(r, { on = 'k', prefix = 'r_', how = 'full', within = '3s' })"
  it("leave when nothing can meet them any more, and not before", function()
    local t = test.new("x.lua", { text = two.script([[
local l = read("l", "k int64, a string, ts timestamp"):event_time("ts", { max_delay = "5s" })
local r = read("r", "k int64, b string, ts timestamp"):event_time("ts", { max_delay = "5s" })
]] .. join .. ":write(weir.file('out.csv'))") })
    t:feed("l", two.rows("a", { { 1, "x", 1 }, { 2, "y", 9 } }))
    t:feed("r", two.rows("b", { { 2, "p", 9 } }))
    t:feed("l", two.rows("a", { { 3, "z", 10 } }))
    assert.equal("y p", timed.shown(t, { "a", "r_b" })) -- the frontier is 4: one at 4 might come
    t:feed("r", two.rows("b", { { 3, "q", 10 }, { 4, "u", 40 } }))
    t:feed("l", two.rows("a", { { 4, "v", 40 }, { 5, "w", 41 } }))
    assert.equal("y p; z q; x nil; v u", timed.shown(t, { "a", "r_b" }))
  end)
  it("leave at the end of the inputs, by time", function()
    assert.equal("nil p; x nil; nil q", (joined(join, { { 1, "x", 2 } },
      { { 2, "p", 1 }, { 3, "q", 4 } })))
  end)
end)

describe("a window over the older side of an interval join", function()
  it("holds all pairs of its rows, though the younger side is far ahead", function()
    local rows, t = joined("l:join(r, { on = 'k', prefix = 'r_', within = { '0s', '20s' }, "
      .. "time = 'left' }):window(weir.tumbling '10s'):agg 'n = count(), all = list(r_b)'"
      .. SECONDS, { { 1, "x", 1 }, { 1, "y", 11 } },
      { { 1, "p", 2 }, { 1, "q", 12 }, { 1, "r", 21 }, { 1, "s", 30 } }, { "s", "e", "n" })
    assert.equal("0 10 3; 10 20 3", rows)
    t:expect_rejects { code = "W507", n = 0 }
  end)
  it("holds the row at each bound, and none behind", function()
    assert.equal("0 10 2", (joined("l:join(r, { on = 'k', prefix = 'r_', within = "
      .. "{ '-2s', '20s' }, time = 'left' }):window(weir.tumbling '10s'):agg 'n = count()'"
      .. SECONDS, { { 1, "x", 5 } },
      { { 1, "o", 2 }, { 1, "p", 3 }, { 1, "q", 25 }, { 1, "r", 26 } }, { "s", "e", "n" })))
  end)
end)

describe("the end of a window as a key", function()
  it("closes nothing behind a join that keeps the window's rows for later ones", function()
    local rows, t = joined("l:window(weir.tumbling '10s'):group_by('k'):agg 'n = count()'"
      .. ":join(r, { on = 'k', prefix = 'r_' }):group_by('window_end'):top(1, 'r_b')",
      { { 1, "x", 1 }, { 1, "y", 41 } }, { { 1, "p", 45 } }, { "k", "n", "r_b" })
    assert.equal("1 1 p; 1 1 p", rows) -- both windows ended long before 45
    t:expect_rejects { code = "W507", n = 0 }
  end)
  it("is none in a column of a source that has its name", function()
    local t = test.new("x.lua", { text = two.script [[
read("in", "window_end timestamp, v int64"):event_time "window_end"
  :group_by "window_end":top(2, "v"):write(weir.file("out.csv"))]] })
    t:feed("in", { { window_end = "2024-01-01T00:00:10Z", v = 1 },
      { window_end = "2024-01-01T00:00:20Z", v = 2 },
      { window_end = "2024-01-01T00:00:10Z", v = 3 } })
    t:finish()
    assert.equal("1; 3; 2", timed.shown(t, { "v" }))
  end)
end)
