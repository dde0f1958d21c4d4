-- When results leave, and what moves time: `emit … at`, `clock`, punctuated watermarks, processing
-- time, by the program's own scheduler and a clock that the test moves.
local timed = require("spec.support.timed")
local test = require("weir.test")

local refused, shown = timed.refused, timed.shown
local SCHEMA = '{ schema = "k string, v int64, ts timestamp, e timestamp" })\n'
local READ = 'weir.read(weir.file("in", { format = "csv" }), ' .. SCHEMA
local TIMED = READ .. ':event_time("ts", { max_delay = "5s" })'
local WRITE = ':write(weir.file("out.csv"))'

local function second(n)
  return n and ("2024-01-01T00:%02d:%02dZ"):format(n // 60, n % 60)
end

--- Rows {k, v, second, second of e}.
local function fed(rows)
  local list = {}
  for i, row in ipairs(rows) do
    list[i] = { k = row[1], v = row[2], ts = second(row[3]), e = second(row[4]) }
  end
  return list
end

local AT = ':group_by "k":emit("final", { at = "e" }):agg "n = count(), best = max(v)"' .. WRITE

describe("emit with at", function()
  it("ends a group when the frontier has passed its time, and not at it", function()
    local t = test.new("x.lua", { text = TIMED .. AT })
    t:feed("in", fed { { "a", 1, 0, 10 }, { "b", 2, 1, 8 }, { "x", 0, 13, 99 } })
    assert.equal("", shown(t, { "k", "n", "best" })) -- the frontier is 8
    t:feed("in", fed { { "b", 9, 14, 8 } }) -- it counts: a row at 8 might still come
    assert.equal("b 2 9", shown(t, { "k", "n", "best" }))
    t:feed("in", fed { { "x", 0, 15, 99 } })
    assert.equal("b 2 9", shown(t, { "k", "n", "best" })) -- the frontier is 10
    t:finish()
    assert.equal("b 2 9; a 1 1; x 2 0", shown(t, { "k", "n", "best" }))
  end)
  it("takes the latest of the times of its rows", function()
    local t = test.new("x.lua", { text = TIMED .. AT })
    t:feed("in", fed { { "a", 1, 0, 2 }, { "a", 2, 1, 20 }, { "a", 3, 2, 3 }, { "x", 0, 24, 99 } })
    assert.equal("", shown(t, { "k", "n" }))
    t:feed("in", fed { { "x", 0, 26, 99 } })
    assert.equal("a 3", shown(t, { "k", "n" }))
  end)
  it("refuses a row of a group that has ended, as long as one may come behind", function()
    local t = test.new("x.lua", { text = TIMED .. AT })
    -- The frontier is 1 past the end of a, and less than max_delay past it at the last row of a.
    t:feed("in", fed { { "a", 1, 0, 2 }, { "x", 0, 8, 99 }, { "a", 5, 8, 50 } })
    t:expect_rejects { code = "W507", stage = "agg", n = 1 }
    t:feed("in", fed { { "x", 0, 20, 99 }, { "a", 6, 20, 50 } }) -- forgotten: a new group
    t:finish()
    assert.equal("a 1 1; a 1 6; x 2 0", shown(t, { "k", "n", "best" }))
  end)
  it("refuses the first row of a group whose time is over", function()
    local t = test.new("x.lua", { text = TIMED .. AT })
    t:feed("in", fed { { "x", 0, 20, 99 }, { "a", 1, 20, 14 }, { "b", 1, 20, 15 } })
    t:expect_rejects { code = "W507", n = 1 }
    t:finish()
    assert.equal("b 1; x 1", shown(t, { "k", "n" }))
  end)
  it("gives late rows to late()", function()
    local t = test.new("x.lua", { text = TIMED .. ':group_by "k":emit("final", { at = "e" })'
      .. ':agg "n = count()":late()' .. WRITE })
    t:feed("in", fed { { "x", 0, 20, 99 }, { "a", 7, 20, 14 } })
    t:finish()
    assert.equal("a 7", shown(t, { "k", "v" }))
    t:expect_rejects { code = "W507", n = 0 }
  end)
  it("rejects a row whose time is nil or fails", function()
    local t = test.new("x.lua", { text = TIMED .. ':group_by "k"'
      .. ":emit('final', { at = \"e + v // (v - 1) * duration'1s'\" }):agg 'n = count()'"
      .. WRITE })
    t:feed("in", fed { { "a", 2, 0 }, { "a", 1, 0, 9 }, { "a", 2, 0, 9 } })
    t:finish()
    t:expect_rejects { code = "W506", n = 1 }
    t:expect_rejects { code = "W503", n = 1 }
    assert.equal("a 1", shown(t, { "k", "n" }))
  end)
  it("gives results that time as their own, which a window takes", function()
    local t = test.new("x.lua", { text = TIMED .. ':group_by "k":emit("final", { at = "e" })'
      .. ':agg "n = count()":window(weir.tumbling "10s"):agg "groups = count()"' .. WRITE })
    t:feed("in", fed { { "a", 1, 0, 9 }, { "b", 1, 0, 10 }, { "c", 1, 0, 11 }, { "x", 0, 90, 91 } })
    assert.equal("1; 2", shown(t, { "groups" }))
  end)
  it("leaves in the order of times, then of keys, in any number of shards", function()
    for shards = 1, 4 do
      local t = test.new("x.lua", { text = TIMED .. AT, shards = shards, batch_rows = shards })
      t:feed("in", fed { { "d", 1, 0, 4 }, { "c", 1, 0, 5 }, { "b", 1, 0, 4 }, { "a", 1, 0, 5 } })
      t:finish()
      assert.equal("b; d; a; c", shown(t, { "k" }))
    end
  end)
  it("is one group without keys, and none without rows", function()
    local text = TIMED .. ':emit("final", { at = "e" }):agg "n = count()"' .. WRITE
    local t = test.new("x.lua", { text = text })
    t:finish()
    assert.equal("", shown(t, { "n" }))
    t = test.new("x.lua", { text = text })
    t:feed("in", fed { { "a", 1, 0, 4 }, { "b", 1, 1, 3 }, { "c", 1, 20, 4 }, { "d", 1, 30, 40 } })
    t:finish()
    assert.equal("3; 1", shown(t, { "n" }))
  end)
  it("goes on behind a crash as if there had been none", function()
    local t = test.new("x.lua", { text = 'weir.settings { state = "s", checkpoint = "1ms" }\n'
      .. TIMED .. AT })
    t:feed("in", fed { { "a", 1, 0, 2 }, { "x", 0, 8, 99 } })
    t:advance_time "1s" -- a checkpoint
    t:crash()
    t:feed("in", fed { { "a", 5, 8, 50 }, { "x", 3, 9, 99 } })
    t:advance_time "1s"
    t:crash()
    t:finish()
    t:expect_rejects { code = "W507", n = 1 }
    assert.equal("a 1 1; x 2 3", shown(t, { "k", "n", "best" }))
  end)
  it("needs no window on an input without end, event time, and rows that stay", function()
    local endless = 'weir.generate { columns = "n = i, t = timestamp\'2024-01-01T00:00:00Z\' '
      .. '+ i * duration\'1s\'" }\n'
    assert(test.new("x.lua", { text = endless .. ':event_time "t":group_by "n"'
      .. ':emit("final", { at = "t" }):agg "c = count()":print()' }))
    refused(endless .. ':event_time "t":group_by "n":agg "c = count()":print()', "W303", "2:30",
      "this `agg` never ends")
    refused(READ .. ':emit("final", { at = "ts" }):agg "n = count()":print()', "W301", "2:31",
      "no event time")
    refused(TIMED .. ':group_by "k":emit "update":agg "n = count(), e = max(e)"'
      .. ':emit("final", { at = "e" }):agg "n = count()":print()', "W305", "2:126",
      "groups that end `at` a time do not take updates")
  end)
  it("refuses what it cannot do, where it stands", function()
    refused(TIMED .. ':emit("final", { at = "v" }):agg "n = count()":print()', "W104", "2:63",
      "`at` must be a timestamp, this is int64")
    refused(TIMED .. ':emit("final", { at = "eee" }):agg "n = count()":print()', "W103", "2:63",
      "unknown column `eee`")
    refused(TIMED .. ':emit("update", { at = "e" }):agg "n = count()":print()', "W203", "2:63",
      "emission `update` has no `at`")
    refused(TIMED .. ':emit("final", { at = function(r) return r.e end }):agg "n = count()"',
      "W203", "2:62", "option `at` of `emit` must be an expression, got a function")
    refused(TIMED .. ':window(weir.tumbling "1s"):emit("final", { at = "e" })'
      .. ':agg "n = count()":print()', "W203", "2:96", "`at` says when groups end, and so does")
    refused(TIMED .. ':emit("final", { at = "e" }):dedup("k", { keep = "first" }):print()', "W203",
      "2:69", "`dedup` has no emission `at`")
    refused(TIMED .. ':emit("final", { at = "e", every = "1s" }):agg "n = count()":print()',
      "W203", "2:83", "emission `final` has no `every`")
  end)
end)

describe("emit every", function()
  local EVERY = ':group_by "k":emit("update", { every = "10s" })'
  local function told(items, rows, columns)
    local t = test.new("x.lua", { text = READ .. ':event_time "ts"' .. EVERY .. ":agg [[" .. items
      .. "]]:changes { before = true }" .. WRITE })
    t:feed("in", fed(rows))
    t:finish()
    return shown(t, columns)
  end
  it("takes the last of equal times by arrival, as a final result does", function()
    assert.equal("a 5 insert; a 5 update_before; a 3 update", told("l = last(v)",
      { { "a", 1, 1 }, { "a", 5, 12 }, { "a", 9, 12 }, { "a", 3, 12 } }, { "k", "l", "op" }))
  end)
  it("tells the result that was told, once, however many rows came between", function()
    assert.equal("a 2 1 insert; a 2 1 update_before; a 3 2 update", told(
      "d = count_distinct(v), high = count_distinct(v where v > 1)",
      { { "a", 1, 1 }, { "a", 2, 2 }, { "a", 1, 11 }, { "a", 3, 12 }, { "a", 3, 13 } },
      { "k", "d", "high", "op" }))
  end)
  it("says nothing of a group that is what it was", function()
    assert.equal("a 2 insert", told("m = max(v)", { { "a", 2, 1 }, { "a", 1, 12 } },
      { "k", "m", "op" }))
  end)
  it("takes a result back that fails, and gives it anew when it does not", function()
    assert.equal("a 10 insert; b 10 insert; a 10 delete; b 10 delete; a -10 insert",
      told("q = 10 // (2 - count())", { { "a", 1, 1 }, { "b", 1, 11 }, { "a", 1, 12 },
        { "b", 1, 21 }, { "a", 1, 22 } }, { "k", "q", "op" }))
  end)
end)

describe("distinct counts of one column", function()
  it("are as many as one likes, each with a condition of its own", function()
    local items, columns, expected = {}, { "k" }, { "a" }
    for n = 0, 79 do
      items[#items + 1] = ("d%d = count_distinct(v where v >= %d)"):format(n, n)
      columns[#columns + 1] = "d" .. n
      expected[#expected + 1] = tostring(n <= 0 and 3 or n <= 40 and 2 or n <= 70 and 1 or 0)
    end
    local t = test.new("x.lua", { text = READ .. ':group_by "k":agg [[' .. table.concat(items, ", ")
      .. "]]" .. WRITE })
    t:feed("in", fed { { "a", 0, 1 }, { "a", 40, 1 }, { "a", 70, 2 }, { "a", 40, 3 },
      { "a", nil, 4 } })
    t:finish()
    assert.equal(table.concat(expected, " "), shown(t, columns))
  end)
end)

describe("emit by the clock", function()
  local EVERY = ':group_by "k":emit("update", { every = "10s", clock = "processing" })'
    .. ':agg "n = count()":changes()' .. WRITE
  it("leaves when the clock passes a multiple, with rows or without", function()
    local t = test.new("x.lua", { text = READ .. EVERY, start = "2024-01-01T00:00:01Z" })
    t:feed("in", fed { { "a", 1, 0 }, { "a", 1, 0 }, { "b", 1, 0 } })
    t:advance_time "8s"
    assert.equal("", shown(t, { "k", "n" }))
    t:advance_time "1s"
    assert.equal("a 2 insert; b 1 insert", shown(t, { "k", "n", "op" }))
    t:feed("in", fed { { "a", 1, 0 } })
    t:advance_time "20s" -- two multiples are one emission: nothing came between them
    assert.equal("a 2 insert; b 1 insert; a 3 update", shown(t, { "k", "n", "op" }))
    t:advance_time "20s"
    t:finish()
    assert.equal("a 2 insert; b 1 insert; a 3 update", shown(t, { "k", "n", "op" }))
  end)
  it("gives what is left at the end", function()
    local t = test.new("x.lua", { text = READ .. EVERY })
    t:feed("in", fed { { "a", 1, 0 } })
    t:finish()
    assert.equal("a 1 insert", shown(t, { "k", "n", "op" }))
  end)
  it("gives deltas, in any number of shards", function()
    for shards = 1, 3 do
      local t = test.new("x.lua", { text = READ .. ':group_by "k":emit("delta", { every = "10s", '
        .. 'clock = "processing" }):agg "n = count()"' .. WRITE, shards = shards,
        start = "2024-01-01T00:00:00Z" })
      t:feed("in", fed { { "b", 1, 0 }, { "a", 1, 0 } })
      t:advance_time "10s"
      t:feed("in", fed { { "a", 1, 0 } })
      t:advance_time "9s"
      t:finish()
      assert.equal("a 1; b 1; a 1", shown(t, { "k", "n" }))
    end
  end)
  it("goes on behind a crash", function()
    local t = test.new("x.lua", { text = 'weir.settings { state = "s", checkpoint = "1ms" }\n'
      .. READ .. EVERY, start = "2024-01-01T00:00:01Z" })
    t:feed("in", fed { { "a", 1, 0 } })
    t:crash()
    t:advance_time "9s"
    assert.equal("a 1 insert", shown(t, { "k", "n", "op" }))
    t:crash()
    t:feed("in", fed { { "a", 1, 0 } })
    t:advance_time "10s"
    assert.equal("a 1 insert; a 2 update", shown(t, { "k", "n", "op" }))
  end)
  it("lets a window give what is left when it closes in event time", function()
    local t = test.new("x.lua", { text = READ .. ':event_time "ts":window(weir.tumbling "10s")'
      .. ':group_by "k":emit("update", { every = "1h", clock = "processing" })'
      .. ':agg "n = count()":changes()' .. WRITE })
    t:feed("in", fed { { "a", 1, 0 }, { "a", 1, 1 }, { "b", 1, 12 } })
    assert.equal("a 2", shown(t, { "k", "n" }))
  end)
  it("is refused where there is nothing to time", function()
    refused(READ .. ':emit("update", { clock = "processing" }):agg "n = count()":print()', "W203",
      "2:27", "`clock` of `emit` says which time `every` means")
    refused(READ .. ':emit("update", { every = "1s", clock = "wall" }):agg "n = count()"', "W203",
      "2:41", 'option `clock` of `emit` must be "event" or "processing"')
    refused(READ .. ':emit("update", { every = "1s", clock = "processing" }):top(1, "v"):print()',
      "W203", "2:57", "`top` has no emission `clock`")
  end)
end)

describe("a punctuated watermark", function()
  local COUNT = ':window(weir.tumbling "10s"):group_by "k":agg "n = count()"' .. WRITE
  local MARKS = READ .. ':event_time("ts", { watermark = "case(k == \'mark\', e)" })'
  it("alone moves the frontier", function()
    local t = test.new("x.lua", { text = MARKS .. COUNT })
    t:feed("in", fed { { "a", 1, 1 }, { "a", 1, 500 }, { "a", 1, 2 } })
    assert.equal("", shown(t, { "k", "n" }))
    t:feed("in", fed { { "mark", 1, 3, 9 } })
    assert.equal("", shown(t, { "k", "n" }))
    t:feed("in", fed { { "mark", 1, 4, 10 } })
    assert.equal("a 2; mark 2", shown(t, { "k", "n" }))
    t:expect_rejects { code = "W507", n = 0 }
  end)
  it("makes rows before it late, and never goes back", function()
    local t = test.new("x.lua", { text = MARKS .. COUNT, batch_rows = 1 })
    t:feed("in", fed { { "mark", 1, 0, 60 }, { "mark", 1, 70, 10 }, { "a", 1, 55 },
      { "a", 2, 60 } })
    t:finish()
    t:expect_rejects { code = "W507", n = 1 }
    assert.equal("a 1; mark 1", shown(t, { "k", "n" }):match("a 1; mark 1$"))
  end)
  it("that fails rejects its row", function()
    local t = test.new("x.lua", { text = READ
      .. ":event_time('ts', { watermark = \"e + 1 // v * duration'1s'\" })" .. COUNT })
    t:feed("in", fed { { "a", 0, 1, 100 }, { "b", 1, 1 }, { "c" }, { "d", 1, 2, 3 } })
    t:finish()
    t:expect_rejects { code = "W503", n = 1 }
    t:expect_rejects { code = "W506", n = 1 }
    assert.equal("b 1; d 1", shown(t, { "k", "n" }))
  end)
  it("is the source's own with source = true", function()
    local t = test.new("x.lua", { text = READ .. ':event_time("ts", { source = true })' .. COUNT })
    t:feed("in", fed { { "a", 1, 1 }, { "a", 1, 500 } })
    assert.equal("", shown(t, { "k", "n" }))
    t:advance_watermark("2024-01-01T00:00:10Z", "in")
    assert.equal("a 1", shown(t, { "k", "n" }))
    t:feed("in", fed { { "a", 1, 9 }, { "a", 1, 10 } })
    t:expect_rejects { code = "W507", n = 1 }
  end)
  it("is one way of three", function()
    refused(READ .. ':event_time("ts", { watermark = "e", max_delay = "1s" })', "W203", "2:50",
      "`watermark` of `event_time` says where the frontier is, and so does `max_delay`")
    refused(READ .. ':event_time("ts", { watermark = "v" })', "W104", "2:34",
      "`watermark` must be a timestamp, this is int64")
  end)
end)

describe("processing_time", function()
  local TUMBLING = READ .. ':processing_time "at":window(weir.tumbling "10s"):group_by "k"'
    .. ':agg "n = count()"' .. WRITE
  local function now(t)
    return shown(t, { "k", "n" })
  end
  it("ends windows by the clock, with no row to come", function()
    local t = test.new("x.lua", { text = TUMBLING, start = "2024-01-01T00:00:05Z" })
    t:feed("in", fed { { "b", 1 }, { "a", 1 } })
    t:advance_time "4s"
    t:feed("in", fed { { "a", 1 } })
    assert.equal("", now(t))
    t:advance_time "1s"
    assert.equal("a 2; b 1", now(t))
    assert.equal("2024-01-01T00:00:00Z", shown(t, { "window_start" }):match("^[^;]+"))
    t:feed("in", fed { { "a", 1 } }) -- it is 00:00:10: the next window
    t:finish()
    assert.equal("a 2; b 1; a 1", now(t))
    t:expect_rejects { code = "W507", n = 0 }
  end)
  it("counts each row once, in windows that do not overlap", function()
    for batch_rows = 1, 3 do
      local t = test.new("x.lua", { text = TUMBLING, batch_rows = batch_rows, shards = batch_rows })
      for i = 1, 40 do
        t:feed("in", fed { { "a", i }, { "b", i } })
        t:advance_time "700ms"
      end
      t:finish()
      local sum, seen = 0, {}
      for _, row in ipairs(t:rows("out.csv")) do
        sum = sum + row.n
        local id = tostring(row.window_start) .. row.k
        assert.is_nil(seen[id])
        seen[id] = true
      end
      assert.equal(80, sum)
      assert.equal("a 15; b 15; a 14; b 14; a 11; b 11", now(t))
    end
  end)
  it("does not go back behind a crash, also where the clock does", function()
    local t = test.new("x.lua", { text = 'weir.settings { state = "s", checkpoint = "1ms" }\n'
      .. TUMBLING, start = "2024-01-01T00:00:05Z" })
    t:feed("in", fed { { "a", 1 } })
    t:advance_time "6s"
    assert.equal("a 1", now(t))
    t:crash()
    t:feed("in", fed { { "a", 1 } })
    t:finish()
    assert.equal("a 1; a 1", now(t))
  end)
  it("stands before stages that merge rows, and makes a column of its own", function()
    refused(READ .. ':group_by "k":agg "n = count()":processing_time "at"', "W302", "2:33",
      "`processing_time` must come before `agg`")
    refused(READ .. ':processing_time "ts"', "W205", "2:18", "column `ts` exists")
  end)
end)
