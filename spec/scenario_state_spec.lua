local test = require("weir.test")

local TEXT = [[
weir.settings { state = "any", checkpoint = "1s" }
local rows = weir.read("in.csv", { schema = "k string, n int64, ts timestamp" })
  :event_time("ts", { max_delay = "0s" })
rows:write("copy.csv")
rows:window(weir.tumbling "10s"):group_by "k":agg "n = count(), total = sum(n)":write("sums.csv")
]]

local function rows(first, last)
  local list = {}
  for i = first, last do
    list[#list + 1] = { k = i % 3 == 0 and "fizz" or "other", n = i,
      ts = ("2024-01-01T00:00:%02dZ"):format(i) }
  end
  return list
end

--- The rows of both sinks after a scenario in which the process dies where `crashes` say.
local function outcome(crashes, options)
  options = options or {}
  options.text = TEXT
  local t = test.new("state.lua", options)
  for step = 1, 5 do
    t:feed("in.csv", rows(step * 10 - 9, step * 10))
    if crashes[step] == "after a checkpoint" then
      t:advance_time "2s"
      t:crash()
    elseif crashes[step] then
      t:crash()
    end
  end
  t:finish()
  return { t:rows "copy.csv", t:rows "sums.csv" }
end

describe("a scenario with state", function()
  local undisturbed = outcome({})
  it("sees fifty rows and their windows", function()
    assert.equal(50, #undisturbed[1])
    local total = 0
    for _, row in ipairs(undisturbed[2]) do
      total = total + row.total
    end
    assert.equal(50 * 51 // 2, total)
  end)
  it("gives the same rows when the process dies between checkpoints", function()
    assert.same(undisturbed, outcome({ [2] = true }))
    assert.same(undisturbed, outcome({ true, true, true, true, true }))
  end)
  it("gives the same rows when it goes on from a checkpoint", function()
    assert.same(undisturbed, outcome({ [3] = "after a checkpoint" }))
    assert.same(undisturbed, outcome({ "after a checkpoint", true, "after a checkpoint", true }))
  end)
  it("gives the same rows for any batch and any number of shards", function()
    assert.same(undisturbed, outcome({ [2] = "after a checkpoint" }, { batch_rows = 1 }))
    assert.same(undisturbed, outcome({ [4] = true }, { batch_rows = 3, shards = 3, seed = 7 }))
  end)
end)
