-- weir.aggregate: aggregates of a script, by the program's own binder and scheduler.
local test = require("weir.test")
local timed = require("spec.support.timed")

local READ, refused = timed.READ, timed.refused
local MEAN = [[
weir.aggregate("mean_of(x float64) float64", {
  state = "sum float64 = 0, n int64 = 0, last string",
  add = function(s, x) s.sum, s.n, s.last = s.sum + x, s.n + 1, "a text that is long " .. x end,
  merge = function(s, o) s.sum, s.n, s.last = s.sum + o.sum, s.n + o.n, o.last end,
  retract = function(s, x) s.sum, s.n = s.sum - x, s.n - 1 end,
  result = function(s) if s.n == 0 then return nil end return s.sum / s.n end,
})
]]
local JOINED = [[
weir.aggregate("joined(x int64) string", {
  state = "text string = ''",
  add = function(s, x) s.text = s.text .. x .. ";" end,
  result = function(s) return s.text end,
})
]]

local function run(definition, stages, rows)
  return timed.run(stages, rows, { before = definition, max_delay = "20s" })
end
local function result(...)
  return run(...):rows("out.csv")
end

--- The definition of `f(x int64) int64` with these functions in the place of others.
local function defined(parts)
  return ([[weir.aggregate("f(x int64) int64", { state = "n int64 = 0", add = %s, result = %s })
]]):format(parts.add or "function(s, x) s.n = s.n + x end",
    parts.result or "function(s) return s.n end")
end

describe("weir.aggregate", function()
  local rows = { { "a", 1, 0 }, { "b", 2, 3 }, { "a", nil, 4 }, { "a", 4, 15 }, { "a", 10, 18 } }
  it("adds the rows of each group, skips nil, and takes `where`", function()
    local got = result(MEAN, ':group_by "k":agg [[m = mean_of(v), w = mean_of(v where v > 1)]]',
      rows)
    assert.same({ { k = "a", m = 5, w = 7 }, { k = "b", m = 2, w = 2 } }, got)
  end)
  it("is read of a group without a row", function()
    local got = result(MEAN .. JOINED,
      ':agg "m = mean_of(v where v > 99), j = joined(v where v > 99)"', rows)
    assert.same({ { j = "" } }, got)
  end)
  it("merges the parts of windows that overlap", function()
    local got = result(MEAN, ':window(weir.hopping("20s", { every = "10s" })):agg "m = mean_of(v)"'
      .. ':select "m"', rows)
    assert.same({ { m = 1.5 }, { m = 4.25 }, { m = 7 } }, got)
  end)
  it("keeps all values where it cannot merge or take back", function()
    local got = result(JOINED, ':window(weir.hopping("20s", { every = "10s" }))'
      .. ':agg "j = joined(v)":select "j"', rows)
    assert.same({ { j = "1;2;" }, { j = "1;2;4;10;" }, { j = "4;10;" } }, got)
    got = result(JOINED, ':as_table "k":agg "j = joined(v order by v)":changes():select "j"',
      { { "a", 1, 0 }, { "b", 2, 1 }, { "a", 3, 2 } })
    assert.equal("2;3;", got[#got].j)
  end)
  it("takes rows of a changelog back", function()
    local got = result(MEAN, ':as_table "k":agg "m = mean_of(v)":changes():select "m"',
      { { "a", 1, 0 }, { "b", 2, 1 }, { "a", 6, 2 } })
    assert.equal(4, got[#got].m)
  end)
  it("goes by `order by` up to a limit", function()
    assert.equal("10;4;", result(JOINED, ':agg "j = joined(v order by v desc limit 2)"', rows)[1].j)
  end)
  it("rejects a group whose function fails, and says why", function()
    local t = run(defined { add = "function(s, x) if x == 2 then error('two') end end" },
      ':group_by "k":agg "n = f(v)"', rows)
    t:expect_rejects { code = "W511", n = 1 }
    assert.same({ { k = "a", n = 0 } }, t:rows("out.csv"))
    t = run(defined { result = "function(s) return 'text' end" }, ':agg "n = f(v)"', rows)
    t:expect_rejects { code = "W505", n = 1 }
    t = run(defined { add = "function(s, x) s.m = x end" }, ':agg "n = f(v)"', rows)
    t:expect_rejects { code = "W505", n = 1 }
  end)
  it("goes on from a saved state", function()
    local t = test.new("x.lua", { state = true, text = MEAN .. JOINED .. READ
      .. ':agg "m = mean_of(v), j = joined(v)":write(weir.file("out.csv"))' })
    t:feed("in", { { v = 1 }, { v = 2 } })
    t:crash()
    t:feed("in", { { v = 6 } })
    t:finish()
    assert.same({ { m = 3, j = "1;2;6;" } }, t:rows("out.csv"))
  end)
  it("wants state, add and result, and at least one argument", function()
    refused('weir.aggregate("f(x int64) int64", { add = function(s, x) end })', "W203", "1:16",
      "`aggregate` needs the option `state`", 'weir.aggregate("f(…) …", { state = "n int64 = 0"')
    refused([[weir.aggregate("f() int64", { state = "n int64", add = function(s) end,
      result = function(s) return 1 end })]], "W203", "1:16",
      "an aggregate takes at least one argument")
    refused([[weir.aggregate("f(x int64)", { state = "n int64" })]], "W001", "1:17",
      "unexpected signature")
    refused([[weir.aggregate("f(x int64) int64", { state = "d date = date'2024-01-01'",
      add = function(s, x) end, result = function(s) return 1 end })]], "W203", "1:47",
      "a state begins with no date: field `d`")
  end)
  it("is refused under a name that something has, and for other arguments", function()
    refused(defined({}):gsub('"f%(', '"sum('), "W105", "1:16", "duplicate name `sum`")
    refused(defined({}) .. defined({}), "W105", "2:16", "duplicate name `f`")
    refused(defined({}):gsub('"f%(', '"rank('), "W105", "1:16", "duplicate name `rank`")
    local def = 'weir.def("f(x int64) int64", function(x) return x end)\n'
    refused(def .. defined({}), "W105", "2:16", "duplicate name `f`")
    refused(defined({}) .. def, "W105", "2:10", "duplicate name `f`")
    refused(defined({}) .. READ .. ':agg "n = f(k)":print()', "W102", "3:11",
      "`f` does not take (string)", "f(x int64) int64")
    refused(defined({}) .. READ .. ':agg "n = f(v, v)":print()', "W102", "3:11",
      "`f` takes 1 argument, got 2")
    refused(defined({}) .. READ .. ':derive "n = f(v)":print()', "W109", "3:14",
      "aggregate `f` outside `agg`")
    refused(MEAN .. READ .. ':agg "n = mean_off(v)":print()', "W101", "9:11",
      "unknown function `mean_off`", "did you mean `mean_of`?")
  end)
end)
