-- Scenarios on the real scheduler, inside the program: `weir test` runs them.
local found, native = pcall(require, "weir.native")
local loader = require("weir.loader")
local test = require("weir.test")

local WINDOWS = [[
weir.params "least float64 = 0"
local clicks = weir.read("clicks.ndjson", {
  schema = "user string, amount float64, ts timestamp",
})
local minutes = clicks
  :event_time("ts", { max_delay = "10s" })
  :filter "amount >= $least"
  :window(weir.tumbling "1m")
  :group_by "user"
  :agg "n = count(), total = sum(amount)"
minutes:write("sqlite:out.db", { table = "minutes" })
minutes:late():select "user, ts":write "late.csv"
clicks:derive "share = 1 // int64(amount)":write "shares.csv"
]]

local function scenario(text, options)
  loader.reset()
  options = options or {}
  options.text = text
  return test.new("clicks.lua", options)
end

local function click(user, amount, time)
  return { user = user, amount = amount, ts = "2024-01-01T" .. time .. "Z" }
end

describe("a scenario", function()
  if not found or not native.harness then
    pending("needs the program: WEIR_PROGRAM=build/weir, tests/specs.sh")
    return
  end

  it("gives a window once the frontier has passed its end, and not before", function()
    local t = scenario(WINDOWS)
    t:feed("clicks", { click("a", 1.0, "00:00:05"), click("a", 2.0, "00:00:30") })
    t:feed("clicks", { click("b", 4.0, "00:01:09") })
    t:expect_rows("minutes", {})
    t:feed("clicks", { click("b", 8.0, "00:01:10") })
    t:expect_rows("minutes", [[
      window_start,window_end,user,n,total
      2024-01-01T00:00:00Z,2024-01-01T00:01:00Z,a,2,3
    ]])
    t:finish()
    t:expect_rows("minutes", [[
      window_start,window_end,user,n,total
      2024-01-01T00:00:00Z,2024-01-01T00:01:00Z,a,2,3
      2024-01-01T00:01:00Z,2024-01-01T00:02:00Z,b,2,12
    ]])
  end)
  it("gives late rows to late(), and rejects none of them", function()
    local t = scenario(WINDOWS)
    t:feed("clicks", { click("a", 1.0, "00:05:00") })
    t:feed("clicks", { click("a", 1.0, "00:00:00") })
    t:finish()
    t:expect_rows("late", { { user = "a", ts = "2024-01-01T00:00:00Z" } })
    t:expect_rejects({ code = "W507", n = 0 })
  end)
  it("counts rejects by code and keeps the rest", function()
    local t = scenario(WINDOWS)
    t:feed("clicks", { click("a", 0.0, "00:00:00"), click("b", 1.0, "00:00:01"),
      { user = "c", amount = 1.0 } })
    t:finish()
    t:expect_rejects({ code = "W503", n = 1 })
    t:expect_rejects({ code = "W506", stage = "event_time", n = 1 })
    assert.equal(2, #t:rows("shares"))
  end)
  it("takes parameters", function()
    local t = scenario(WINDOWS, { params = { least = "2" } })
    t:feed("clicks", { click("a", 1.0, "00:00:00"), click("a", 3.0, "00:00:01") })
    t:finish()
    assert.equal(1, t:rows("minutes")[1].n)
  end)
  it("keeps every type as it is", function()
    local t = scenario([[
      weir.read("in", { format = "ndjson", name = "in", schema =
        "b bool, i int64, f float64, s string, t timestamp, d date, u duration, m decimal(9,2)" })
        :write("out.csv", { name = "out" })]])
    local rows = {
      { b = true, i = math.mininteger, f = 0.1, s = "é\n", t = "2024-01-01T00:00:00.000001Z",
        d = "1969-12-31", u = "-1h", m = "-1.05" },
      { b = false, i = 0, f = -0.0, s = "", t = "1970-01-01", d = "2024-02-29", u = "0s",
        m = "0.00" },
      {},
    }
    t:feed("in", rows):finish()
    t:expect_rows("out", rows)
  end)
  it("a crash loses nothing and gives nothing twice", function()
    local t = scenario(WINDOWS)
    t:feed("clicks", { click("a", 1.0, "00:00:05"), click("b", 2.0, "00:00:30") })
    t:crash()
    t:feed("clicks", { click("a", 4.0, "00:00:40") })
    t:crash()
    t:finish()
    t:expect_rows("minutes", [[
      window_start,window_end,user,n,total
      2024-01-01T00:00:00Z,2024-01-01T00:01:00Z,a,2,5
      2024-01-01T00:00:00Z,2024-01-01T00:01:00Z,b,1,2
    ]])
    assert.equal(3, #t:rows("shares"))
  end)
  it("moves the watermark of a source that says its own", function()
    local t = scenario([[
      weir.read("in.csv", { schema = "n int64, ts timestamp" })
        :event_time("ts", { source = true })
        :window(weir.tumbling "1m"):agg "n = count()"
        :write "out.csv"]])
    t:feed("in", { { n = 1, ts = "2024-01-01T00:00:00Z" }, { n = 2, ts = "2024-01-01T00:09:00Z" } })
    assert.equal(0, #t:rows("out"))
    t:advance_watermark("2024-01-01T00:00:59.999999Z")
    assert.equal(0, #t:rows("out"))
    t:advance_watermark("2024-01-01T00:01:00Z")
    assert.equal(1, #t:rows("out"))
  end)
  it("runs row functions", function()
    local t = scenario([[
      weir.read("in.csv", { schema = "n int64" })
        :filter(function(e) return e.n > 1 end)
        :derive("m int64", function(e) return e.n * 10 end)
        :write "out.csv"]])
    t:feed("in", { { n = 1 }, { n = 2 }, {}, { n = 3 } }):finish()
    t:expect_rows("out", { { n = 2, m = 20 }, { n = 3, m = 30 } })
  end)
end)
