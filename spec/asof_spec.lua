-- asof_join: what a script may say, and what a row finds, by the program's own binder and
-- scheduler.
local test = require("weir.test")
local two = require("spec.support.two_streams")

local READ = two.script [[
local l = read("l", "k int64, a string, ts timestamp"):event_time("ts", { max_delay = "5s" })
local r = read("r", "k int64, b string, gone bool, ts timestamp")
  :event_time("ts", { max_delay = "5s" })
local t = r:as_table("k", { delete = "gone" })
local plain = read("p", "k int64, c string, ts timestamp")
local endless = weir.generate { columns = "k = i" }:event_time "ts = timestamp(k, 's')"
]]

local function refused(...)
  return two.refused(READ, ...)
end

local function rows_of(column, rows)
  return two.rows(column, rows, column == "b" and { "gone" })
end

local function joined(right, options)
  return test.new("x.lua", { text = READ .. ("l:asof_join(%s, { on = 'k', prefix = 'r_'%s })")
    :format(right, options == "" and "" or ", " .. options)
    .. ":write(weir.file('out.csv'))" })
end

local function pairs_in(t)
  return two.pairs_in(t, "out.csv")
end

--- The pairs "a-b" that leave, in order.
local function found(options, left, right, side)
  local t = joined(side or "r", options)
  t:feed("l", rows_of("a", left))
  t:feed("r", rows_of("b", right))
  t:finish()
  return pairs_in(t), t
end

local RIGHT = { { 1, "p", 5 }, { 1, "q", 10 }, { 1, "q2", 10 }, { 1, "s", 20 } }

describe("asof_join says", function()
  it("what it needs", function()
    refused("l:asof_join(r, {})", "W203", 3, "option `on` of `asof_join` must be a list of keys")
    refused("l:asof_join(r, { on = 'k' })", "W205", 3, "column `ts` exists on both sides")
    assert.truthy(refused("plain:asof_join(r, { on = 'k' })", "W301", 7,
      "no event time: `asof_join` needs it on both sides"):find("to this stream", 1, true))
    assert.truthy(refused("l:asof_join(plain, { on = 'k' })", "W301", 13,
      "no event time"):find("to the other stream", 1, true))
    refused("l:asof_join(r, { on = 'k == b', prefix = 'r_' })", "W104", 23,
      "`==` cannot take int64 and string")
  end)
  it("which options there are", function()
    refused("l:asof_join(r, { on = 'k', how = 'full' })", "W203", 34,
      'option `how` of `asof_join` must be "left" or "inner"')
    refused("l:asof_join(r, { on = 'k', max_age = '-1s' })", "W114", 39,
      "option `max_age` of `asof_join`: bad literal: `-1s` is no duration: it has a sign")
    refused("l:asof_join(r, { on = 'k', prefix = 'r_', before = true, direction = 'forward' })",
      "W203", 52, "`before` is of the direction \"backward\"")
    assert.truthy(refused("l:asof_join(r, { on = 'k', tolerance = '1s' })", "W202", 28,
      "unknown option `tolerance`"):find("weir calls it `max_age`", 1, true))
    assert.truthy(refused("l:merge_asof(r, { on = 'k' })", "W201", 3,
      "no stage `merge_asof`"):find("`asof_join`", 1, true))
  end)
  it("that forward over endless input needs max_age", function()
    local forward = "endless:asof_join(r, { on = 'k', prefix = 'r_', direction = 'forward' })"
    assert.truthy(refused(forward, "W304", 9,
      "state grows without bound"):find("max_age", 1, true))
  end)
  it("which updates it takes", function()
    refused("t:asof_join(r, { on = 'k', prefix = 'r_' })", "W305", 3,
      "`asof_join` does not take updates")
    refused("l:asof_join(t, { on = 'a == b', prefix = 'r_' })", "W305", 23,
      "`asof_join` takes updates of a table only by its whole key")
    refused("l:asof_join(t, { on = 'k', prefix = 'r_', direction = 'forward' })", "W305", 55,
      "`asof_join` forward does not take updates")
  end)
end)

describe("asof_join backward", function()
  it("finds the newest row at or before its time", function()
    assert.equal("x- y-p z-p w-s", (found("",
      { { 1, "x", 4 }, { 1, "y", 5 }, { 1, "z", 9 }, { 1, "w", 59 } }, RIGHT)))
  end)
  it("takes the last of several rows of one time", function()
    assert.equal("x-q2", (found("", { { 1, "x", 10 } }, RIGHT)))
  end)
  it("with `before` leaves out those of its own time", function()
    assert.equal("x- y-p z-q2", (found("before = true",
      { { 1, "x", 5 }, { 1, "y", 10 }, { 1, "z", 11 } }, RIGHT)))
  end)
  it("takes a row as old as max_age, and none that is older", function()
    assert.equal("x-p y- z-q2", (found("max_age = '3s'",
      { { 1, "x", 8 }, { 1, "y", 9 }, { 1, "z", 13 } }, RIGHT)))
  end)
  it("matches no nil, and no other key", function()
    assert.equal("x- y-", (found("", { { nil, "x", 6 }, { 2, "y", 6 } },
      { { nil, "p", 5 }, { 1, "q", 5 } })))
    assert.equal("", (found("how = 'inner'", { { nil, "x", 6 }, { 2, "y", 6 } },
      { { nil, "p", 5 }, { 1, "q", 5 } })))
  end)
  it("lets rows leave in the order of time, those of one time as they came", function()
    assert.equal("y-p x-p z-p w-q2", (found("",
      { { 1, "x", 8 }, { 1, "z", 8 }, { 1, "y", 7 }, { 1, "w", 11 } }, RIGHT)))
  end)
  it("finds what comes later than the row", function()
    local t = joined("r", "")
    t:feed("l", rows_of("a", { { 1, "x", 8 }, { 1, "end", 20 }, { 1, "far", 40 } }))
    t:feed("r", rows_of("b", { { 1, "late enough", 9 }, { 1, "p", 6 }, { 1, "q", 20 } }))
    assert.equal("x-p", pairs_in(t))
    t:finish()
    assert.equal("x-p end-q far-q", pairs_in(t))
  end)
  it("waits for the frontier of both streams", function()
    local t = joined("r", "")
    t:feed("l", rows_of("a", { { 1, "x", 8 }, { 1, "y", 15 }, { 1, "z", 30 } }))
    t:feed("r", rows_of("b", { { 1, "p", 8 }, { 1, "q", 13 } }))
    assert.equal("", pairs_in(t)) -- a right row at 8 may still come
    t:feed("r", rows_of("b", { { 1, "r", 8 }, { 1, "s", 16 } }))
    assert.equal("x-r", pairs_in(t))
  end)
  it("refuses rows that are behind, on both sides", function()
    local got, t = found("", { { 1, "x", 20 }, { 1, "y", 15 }, { 1, "z", 14 } },
      { { 1, "p", 14 }, { 1, "q", 30 }, { 1, "o", 24 } })
    assert.equal("y-p x-p", got)
    t:expect_rejects { code = "W507", n = 2 }
  end)
end)

describe("asof_join forward", function()
  it("finds the oldest row at or behind its time", function()
    assert.equal("x-p y-p z-q2 w-", (found("direction = 'forward'",
      { { 1, "x", 4 }, { 1, "y", 5 }, { 1, "z", 6 }, { 1, "w", 21 } }, RIGHT)))
  end)
  it("takes a row as far as max_age, and holds rows as long", function()
    assert.equal("x- y-p z-q2", (found("direction = 'forward', max_age = '3s'",
      { { 1, "x", 1 }, { 1, "y", 2 }, { 1, "z", 7 } }, RIGHT)))
    local t = joined("r", "direction = 'forward', max_age = '3s'")
    t:feed("l", rows_of("a", { { 1, "x", 2 }, { 1, "y", 12 }, { 1, "z", 30 } }))
    t:feed("r", rows_of("b", { { 1, "p", 5 }, { 1, "q", 10 } }))
    assert.equal("", pairs_in(t)) -- a right row at 5 may still come
    t:feed("r", rows_of("b", { { 1, "r", 13 } }))
    assert.equal("x-p", pairs_in(t))
  end)
  it("with `inner` drops rows that find none", function()
    assert.equal("x-s", (found("direction = 'forward', how = 'inner'",
      { { 1, "x", 11 }, { 1, "y", 21 } }, RIGHT)))
  end)
end)

describe("asof_join of a table", function()
  it("finds the version of its time, and none once it is deleted", function()
    assert.equal("u- v-p w-p x-q y- z-s", (found("",
      { { 1, "u", 4 }, { 1, "v", 5 }, { 1, "w", 6 }, { 1, "x", 7 }, { 1, "y", 9 }, { 1, "z", 12 } },
      { { 1, "p", 5 }, { 1, "q", 7 }, { 1, nil, 9, true }, { 1, "s", 12 } }, "t")))
  end)
  it("ends a version whose new one a filter drops", function()
    assert.equal("x-p y- z-s", (found("", { { 1, "x", 6 }, { 1, "y", 8 }, { 1, "z", 12 } },
      { { 1, "p", 5 }, { 1, "q", 7 }, { 1, "s", 12 } }, "t:filter \"b ~= 'q'\"")))
  end)
  it("ends a version at the change that took it back, whichever stage made that", function()
    local right = { { 1, "p", 5 }, { 1, "q", 7 }, { 1, "s", 12 } }
    local left = { { 1, "x", 6 }, { 1, "y", 8 }, { 1, "z", 12 } }
    for _, changelog in ipairs { 'r:as_table("k")',
      'r:emit "update":dedup("k", { keep = "last" })' } do
      assert.equal("x-p y- z-s", (found("", left, right, changelog .. ":filter \"b ~= 'q'\"")))
    end
  end)
  it("knows when a corrected row was made, which is not its time", function()
    assert.equal("x-1 y-2", (found("", { { 1, "x", 6 }, { 1, "y", 10 } },
      { { 1, "p", 5 }, { 2, "p", 9 } }, 'r:as_table "k":group_by "b":derive "n = lead(k)"'
        .. ':derive "b = string(n ?? 1)"')))
  end)
  it("takes versions by event time, in whatever order they come", function()
    assert.equal("x-p y-q", (found("", { { 1, "x", 6 }, { 1, "y", 8 } },
      { { 1, "q", 8 }, { 1, "p", 5 } }, "t")))
  end)
end)
