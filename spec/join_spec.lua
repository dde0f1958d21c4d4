-- join: what a script may say, and the boundaries of time, by the program's own binder and
-- scheduler.
local test = require("weir.test")
local two = require("spec.support.two_streams")

local READ = two.script [[
local l = read("l", "k int64, a string, ts timestamp"):event_time("ts", { max_delay = "5s" })
local r = read("r", "k int64, b string, ts timestamp"):event_time("ts", { max_delay = "5s" })
local plain = read("p", "k int64, c string")
local endless = weir.generate { columns = "k = i" }
]]

local function refused(...)
  return two.refused(READ, ...)
end

--- The pairs "a-b" that a join with these options gives, in order.
local function pairs_of(options, left, right, on)
  local t = test.new("x.lua", { text = READ .. ("l:join(r, { on = '%s', prefix = 'r_', %s })")
    :format(on or "k", options) .. ":write(weir.file('out.csv'))" })
  t:feed("l", two.rows("a", left))
  t:feed("r", two.rows("b", right))
  t:finish()
  return two.pairs_in(t, "out.csv")
end

describe("join says", function()
  it("what it needs", function()
    refused("l:join(r, {}):print()", "W203", 3, "option `on` of `join` must be a list of keys")
    refused("l:join(r, { on = 'k' }):print()", "W205", 3, "column `ts` exists on both sides")
    refused("plain:join(l, { on = 'k', within = '5s' }):print()", "W301", 36, "no event time")
    refused("endless:join(plain, { on = 'k' }):print()", "W301", 14, "no event time")
    refused("endless:event_time'ts = timestamp(k, \"ms\")':join(r, { on = 'k', prefix = 'r_' })",
      "W304", 45, "state grows without bound")
  end)
  it("what bounds may be", function()
    refused("l:join(r, { on = 'k', prefix = 'r_', within = { 'ts', 'a' } }):print()", "W104", 55,
      "a bound of `within` is a timestamp or a duration, not string")
    refused("l:join(r, { on = 'k', prefix = 'r_', within = { '5s', '-5s' } }):print()", "W203", 55,
      "the lower bound of `within` lies above the upper one")
    refused("l:join(r, { on = 'k', prefix = 'r_', within = '5s', retain = '1m' }):print()", "W203",
      62, "`within` says how long rows are kept")
  end)
end)

describe("an interval join", function()
  it("takes both bounds", function()
    assert.equal("x-p x-q", pairs_of("within = { '-2s', '3s' }", { { 1, "x", 10 } },
      { { 1, "o", 7 }, { 1, "p", 8 }, { 1, "q", 13 }, { 1, "r", 14 } }))
  end)
  it("takes a row at the frontier and refuses one before it", function()
    assert.equal("y-q", pairs_of("within = '0s'", { { 1, "x", 14 }, { 1, "y", 15 } },
      { { 1, "p", 20 }, { 1, "q", 15 }, { 1, "r", 14 } }))
  end)
  it("matches no nil, and nothing that is not a number", function()
    assert.equal("x- -p", pairs_of("within = '5s', how = 'full'", { { nil, "x", 1 } },
      { { nil, "p", 1 } }))
    assert.equal("x- -p y-q", pairs_of("within = '5s', how = 'full'", { { 0, "x", 1 },
      { 1, "y", 2 } }, { { 0, "p", 1 }, { 1, "q", 2 } }, "k / k == k / k"))
  end)
  it("lets an outer row go when its interval has passed", function()
    assert.equal("x- y-q z-", pairs_of("within = '1s', how = 'left'",
      { { 1, "x", 1 }, { 3, "w", 20 }, { 2, "y", 20 }, { 1, "z", 20 } },
      { { 3, "p", 19 }, { 2, "q", 20 } }):gsub("w%-p ", ""))
  end)
end)
