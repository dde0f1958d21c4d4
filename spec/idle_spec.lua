-- Inputs that are live and quiet: who waits for whom, and until when, under a clock that the test
-- moves.
local refused = require("spec.support.timed").refused
local test = require("weir.test")

local function read(name)
  return ('weir.read(weir.file("%s", { format = "csv" }), '):format(name)
    .. '{ schema = "k string, ts timestamp" })'
end

local function timed(name, options)
  return ('%s:event_time("ts", { %s })'):format(read(name), options or "")
end

--- Rows {k, second}.
local function fed(rows)
  local list = {}
  for i, row in ipairs(rows) do
    list[i] = { k = row[1], ts = ("2024-01-01T00:%02d:%02dZ"):format(row[2] // 60, row[2] % 60) }
  end
  return list
end

--- The values of column `k` (and `n`) of what came to the sink.
local function shown(t)
  local list = {}
  for i, row in ipairs(t:rows("out.csv")) do
    list[i] = row.k .. (row.n or "")
  end
  return table.concat(list, " ")
end

local COUNT = ':window(weir.tumbling "10s"):group_by "k":agg "n = count()"'
local WRITE = ':write(weir.file("out.csv"))'

describe("a quiet input", function()
  it("holds up a union in the order of time, until it has been quiet for long", function()
    local t = test.new("x.lua", { text = timed "a" .. ":union(" .. timed "b" .. ")" .. WRITE })
    t:feed("a", fed { { "a", 1 }, { "a", 3 } })
    assert.equal("", shown(t))
    t:feed("b", fed { { "b", 2 } })
    assert.equal("a b", shown(t)) -- b may still have a row before the second of a
    t:advance_time "4s"
    assert.equal("a b", shown(t))
    t:advance_time "1s"
    assert.equal("a b a", shown(t))
  end)
  it("is waited for as long as its event_time says", function()
    local t = test.new("x.lua", { text = timed "a" .. ":union(" .. timed("b", 'idle = "1m"') .. ")"
      .. WRITE })
    t:feed("a", fed { { "a", 1 } })
    t:advance_time "59s"
    assert.equal("", shown(t))
    t:advance_time "1s"
    assert.equal("a", shown(t))
  end)
  it("is waited for again once it has a row", function()
    local t = test.new("x.lua", { text = timed "a" .. ":union(" .. timed "b" .. ")" .. WRITE })
    t:feed("a", fed { { "a", 1 } })
    t:advance_time "5s"
    t:feed("b", fed { { "b", 50 } })
    t:feed("a", fed { { "a", 2 } })
    assert.equal("a a", shown(t))
    t:advance_time "1s"
    assert.equal("a a", shown(t)) -- the row at 50 waits for a
    t:advance_time "4s"
    assert.equal("a a b", shown(t))
  end)
  it("does not hold the frontier of the others", function()
    local t = test.new("x.lua", { text = timed "a" .. ":union(" .. timed "b" .. ")" .. COUNT
      .. WRITE })
    t:feed("b", fed { { "b", 1 } })
    t:feed("a", fed { { "a", 2 }, { "a", 30 } })
    t:advance_time "4s"
    t:feed("a", fed { { "a", 31 } })
    assert.equal("", shown(t))
    t:advance_time "2s" -- b is quiet for 6 s, a for 2
    assert.equal("a1 b1", shown(t))
  end)
  it("that comes back is late where time has gone on, and never doubled or lost", function()
    for batch_rows = 1, 3 do
      local t = test.new("x.lua", { text = timed "a" .. ":union(" .. timed "b" .. ")" .. COUNT
        .. WRITE, batch_rows = batch_rows, shards = batch_rows })
      t:feed("b", fed { { "b", 1 } })
      t:feed("a", fed { { "a", 2 }, { "a", 30 } })
      t:advance_time "4s"
      t:feed("a", fed { { "a", 31 } })
      t:advance_time "2s"
      t:feed("b", fed { { "b", 3 }, { "b", 9 }, { "b", 32 } }) -- [0, 10) has been counted
      t:finish()
      t:expect_rejects { code = "W507", n = 2 }
      assert.equal("a1 b1 a2 b1", shown(t))
    end
  end)
  it("lets a join go on", function()
    local t = test.new("x.lua", { text = timed "a" .. ":join(" .. timed "b"
      .. ', { on = "k", within = "5s", how = "left", prefix = "b_" })' .. WRITE })
    t:feed("a", fed { { "x", 1 }, { "y", 2 } })
    t:feed("b", fed { { "x", 3 } })
    t:feed("a", fed { { "z", 40 } })
    t:advance_time "4s"
    assert.equal("x", shown(t))
    t:feed("a", fed { { "z", 41 } })
    t:advance_time "1s" -- b steps aside; the frontier is 41
    assert.equal("x y", shown(t))
  end)
end)

describe("when all inputs are quiet", function()
  it("time goes on by the clock, so that a last window closes", function()
    local t = test.new("x.lua", { text = timed("a", 'max_delay = "2s"') .. COUNT .. WRITE })
    t:feed("a", fed { { "a", 4 } }) -- the frontier is 2
    t:advance_time "7s"
    assert.equal("", shown(t))
    t:advance_time "1s"
    assert.equal("a1", shown(t))
  end)
  it("rows that come behind are late, those that do not are taken", function()
    local t = test.new("x.lua", { text = timed "a" .. COUNT .. WRITE, batch_rows = 1 })
    t:feed("a", fed { { "a", 4 } })
    t:advance_time "10s" -- the frontier is 14
    assert.equal("a1", shown(t))
    t:feed("a", fed { { "b", 9 }, { "c", 12 }, { "d", 14 } })
    t:finish()
    t:expect_rejects { code = "W507", n = 1 }
    assert.equal("a1 c1 d1", shown(t))
  end)
  it("a short silence changes nothing", function()
    local t = test.new("x.lua", { text = timed "a" .. COUNT .. WRITE })
    for i = 0, 9 do
      t:feed("a", fed { { "a", i } })
      t:advance_time "4s"
    end
    assert.equal("", shown(t))
    t:feed("a", fed { { "a", 10 } })
    assert.equal("a10", shown(t))
    t:expect_rejects { code = "W507", n = 0 }
  end)
  it("a watermark that rows set stands still", function()
    local t = test.new("x.lua", { text = timed("a", 'watermark = "ts"') .. COUNT .. WRITE })
    t:feed("a", fed { { "a", 4 } })
    t:advance_time "1h"
    assert.equal("", shown(t))
  end)
  it("one without a row yet has no time to go on", function()
    local t = test.new("x.lua", { text = timed "a" .. COUNT .. WRITE })
    t:advance_time "1h"
    t:feed("a", fed { { "a", 4 } })
    t:finish()
    t:expect_rejects { code = "W507", n = 0 }
    assert.equal("a1", shown(t))
  end)
  it("a union of windows goes on too", function()
    local t = test.new("x.lua", { text = timed "a" .. COUNT .. ":union(" .. timed "b" .. COUNT
      .. ')' .. WRITE })
    t:feed("a", fed { { "a", 4 } })
    t:feed("b", fed { { "b", 4 } })
    t:advance_time "5s" -- the frontiers are 9
    assert.equal("", shown(t))
    t:advance_time "1s"
    assert.equal(2, #t:rows("out.csv")) -- which input was polled first is first
  end)
  it("a crash changes nothing: what was late stays late, what has fired does not again", function()
    local t = test.new("x.lua", { text = 'weir.settings { state = "s", checkpoint = "1ms" }\n'
      .. timed "a" .. COUNT .. WRITE })
    t:feed("a", fed { { "a", 4 } })
    t:advance_time "10s"
    t:advance_time "1s"
    t:crash()
    t:feed("a", fed { { "b", 9 }, { "c", 12 } })
    t:finish()
    t:expect_rejects { code = "W507", n = 1 }
    assert.equal("a1 c1", shown(t))
  end)
end)

describe("idle", function()
  it("is of event_time, and not where the source knows", function()
    refused(timed("a", 'idle = "5s", source = true') .. ":print()", "W203", "1:112",
      "`source` of `event_time` says that the source knows")
    refused(timed("a", "idle = 5") .. ":print()", "W203", "1:112", "option `idle` of `event_time`")
  end)
end)
