-- corr, covar, histogram, funnel and the approximate aggregates: what a script may say, what a
-- changelog may not, and what they give beside windows that overlap.
local test = require("weir.test")

local READ = 'weir.read(weir.file("in", { format = "csv" }), { schema = "k string, v int64, '
  .. 'd duration, ts timestamp" })\n'

local function refused(text, code, place, message, help)
  local ok, err = pcall(test.new, "x.lua", { text = text })
  assert.is_false(ok)
  local said = tostring(err)
  assert.truthy(said:find(("x.lua:%s: error[%s]: %s"):format(place, code, message), 1, true), said)
  assert.truthy(said:find(help or "", 1, true), said)
end

--- The rows of what the stages give for rows {k, v, second}.
local function result(stages, rows)
  local t = test.new("x.lua", { text = READ .. ':event_time("ts", { max_delay = "20s" })'
    .. stages .. ':write(weir.file("out.ndjson"))' })
  local fed = {}
  for i, row in ipairs(rows) do
    fed[i] = { k = row[1], v = row[2], ts = ("2024-01-01T00:00:%02dZ"):format(row[3]) }
  end
  t:feed("in", fed)
  t:finish()
  return t:rows("out.ndjson")
end

describe("an approximate aggregate", function()
  it("refuses a changelog and says what takes one", function()
    local changes = READ .. ':as_table "k"'
    refused(changes .. ':agg "n = approx_count_distinct(v)":print()', "W305", "2:24",
      "`approx_count_distinct` does not take updates", "`count_distinct` does")
    refused(changes .. ':agg "n = approx_quantile(v, 0.5)":print()', "W305", "2:24",
      "`approx_quantile` does not take updates", "`quantile` does")
    refused(changes .. ':agg "n = approx_top(v, 3)":print()', "W305", "2:24",
      "`approx_top` does not take updates", "put `:changes()` before the group")
    refused(changes .. ':agg "n = sample(v, 3)":print()', "W305", "2:24",
      "`sample` does not take updates", "`list` does")
  end)
  it("takes one whose changes have become rows", function()
    local rows = result(':as_table "k":changes():agg "n = approx_count_distinct(v)"',
      { { "a", 1, 0 }, { "a", 2, 1 }, { "b", 2, 2 } })
    assert.equal(2, rows[1].n)
  end)
  it("emits updates, and at the multiples of `every`, of rows that only come", function()
    local rows = { { "a", 5, 0 }, { "a", 5, 1 }, { "a", 7, 2 }, { "a", 9, 45 },
      { "a", 11, 46 } }
    local got = result(':group_by "k":emit "update":agg "n = approx_count_distinct(v)":changes()'
      .. ':select "n"', rows)
    assert.same({ { n = 1 }, { n = 2 }, { n = 3 }, { n = 4 } }, got)
    got = result(':group_by "k":emit("update", { every = "10s" })'
      .. ':agg "n = approx_count_distinct(v)":changes():select "n"', rows)
    assert.same({ { n = 3 }, { n = 4 } }, got)
  end)
  it("counts what overlapping windows share in each of them", function()
    local rows = { { "a", 1, 0 }, { "a", 2, 12 }, { "a", 2, 22 }, { "a", 3, 25 } }
    local got = result(':window(weir.hopping("20s", { every = "10s" }))'
      .. ':agg "n = approx_count_distinct(v), m = approx_quantile(v, 0.5)":select "n, m"', rows)
    assert.same({ { n = 1, m = 1 }, { n = 2, m = 1.5 }, { n = 2, m = 2 }, { n = 2, m = 2.5 } }, got)
  end)
  it("refuses literals that say nothing", function()
    refused(READ .. ':agg "n = approx_quantile(v, 1.5)":print()', "W102", "2:30",
      "`approx_quantile`: q must be a number from 0 to 1")
    refused(READ .. ':agg "n = approx_top(v, 0)":print()', "W102", "2:25",
      "`approx_top`: n must be a whole number from 1 to 1000")
    refused(READ .. ':agg "n = sample(v, v)":print()', "W102", "2:21",
      "argument 2 of `sample` must be a literal or a parameter")
  end)
  it("is found by the names of others", function()
    for theirs, ours in pairs {
      approx_distinct = "approx_count_distinct", percentile_approx = "approx_quantile",
      topK = "approx_top", windowFunnel = "funnel", covar_samp = "covar",
    } do
      refused(READ .. (':agg "n = %s(v)":print()'):format(theirs), "W101", "2:11",
        ("unknown function `%s`"):format(theirs), ("weir calls it `%s`"):format(ours))
    end
  end)
end)

describe("funnel", function()
  local steps = ':group_by "k":agg "n = funnel(v == 1, v == 2, v == 3)":select "n"'
  it("goes by event time and not by arrival", function()
    assert.same({ { n = 3 } }, result(steps, { { "a", 3, 9 }, { "a", 1, 1 }, { "a", 2, 5 } }))
    assert.same({ { n = 1 } }, result(steps, { { "a", 1, 9 }, { "a", 2, 1 }, { "a", 3, 5 } }))
  end)
  it("goes on behind steps that are met again, and skips none", function()
    assert.same({ { n = 2 } }, result(steps, { { "a", 1, 1 }, { "a", 1, 2 }, { "a", 2, 3 },
      { "a", 1, 4 }, { "a", 2, 5 } }))
    assert.same({ { n = 0 } }, result(steps, { { "a", 2, 1 }, { "a", 3, 2 } }))
  end)
  it("takes one step a row, though more conditions hold", function()
    local got = result(':agg "n = funnel(v > 0, v > 1, v > 2)":select "n"',
      { { "a", 9, 1 }, { "a", 9, 2 } })
    assert.same({ { n = 2 } }, got)
  end)
  it("takes a nil condition for one that is not met", function()
    local got = result(':agg "n = funnel(v == 1, k == \'b\')":select "n"',
      { { nil, 1, 1 }, { "b", nil, 2 } })
    assert.same({ { n = 2 } }, got)
  end)
  it("is a number of each window", function()
    local got = result(':window(weir.tumbling "10s"):agg "n = funnel(v == 1, v == 2)":select "n"',
      { { "a", 1, 1 }, { "a", 2, 11 }, { "a", 1, 15 }, { "a", 2, 16 } })
    assert.same({ { n = 1 }, { n = 2 } }, got)
  end)
  it("wants conditions", function()
    refused(READ .. ':agg "n = funnel(v)":print()', "W102", "2:11",
      "`funnel` does not take (int64)",
      "funnel(c bool…) int64")
  end)
end)

describe("histogram", function()
  it("has negative buckets, and edges that are negative", function()
    local rows = { { "a", -1, 0 }, { "a", 0, 1 }, { "a", -10, 2 }, { "a", 9, 3 } }
    local got = result(':agg "h = to_json(histogram(v, 10)), e = to_json(histogram(v, -5, 5))"',
      rows)
    assert.equal('[{"low":-10,"high":0,"count":2},{"low":0,"high":10,"count":2}]', got[1].h)
    assert.equal('[{"low":null,"high":-5,"count":1},{"low":-5,"high":5,"count":2},'
      .. '{"low":5,"high":null,"count":1}]', got[1].e)
  end)
  it("fails a group of more buckets than it keeps", function()
    local t = test.new("x.lua", { text = READ .. ':agg "h = histogram(v, 1)"'
      .. ':write(weir.file("out.ndjson"))' })
    local rows = {}
    for i = 1, 10001 do
      rows[i] = { v = i }
    end
    t:feed("in", rows)
    t:finish()
    t:expect_rejects { code = "W504", n = 1 }
  end)
  it("refuses widths and edges that make no buckets", function()
    refused(READ .. ':agg "n = histogram(v, 0)":print()', "W102", "2:24",
      "`histogram`: a width is greater than 0")
    refused(READ .. ':agg "n = histogram(v, 5, 5)":print()', "W102", "2:27",
      "`histogram`: edges ascend")
    refused(READ .. ':agg [[n = histogram(d, 5)]]:print()', "W102", "2:12",
      "`histogram` does not take (duration, int64)", "(x duration, width const string)")
    refused(READ .. ":agg [[n = histogram(v, '1s')]]:print()", "W102", "2:12",
      "`histogram` does not take (int64, string)")
    refused(READ .. ":agg [[n = histogram(d, 'soon')]]:print()", "W102", "2:25",
      "`histogram`: widths and edges are numbers, of durations and times texts such as '10s'")
  end)
end)

describe("corr and covar", function()
  it("are nil of too few rows, and skip a row with a nil in either", function()
    local items = ':agg "c = corr(v, v), s = covar(v, v), p = covar_pop(v, v)"'
    local one = result(items, { { "a", 1, 0 }, { "a", nil, 1 } })[1]
    assert.same({ nil, nil, 0 }, { one.c, one.s, one.p })
    local two = result(items, { { "a", 1, 0 }, { "a", nil, 1 }, { "a", 3, 2 } })[1]
    assert.same({ 1, 2, 1 }, { two.c, two.s, two.p })
  end)
  it("take rows back without a trace", function()
    local rows = { { "a", 10000000, 0 }, { "b", 1, 1 }, { "c", 2, 2 }, { "a", 3, 3 } }
    local got = result(':as_table "k":agg "s = covar(v, 2 * v), c = corr(v, 5 - v)":changes()',
      rows)
    assert.same({ 2, -1 }, { got[#got].s, got[#got].c })
  end)
end)
