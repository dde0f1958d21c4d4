-- How a pipeline is tested: delays.lua runs as it is, with rows in place of its files, on a clock
-- that the test moves. `weir test examples` runs all `*_spec.lua` there.
local function flight(time_hour, minute, dep_delay, origin)
  return { time_hour = time_hour, minute = minute, dep_delay = dep_delay, origin = origin or "JFK" }
end

describe("delays", function()
  it("counts the flights of an hour, late ones and the mean, without cancelled ones", function()
    local t = weir.test("delays.lua")
    t:feed("flights-2013-*.csv.gz", {
      flight("2013-01-01T10:00:00Z", 15, 4),
      flight("2013-01-01T10:00:00Z", 59, 21),
      flight("2013-01-01T10:00:00Z", 30, nil), -- cancelled
      flight("2013-01-01T11:00:00Z", 0, -2),
      flight("2013-01-01T10:00:00Z", 40, 16, "LGA"),
    })
    t:finish()
    t:expect_rows("delays", [[
      window_start,window_end,origin,flights,late,mean_delay
      2013-01-01T10:00:00Z,2013-01-01T11:00:00Z,JFK,2,1,12.5
      2013-01-01T10:00:00Z,2013-01-01T11:00:00Z,LGA,1,1,16.0
      2013-01-01T11:00:00Z,2013-01-01T12:00:00Z,JFK,1,0,-2.0
    ]])
  end)

  it("shows only hours of ten flights or more, the worst first", function()
    local t, rows = weir.test("delays.lua"), {}
    for i = 1, 10 do
      rows[#rows + 1] = flight("2013-01-01T10:00:00Z", i, 10)
      rows[#rows + 1] = flight("2013-01-01T11:00:00Z", i, 30)
      rows[#rows + 1] = i < 10 and flight("2013-01-01T12:00:00Z", i, 90) or nil
    end
    t:feed("flights-2013-*.csv.gz", rows)
    t:finish()
    local shown = t:rows("print")
    assert.equal(2, #shown)
    assert.same({ 30.0, 10.0 }, { shown[1].mean_delay, shown[2].mean_delay })
  end)

  it("waits a day for rows that come late, and rejects those that come later", function()
    local t = weir.test("delays.lua")
    t:feed("flights-2013-*.csv.gz", {
      flight("2013-01-01T10:00:00Z", 0, 1),
      flight("2013-01-02T11:00:00Z", 0, 1), -- a day and an hour: the first window is complete
      flight("2013-01-01T10:00:00Z", 30, 1),
      flight("2013-01-01T11:00:00Z", 0, 1), -- just in time
    })
    t:finish()
    t:expect_rejects { code = "W507", n = 1 }
  end)
end)
