-- A grouped `derive`: what a script may say, what each row sees of its group, and when rows leave,
-- by the program's own binder and scheduler.
local test = require("weir.test")

local READ = 'weir.read(weir.file("in", { format = "csv" }), { schema = "k string, v int64, '
  .. 'ts timestamp" })\n'
local TIMED = READ .. ':event_time("ts", { max_delay = "5s" })'

local function refused(stages, code, place, message, help)
  local ok, err = pcall(test.new, "x.lua", { text = READ .. stages .. ":print()" })
  assert.is_false(ok)
  err = tostring(err)
  assert.truthy(err:find(("x.lua:%s: error[%s]: %s"):format(place, code, message), 1, true), err)
  assert.truthy(err:find(help or "", 1, true), err)
end

local function feed(t, rows)
  local fed = {}
  for i, row in ipairs(rows) do
    fed[i] = { k = row[1], v = row[2], ts = ("2024-01-01T00:00:%02dZ"):format(row[3]) }
  end
  t:feed("in", fed)
end

local function column(rows, name)
  local got = {}
  for i, row in ipairs(rows) do
    got[i] = row[name] == nil and "nil" or row[name]
  end
  return got
end

--- Column `x` of what the stages give for rows {k, v, second}.
local function values(stages, rows, name, read)
  local t = test.new("x.lua", { text = (read or TIMED) .. stages
    .. ':write(weir.file("out.csv"))' })
  feed(t, rows)
  t:finish()
  return column(t:rows("out.csv"), name or "x")
end

describe("a grouped derive refuses", function()
  it("window functions without a group", function()
    refused(':derive "x = lag(v)"', "W109", "2:14", "`lag` outside a grouped `derive`",
      ':group_by "…"` before `derive`')
    refused(':derive "x = sum(v)"', "W109", "2:14", "aggregate `sum` outside `agg`",
      "`:group_by()` before a `derive` makes all rows one group")
    refused(':derive "x = sum(v) over 3"', "W112", "2:14", "`over` stands behind an aggregate")
    refused(':filter "row_number() == 1"', "W109", "2:10", "`row_number` outside")
  end)
  it("frames that are none", function()
    refused(':group_by "k":derive "x = sum(v) over 0"', "W112", "2:39", "`over` takes")
    refused(':group_by "k":derive "x = sum(v) over 1.5"', "W112", "2:39", "`over` takes")
    refused(':group_by "k":derive "x = sum(v) over \'1 fortnight\'"', "W114", "2:39",
      "`1 fortnight` is no duration")
    refused(':group_by "k":derive "x = sum(v) over \'1h\'"', "W301", "2:39", "no event time",
      "over 10")
    refused(':group_by "k":derive "x = v over 3"', "W112", "2:27", "`over` takes")
    refused(':group_by "k":derive "x = lag(v) over 3"', "W112", "2:27", "`over` takes")
  end)
  it("results inside results", function()
    refused(':group_by "k":derive "x = sum(lag(v))"', "W110", "2:31",
      "`lag` inside an aggregate", "before")
    refused(':group_by "k":derive "x = lag(sum(v))"', "W110", "2:31", "a result inside `lag`",
      "a `derive` of its own")
    refused(':group_by "k":derive "n = count(), x = max(n)"', "W110", "2:44",
      "`n` is a result of this stage", "second stage")
    refused(':group_by "k":derive "x = sum(max(v))"', "W110", "2:31", "aggregate `max` inside")
  end)
  it("calls that are none", function()
    refused(':group_by "k":derive "x = lag()"', "W102", "2:27", "`lag` takes 1 or 2 arguments")
    refused(':group_by "k":derive "x = lag(v, 0)"', "W102", "2:34", "the distance must be")
    refused(':group_by "k":derive "x = lag(v, v)"', "W102", "2:34", "the distance must be")
    refused(':group_by "k":derive "x = lag(v where v > 1)"', "W102", "2:27",
      "`lag` is no aggregate")
    refused(':group_by "k":derive "x = row_number(v)"', "W102", "2:27", "`row_number` takes 0")
    refused(':group_by "k":derive "x = lag(w)"', "W103", "2:31", "unknown column `w`")
    refused(':group_by "k":derive "x = rank(k)"', "W104", "2:27", "a running `rank` cannot take",
      "under a window")
    refused(':group_by "k":derive "count()"', "W009", "2:23", "this item needs a name")
    refused(':group_by "k":derive "x = rate(v)"', "W301", "2:27", "no event time")
  end)
  it("what does not go together", function()
    refused(':derive("x = v", { order = "arrival" })', "W203", "2:28",
      "option `order` of `derive` is for groups")
    refused(':group_by "k":derive("x = count()", { order = "arival" })', "W203", "2:47",
      "option `order` of `derive` must be", "did you mean")
    refused(':group_by "k":derive("x int64", function(e) return e.v end)', "W203", "2:22",
      "a grouped `derive` takes a list in a string")
    refused(':event_time "ts":group_by "k":derive("x = lead(v)", { order = "arrival" })', "W203",
      "2:43", "`lead` waits for a later row", "emit")
    refused(':emit "update":group_by "k":derive("x = count()", { order = "arrival" })', "W203",
      "2:61", "`order = \"arrival\"` never corrects")
    refused(':emit("delta"):group_by "k":derive "x = count()"', "W203", "2:29",
      "`derive` has no emission `delta`")
    refused(':window(weir.tumbling "1s"):derive "x = count()"', "W301", "2:2", "no event time")
    refused(':event_time "ts":window(weir.tumbling "1s"):emit "update":derive "x = count()"',
      "W203", "2:59", "`derive` under a window emits `final` only")
    refused(':event_time "ts":window(weir.tumbling("1s", {}), { allowed_lateness = "1s" })'
      .. ':derive "x = count()"', "W203", "2:79", "`allowed_lateness` of the window of a `derive`")
    refused(':group_by "k":emit "update":agg "n = count()":emit "final":group_by "n"'
      .. ':derive "x = count()"', "W305", "2:73", "`derive` gives updates of updates")
  end)
end)

describe("a frame", function()
  local rows = { { "a", 1, 0 }, { "a", 2, 2 }, { "b", 9, 2 }, { "a", 4, 2 }, { "a", 8, 4 } }
  it("of time has both its ends, and rows of equal time see each other", function()
    assert.same({ 1, 7, 7, 9, 14 }, values(':group_by "k":derive "x = sum(v) over \'2s\'"', rows))
    assert.same({ 1, 6, 6, 9, 8 }, values(':group_by "k":derive "x = sum(v) over \'1s\'"', rows))
    assert.same({ 1, 6, 6, 9, 8 }, values(':group_by "k":derive "x = sum(v) over \'0s\'"', rows))
    assert.same({ 1, 7, 7, 9, 14 },
      values(':group_by "k":derive("x = sum(v) over $d", { d = "2s" })', rows))
  end)
  it("of rows has this one and those before it", function()
    assert.same({ 1, 3, 6, 9, 12 }, values(':group_by "k":derive "x = sum(v) over 2"', rows))
    assert.same({ 1, 2, 4, 9, 8 }, values(':group_by "k":derive "x = sum(v) over 1"', rows))
    assert.same({ 1, 3, 7, 9, 15 },
      values(':group_by "k":derive("x = sum(v) over $n", { n = 100 })', rows))
  end)
  it("is not the sum of what has left it", function()
    local text = ':derive "f = case(v == 0, 1e300, v * 1.0)":group_by()'
      .. ':derive "x = sum(f) over 2"'
    local many = { { "a", 1, 0 }, { "a", 0, 1 }, { "a", 3, 2 }, { "a", 4, 3 }, { "a", 5, 4 } }
    assert.same({ 1.0, 1e300, 1e300, 7.0, 9.0 }, values(text, many))
  end)
  it("takes where, order by and limit", function()
    local one = { { "a", 5, 0 }, { "a", 3, 1 }, { "a", 4, 2 }, { "a", 1, 3 } }
    assert.same({ 5, 8, 7, 4 }, values(':group_by():derive "x = sum(v where v > 2) over 2"', {
      { "a", 5, 0 }, { "a", 3, 1 }, { "a", 4, 2 }, { "a", 1, 3 } }))
    assert.same({ "[5]", "[3,5]", "[3,4]", "[1,3]" },
      values(':group_by():derive "x = list(v order by v limit 2) over 3"', one))
  end)
  it("without one an aggregate runs from the first row to this one", function()
    assert.same({ 1, 3, 7, 9, 15 }, values(':group_by "k":derive "x = sum(v)"', rows))
    assert.same({ 1, 2, 3, 4, 5 }, values(':group_by():derive "x = count()"', rows))
  end)
  it("arguments may be items of rows alone, also redefined ones", function()
    assert.same({ 2, 6, 14, 18, 30 },
      values(':group_by "k":derive "w = v * 2, x = sum(w)"', rows))
    assert.same({ 2, 6, 14, 18, 30 }, values(':group_by "k":derive "v = v * 2, x = sum(v)"', rows))
    assert.same({ "nil", 1, 2, "nil", 4 },
      values(':group_by "k":derive "local w = v, x = lag(w)"', rows))
  end)
end)

describe("rows before and behind", function()
  local rows = { { "a", 1, 0 }, { "b", 5, 1 }, { "a", nil, 2 }, { "a", 4, 4 } }
  it("lag, lead", function()
    assert.same({ "nil", "nil", 1, "nil" }, values(':group_by "k":derive "x = lag(v)"', rows))
    assert.same({ "nil", "nil", "nil", 1 }, values(':group_by "k":derive "x = lag(v, 2)"', rows))
    assert.same({ "nil", 4, "nil", "nil" }, values(':group_by "k":derive "x = lead(v)"', rows))
    assert.same({ 5, "nil", 4, "nil" }, values(':group_by():derive "x = lead(v)"', rows))
  end)
  it("delta and rate are of the row before", function()
    local two = { { "a", 1, 0 }, { "a", 5, 2 }, { "a", 2, 2 }, { "a", 2, 5 } }
    assert.same({ "nil", 4, -3, 0 }, values(':group_by "k":derive "x = delta(v)"', two))
    assert.same({ "nil", 2.0, "nil", 0.0 }, values(':group_by "k":derive "x = rate(v)"', two))
  end)
  it("row_number, rank, dense_rank", function()
    local four = { { "a", 5, 0 }, { "a", 3, 1 }, { "a", 5, 2 }, { "a", nil, 3 }, { "a", 9, 4 } }
    assert.same({ 1, 2, 3, 4, 5 }, values(':group_by "k":derive "x = row_number()"', four))
    assert.same({ 1, 1, 2, 4, 4 }, values(':group_by "k":derive "x = rank(v)"', four))
    assert.same({ 1, 1, 2, 3, 3 }, values(':group_by "k":derive "x = dense_rank(v)"', four))
    local under = ':window(weir.tumbling "1m"):group_by "k"'
    assert.same({ 2, 1, 2, 5, 4 }, values(under .. ':derive "x = rank(v)"', four))
    assert.same({ 2, 1, 2, 4, 3 }, values(under .. ':derive "x = dense_rank(v)"', four))
  end)
end)

describe("rows leave", function()
  local function opened(stages)
    local t = test.new("x.lua", { text = TIMED .. stages .. ':write(weir.file("out.csv"))' })
    return t, function() return column(t:rows("out.csv"), "v") end
  end
  it("by time, when the frontier has passed them", function()
    local t, seen = opened(':group_by "k":derive "x = count()"')
    feed(t, { { "a", 1, 3 }, { "a", 2, 1 }, { "a", 3, 7 } })
    assert.same({ 2 }, seen()) -- the frontier is 2
    feed(t, { { "b", 4, 20 } })
    assert.same({ 2, 1, 3 }, seen())
    t:finish()
    assert.same({ 2, 1, 3, 4 }, seen())
  end)
  it("as they arrive, over what has arrived", function()
    local t, seen = opened(':group_by "k":derive("x = sum(v) over \'5s\'", { order = "arrival" })')
    feed(t, { { "a", 1, 3 }, { "a", 2, 1 }, { "a", 4, 3 } })
    assert.same({ 1, 2, 4 }, seen())
    assert.same({ 1, 2, 7 }, column(t:rows("out.csv"), "x"))
  end)
  it("when the row comes that lead looks at", function()
    local t, seen = opened(':group_by "k":derive "x = lead(v)"')
    feed(t, { { "a", 1, 0 }, { "b", 2, 1 }, { "b", 3, 2 }, { "a", 4, 3 }, { "c", 5, 9 } })
    assert.same({ 2, 1 }, seen())
    t:finish()
    assert.same({ 2, 1, 4, 3, 5 }, seen()) -- the rest by its keys
  end)
  it("with their window, and see all of it", function()
    local t, seen = opened(':window(weir.tumbling "10s"):group_by "k":derive "x = sum(v)"')
    feed(t, { { "b", 1, 3 }, { "a", 2, 5 }, { "b", 3, 1 }, { "a", 4, 12 } })
    assert.same({}, seen())
    feed(t, { { "a", 5, 15 } })
    assert.same({ 2, 3, 1 }, seen())
    assert.same({ 2, 4, 4 }, column(t:rows("out.csv"), "x"))
  end)
  it("at once and corrected with emit update", function()
    local rows = { { "a", 1, 0 }, { "b", 2, 1 }, { "a", 3, 4 }, { "a", 2, 2 } }
    local stages = ':group_by "k":emit "update":derive "x = lead(v)":changes { before = true }'
    assert.same({ "insert", "insert", "update_before", "update", "insert", "update_before",
      "update", "insert" }, values(stages, rows, "op"))
    assert.same({ "nil", "nil", "nil", 3, "nil", 3, 2, 3 }, values(stages, rows))
  end)
  it("late ones by late(), behind their own frontier", function()
    local rows = { { "a", 1, 0 }, { "a", 2, 9 }, { "a", 3, 3 }, { "a", 4, 4 } }
    local late = ':group_by "k":derive("x = count()"%s):late()'
    assert.same({ 3 }, values(late:format(""), rows, "v"))
    assert.same({ 3 }, values(late:format(', { order = "arrival" }'), rows, "v"))
    assert.same({ 3 }, values(':emit "update"' .. late:format(""), rows, "v"))
  end)
end)
