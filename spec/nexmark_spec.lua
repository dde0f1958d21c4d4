-- `weir.nexmark`: what it describes, its three streams as values, and their times in scenarios.
local found, native = pcall(require, "weir.native")
local loader = require("weir.loader")
local scripts = require("spec.support.scripts")
local test = require("weir.test")

local BARE = { bare = true }

describe("weir.nexmark", function()
  it("describes three sources of one family", function()
    local specs = scripts.specs([[local bid = weir.nexmark { events = 10, rate = 5, seed = 2 }
      local other = weir.nexmark { disorder = 7, max_delay = "1s", compat = "flink" }]], BARE)
    assert.equal(6, #specs)
    assert.same({ kind = "nexmark", stream = "bid", family = 1,
      options = { events = 10, rate = 5, seed = 2 } }, specs[1].endpoint)
    assert.equal("person", specs[3].endpoint.stream)
    assert.same({ kind = "nexmark", stream = "auction", family = 2,
      options = { disorder = 7, max_delay = 1000000, compat = "flink" } }, specs[5].endpoint)
  end)
  it("need not be used whole, but one of its streams must be", function()
    local made = scripts.read("local _, a = weir.nexmark { events = 9 }\na:print()", BARE)
    assert.same({}, made.lints)
    made = scripts.read("local bid = weir.nexmark { events = 9 }", BARE)
    assert.equal(1, #made.lints)
    assert.equal("W902", made.lints[1].code)
  end)
  it("refuses options that it does not know, and values that are none", function()
    assert.equal("W202", select(2, scripts.err("weir.nexmark { event = 10 }")).code)
    assert.equal("W203", select(2, scripts.err("weir.nexmark { rate = 0 }")).code)
    assert.equal("W203", select(2, scripts.err("weir.nexmark { compat = 'beam' }")).code)
  end)
  it("alone has events with numbers", function()
    if not found or not native.harness then
      pending("needs the program: WEIR_PROGRAM=build/weir, tests/specs.sh")
      return
    end
    loader.reset()
    local made, err = pcall(test.new, "x.lua", {
      text = "weir.rows('a int64', { { 1 } }):derive 'n = _event':print()",
    })
    assert.is_false(made)
    assert.truthy(tostring(err):find("W103", 1, true))
  end)
  it("has event time where a scenario feeds its rows", function()
    if not found or not native.harness then
      pending("needs the program: WEIR_PROGRAM=build/weir, tests/specs.sh")
      return
    end
    loader.reset()
    local t = test.new("bids.lua", { text = [[
      local bid = weir.nexmark { events = 10, max_delay = "1s" }
      bid:window(weir.tumbling "10s"):agg "n = count()":write "n.csv"
    ]] })
    local function bid(at)
      return { auction = 1, bidder = 1, price = 1, channel = "a", url = "b", extra = "c",
        dateTime = "2024-01-01T00:00:" .. at .. "Z" }
    end
    t:feed("bid", { bid "01", bid "02", bid "10" })
    t:expect_rows("n.csv", {})
    t:feed("bid", { bid "11", bid "12" })
    t:expect_rows("n.csv", [[
      window_start,window_end,n
      2024-01-01T00:00:00Z,2024-01-01T00:00:10Z,2
    ]])
  end)
end)
