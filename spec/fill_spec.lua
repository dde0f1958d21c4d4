-- fill: what a script may say, and which rows are made, by the program's own binder and scheduler.
local test = require("weir.test")
local two = require("spec.support.two_streams")

local READ = two.script [[
local s = read("s", "k string, v int64, ts timestamp"):event_time("ts", { max_delay = "5s" })
local windowed = s:window(weir.tumbling "10s"):group_by "k"
local sums = windowed:agg "n = count(), v = sum(v), mean = avg(v)"
local endless = weir.generate { columns = "v = i" }:event_time "ts = timestamp(v, 's')"
  :window(weir.tumbling "1m"):agg "mean = avg(v)"
]]

local function refused(...)
  return two.refused(READ, ...)
end

local function stamp(second)
  return ("2024-01-01T00:%02d:%02dZ"):format(second // 60, second % 60)
end

--- A test of `sums` with this `fill`, which has got rows `{k, v, second}`.
local function fed(fill, rows, sums)
  local t = test.new("x.lua", { text = READ .. (sums or "sums") .. ":fill" .. fill
    .. ":write(weir.file('out.csv'))" })
  for i, row in ipairs(rows) do
    rows[i] = { k = row[1], v = row[2], ts = stamp(row[3]) }
  end
  t:feed("s", rows)
  return t
end

--- What has left, as "minute:second key value", in order; `-` is nil.
local function left(t, column)
  local got = {}
  for i, row in ipairs(t:rows("out.csv")) do
    local value = row[column or "v"]
    got[i] = ("%s%s%s"):format(tostring(row.window_start):match("T00:(%d+:%d+)"), row.k or "",
      value == nil and "-" or tostring(value))
  end
  return table.concat(got, " ")
end

local function filled(fill, rows, column, sums)
  local t = fed(fill, rows, sums)
  t:finish()
  return left(t, column)
end

describe("fill says", function()
  it("where it may stand", function()
    refused("s:fill 'v = 0'", "W203", 3, "`fill` stands behind a windowed `agg`")
    refused("s:group_by 'k':agg 'n = count()':fill 'n = 0'", "W203", 34,
      "`fill` stands behind a windowed `agg`")
    refused("sums:drop 'k':fill 'n = 0'", "W203", 15,
      "`fill` needs all columns of the key of its `agg`")
  end)
  it("which windows and results it takes", function()
    refused("s:window(weir.session '5m'):agg 'n = count()':fill 'n = 0'", "W203", 47,
      "`fill` does not take `session` windows")
    refused("s:window(weir.count(5)):agg 'n = count()':fill 'n = 0'", "W203", 43,
      "`fill` does not take `count` windows")
    refused("s:window(weir.cumulative('1h', { every = '10m' })):agg 'n = count()':fill 'n = 0'",
      "W203", 70, "`fill` does not take `cumulative` windows")
    refused("s:window(weir.tumbling '1m', { allowed_lateness = '1m' })"
      .. ":agg 'n = count()':fill 'n = 0'", "W305", 77, "`fill` does not take updates")
    refused("windowed:emit 'update':agg 'n = count()':fill 'n = 0'", "W305", 42,
      "`fill` does not take updates")
    refused("windowed:emit('delta', { every = '5s' }):agg 'n = count()':fill 'n = 0'", "W305", 60,
      "`fill` does not take parts of results")
  end)
  it("which columns get which values", function()
    refused("sums:fill 'n'", "W009", 12, "what is `n` in a window without a row?")
    refused("sums:fill 'k = 1'", "W203", 12, "`k` is of the key: `fill` sets it by itself")
    refused("sums:fill 'm = 1'", "W103", 12, "no column `m` to fill")
    refused("sums:fill 'n = v'", "W109", 16, "`v` is not known in a window without a row")
    refused("sums:fill 'n = 1.5'", "W104", 16, "column `n` is int64, and this is float64")
    refused("sums:fill(function(e) return 1 end)", "W203", 11, "argument 1 of `fill`")
  end)
  it("what `previous` and `interpolate` take", function()
    refused("sums:fill 'n = previous()'", "W102", 16, "`previous` takes 1 argument, got 0")
    refused("sums:fill 'n = previous(m)'", "W103", 25, "unknown column `m`")
    refused("sums:fill 'n = previous(previous(n))'", "W110", 25, "`previous` inside `previous`")
    refused("sums:fill 'mean = interpolate(k)'", "W104", 31, "`interpolate` cannot take string")
    refused("endless:fill 'mean = interpolate(mean)'", "W304", 9,
      "state grows without bound: `interpolate` waits for the next row of each key")
  end)
end)

describe("fill makes", function()
  it("a row for each window between two rows of a key, and to the last window of the stream",
    function()
      assert.equal("00:00a1 00:10a7 00:10b5 00:20a7 00:20b7 00:30a2 00:30b7",
        filled("'v = 7'", { { "a", 1, 5 }, { "b", 5, 10 }, { "a", 2, 35 } }))
    end)
  it("no row before the first one of a key, and none for no key", function()
    assert.equal("00:00a1 00:10a- 00:20a- 00:20b5", filled("'n = 0'",
      { { "a", 1, 5 }, { "b", 5, 20 } }))
    assert.equal("", filled("'n = 0'", {}))
  end)
  it("columns without a value nil", function()
    assert.equal("00:00a1.0 00:10a- 00:20a2.0", filled("'n = 0, v = 0'",
      { { "a", 1, 5 }, { "a", 2, 20 } }, "mean"))
  end)
  it("rows of the key nil like those of others, in the order of keys", function()
    assert.equal("00:00a1 00:002 00:10a1 00:102 00:20a1 00:203", filled("'v = previous(v)'",
      { { nil, 2, 0 }, { "a", 1, 5 }, { nil, 3, 20 } }))
  end)
  it("later items from earlier ones, and helpers", function()
    assert.equal("00:00a1 00:10a12 00:20a2", filled(
      "'local more = previous(v) + 10, n = 1, v = more + n'", { { "a", 1, 5 }, { "a", 2, 20 } }))
  end)
  it("`previous` that of the last row, over any number of windows, also where it is nil", function()
    assert.equal("00:00a4 00:10a5 00:20a5 00:30a9", filled("'v = previous(v + n)'",
      { { "a", 4, 0 }, { "a", 9, 30 } }))
    assert.equal("00:00a- 00:10a-", filled("'v = previous(v)'",
      { { "a", nil, 0 }, { "b", 1, 10 } }):gsub(" 00:10b1", ""))
  end)
  it("`interpolate` what lies on the line by the starts of windows; nil behind the last row",
    function()
      assert.equal("00:00a1.0 00:10a1.5 00:20a2.0 00:30a- 00:30b5.0", filled(
        "'mean = interpolate(mean)'", { { "a", 1, 9 }, { "a", 2, 20 }, { "b", 5, 30 } }, "mean"))
    end)
  it("hopping windows in their order", function()
    assert.equal("00:002 00:052 00:101 00:151 00:203 00:253 00:303", filled("'v = previous(v)'",
      { { "a", 2, 5 }, { "a", 1, 18 }, { "a", 3, 29 }, { "a", 3, 33 } }, "v",
      "s:window(weir.hopping('10s', { every = '5s' })):agg 'v = min(v)'"))
  end)
  it("a reject of a row that fails", function()
    local t = fed("'v = 1 // previous(v - v)'", { { "a", 1, 0 }, { "a", 2, 20 } })
    t:finish()
    assert.equal("00:00a1 00:20a2", left(t))
    t:expect_rejects { code = "W503", n = 1 }
  end)
end)

describe("fill stops", function()
  local rows = { { "a", 1, 0 }, { "b", 1, 40 }, { "a", 2, 50 } }
  local function some(options)
    local copy = {}
    for i, row in ipairs(rows) do
      copy[i] = { row[1], row[2], row[3] }
    end
    return filled("('v = 7', " .. options .. ")", copy)
  end
  it("where a key has been silent as long as stop_after", function()
    assert.equal("00:00a1 00:10a7 00:20a7 00:40b1 00:50a2 00:50b7", some "{ stop_after = '20s' }")
    assert.equal("00:00a1 00:10a7 00:40b1 00:50a2 00:50b7", some "{ stop_after = '19s' }")
    assert.equal("00:00a1 00:40b1 00:50a2", some "{ stop_after = '0s' }")
  end)
  it("at no window of a gap that is longer than max_gap", function()
    assert.equal("00:00a1 00:40b1 00:50a2 00:50b7", some "{ max_gap = '39s' }")
    assert.equal("00:00a1 00:10a7 00:20a7 00:30a7 00:40a7 00:40b1 00:50a2 00:50b7",
      some "{ max_gap = '40s' }")
  end)
end)

describe("a filled row leaves", function()
  it("with its window, once the stream has a row in it or later", function()
    local t = fed("'v = 7'", { { "a", 1, 0 }, { "b", 1, 15 }, { "b", 1, 39 } })
    assert.equal("00:00a1 00:10a7 00:10b1", left(t))
    t:feed("s", { { k = "b", v = 1, ts = stamp(60) } })
    assert.equal("00:00a1 00:10a7 00:10b1 00:20a7 00:20b7 00:30a7 00:30b1", left(t))
  end)
  it("so much later as a gap may be long", function()
    local t = fed("('v = 7', { max_gap = '20s' })",
      { { "a", 1, 0 }, { "b", 1, 15 }, { "a", 1, 25 }, { "b", 1, 34 } })
    assert.equal("", left(t)) -- the frontier is at 29s: a gap from 10s on may end at 20s or 30s
    t:feed("s", { { k = "b", v = 1, ts = stamp(36) } })
    assert.equal("00:00a1", left(t))
    t:feed("s", { { k = "b", v = 1, ts = stamp(45) } })
    assert.equal("00:00a1 00:10a7 00:10b1", left(t))
  end)
end)

describe("a row with a wrong time", function()
  local LAST = "9999-01-01T00:00:00Z"
  local function far(fill, at)
    local t = fed(fill, { { "a", 1, 0 }, { "a", 2, 20 } })
    local ok, message = pcall(function()
      t:feed("s", { { k = "a", v = 3, ts = at } })
      t:finish()
    end)
    return ok and #t:rows("out.csv") or message
  end
  it("ends the run where a gap has more windows than `max_windows`", function()
    for _, fill in ipairs { "'v = 0'", "'v = previous(v)'", "'mean = interpolate(mean)'" } do
      local said = far(fill, LAST)
      assert.matches("`fill` would make rows for 25166669757 windows without a row, from "
        .. "2024%-01%-01T00:00:30Z to 9999%-01%-01T00:00:00Z: more than `max_windows`, 1000000",
        said)
      assert.matches("`max_windows = 25166669757`", said)
    end
  end)
  it("has a gap behind it that is filled as far as an option says", function()
    assert.equal(10, far("('v = 0', { stop_after = '1m' })", LAST))
    assert.equal(4, far("('v = 0', { max_gap = '1m' })", LAST))
  end)
  it("is told from a gap that may be meant, of 1,000,000 windows", function()
    assert.matches(" 1000001 windows", far("'v = 0'", "2024-04-25T17:47:20Z"))
    assert.equal(10003, far("'v = 0'", "2024-01-02T03:47:00Z"))
    assert.matches(" 12 windows.* more than `max_windows`, 11",
      far("('v = 0', { max_windows = 11 })", "2024-01-01T00:02:30Z"))
    assert.equal(16, far("('v = 0', { max_windows = 12 })", "2024-01-01T00:02:30Z"))
    assert.matches(" 12 windows", far("('v = 0', { stop_after = '1m', max_windows = 11 })",
      "2024-01-01T00:02:30Z"))
  end)
end)
