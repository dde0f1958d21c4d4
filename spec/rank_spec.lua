-- top, dedup, distinct, as_table: what a script may say, and the boundaries of time, by the
-- program's own binder and scheduler.
local timed = require("spec.support.timed")

local READ = timed.READ
local ENDLESS = 'weir.generate { columns = "n = i" }\n'
local refused = timed.refused

--- The values of column `name` of what the stages give for rows {k, v, second}.
local function values(stages, rows, name)
  local got = {}
  for i, row in ipairs(timed.run(stages, rows):rows("out.csv")) do
    got[i] = row[name]
  end
  return got
end

describe("top", function()
  it("refuses what it cannot do, where it stands", function()
    refused(READ .. ':top(0, "v"):print()', "W203", "2:6", "argument 1 of `top` must be")
    refused(READ .. ':top(1):print()', "W203", "2:2", "argument 2 of `top` must be")
    refused(READ .. ':top(1, "w"):print()', "W103", "2:10", "unknown column `w`")
    refused(READ .. ':top(1, "v", { rank = "k" }):print()', "W205", "2:23",
      "`top` adds a column `k`")
    refused(ENDLESS .. ':top(1, "n"):print()', "W303", "2:2", "this `top` never ends")
    refused(READ .. ':emit("update", { every = "1s" }):top(1, "v"):print()', "W203", "2:35",
      "`top` has no emission `every`")
    refused(READ .. ':window(weir.tumbling "1s"):top(1, "v"):print()', "W301", "2:2",
      "no event time")
  end)
  it("puts nil last in both directions, and equal rows by time", function()
    local rows = { { "a", nil, 9 }, { "b", 1, 9 }, { "c", 1, 8 }, { "d", 2, 7 } }
    assert.same({ "d", "c", "b", "a" }, values(':top(9, "v desc")', rows, "k"))
    assert.same({ "c", "b", "d", "a" }, values(':top(9, "v")', rows, "k"))
    assert.same({ "c", "b" }, values(':top(1, "v", { ties = true })', rows, "k"))
  end)
  it("is of a window, whose end comes next to it", function()
    local rows = { { "a", 1, 0 }, { "b", 2, 9 }, { "c", 1, 10 }, { "d", 9, 30 }, { "e", 7, 9 } }
    assert.same({ "b", "c", "d" }, values(':window(weir.tumbling "10s"):top(1, "v desc")', rows,
      "k")) -- e came when its window had been closed
    assert.same({ "e" }, values(':window(weir.tumbling "10s"):top(1, "v desc"):late()', rows, "k"))
  end)
  it("takes a function of the row", function()
    local rows = { { "a", 1, 0 }, { "b", 3, 1 }, { "c", 2, 2 } }
    assert.same({ "b" }, values(':top(1, "key int64", function(e) return -e.v end)', rows, "k"))
    assert.same({ "a", "b" }, values(':group_by("g string", function(e) return e.k end)'
      .. ':top(2, "v"):filter "v ~= 2"', rows, "k"))
  end)
end)

describe("dedup", function()
  it("refuses what it cannot do, where it stands", function()
    refused(ENDLESS .. ':dedup "n":print()', "W304", "2:2", "state grows without bound: `dedup`")
    refused(READ .. ':dedup("k", { within = "1s" }):print()', "W301", "2:24", "no event time")
    refused(READ .. ':dedup "w":print()', "W103", "2:8", "unknown column `w`")
    refused(READ .. ':event_time("ts"):dedup("k", { keep = "last", within = "1s" }):print()',
      "W203", "2:56", "`within` of `dedup`")
    refused(READ .. ':emit "update":dedup "k":print()', "W203", "2:22", "`emit` says nothing")
  end)
  it("within: nearer than that, before or behind, to a row that was kept", function()
    local stages = ':dedup("k", { within = "10s" })'
    assert.same({ 1, 3 }, values(stages, { { "a", 1, 0 }, { "a", 2, 9 }, { "a", 3, 10 } }, "v"))
    -- the second is no kept one, so the third is far from all
    assert.same({ 1, 3 }, values(stages, { { "a", 1, 0 }, { "a", 2, 5 }, { "a", 3, 12 } }, "v"))
    assert.same({ 1, 3 }, values(stages, { { "a", 1, 20 }, { "a", 2, 11 }, { "a", 3, 10 } }, "v"))
    assert.same({ 1, 2 }, values(stages, { { "a", 1, 0 }, { "b", 2, 0 }, { "b", 3, 1 } }, "v"))
  end)
  it("within: an entry that a frontier has passed is forgotten", function()
    local stages = ':dedup("k", { within = "10s" })'
    -- the frontier before the last row is 14, then 15: the entry at 5 holds while it is below 15
    assert.same({ 1, 2 }, values(stages, { { "a", 1, 5 }, { "b", 2, 19 }, { "a", 3, 6 } }, "v"))
    assert.same({ 1, 2, 3 }, values(stages, { { "a", 1, 5 }, { "b", 2, 20 }, { "a", 3, 6 } }, "v"))
  end)
  it("keeps the first or the last by event time, of equal times by arrival", function()
    local rows = { { "a", 1, 5 }, { "a", 2, 3 }, { "a", 3, 5 }, { "a", 4, 3 } }
    assert.same({ 1 }, values(':dedup "k"', rows, "v"))
    assert.same({ 2 }, values(':dedup("k", { keep = "first" })', rows, "v"))
    assert.same({ 3 }, values(':dedup("k", { keep = "last" })', rows, "v"))
  end)
end)

describe("distinct", function()
  it("goes with the last row that is taken back", function()
    local rows = { { "a", 1, 0 }, { "b", 1, 1 }, { "a", 1, 2 }, { "b", 1, 3 } }
    assert.same({ "insert", "insert", "delete" }, values(':group_by "k":emit "update"'
      .. ':agg "n = count()":distinct "n":changes()', rows, "op"))
  end)
end)

describe("as_table", function()
  local function ops(stages, rows)
    return table.concat(values(stages .. ":changes()", rows, "op"), " ")
  end
  it("takes newer versions, and none older than a delete", function()
    local rows = { { "a", 5, 0 }, { "a", 4, 1 }, { "a", 5, 2 }, { "a", 9, 3 }, { "a", 8, 4 } }
    assert.equal("insert update update", ops(':as_table("k", { version = "v" })', rows))
    assert.equal("insert update delete", ops(
      ':as_table("k", { version = "v", delete = "v == 9" })', rows))
    assert.equal("insert update update update update", ops(':as_table "k"', rows))
  end)
  it("refuses changes and functions", function()
    refused(READ .. ':group_by "k":emit "update":agg "n = count()":as_table "k":print()', "W305",
      "2:47", "`as_table` does not take updates")
    refused(READ .. ':as_table("k", { delete = function() return true end }):print()', "W203",
      "2:27", "option `delete` of `as_table` must be an expression")
  end)
end)
