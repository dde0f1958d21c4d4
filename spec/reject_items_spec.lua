-- The detail of a reject says which item of its stage the row failed in.
local has_native = pcall(require, "weir.native")

describe("the detail of a reject names the item", function()
  if not has_native then
    pending("needs the program: weir test")
    return
  end

  --- The details of what the stages reject of three rows, in order.
  local function details(stages)
    local t = require("weir.test").new("t.lua", { text = "local s = weir.read('x.ndjson', "
      .. "{ schema = 'id int64, a int64, b string' })\ns" .. stages .. ":write 'blackhole:'" })
    t:feed("x.ndjson", { { id = 1, a = 0, b = "x" }, { id = 2, a = 1, b = "7" },
      { id = 3, a = 9, b = "y" } })
    t:finish()
    local found = {}
    for i, reject in ipairs(t:rejects()) do
      found[i] = reject.detail
    end
    return found
  end

  it("of derive, select and event_time", function()
    assert.same({ "`q`: 10 // 0", "`n`: 'y' is no int64" },
      details ":derive 'q = 10 // a, n = int64(b)'")
    assert.same({ "`z`: 'x' is no int64", "`z`: 'y' is no int64" },
      details ":select 'id, z = int64(b)'")
    assert.same({ "`at`: 10 // 0" }, details ":derive 'local h = 10 // a, at = h + 1'")
    assert.same({ "`t`: 'x' is no timestamp", "`t`: '7' is no timestamp",
      "`t`: 'y' is no timestamp" }, details ":event_time 't = timestamp(b)'")
  end)
  it("of agg: a key, the argument of an aggregate, a result", function()
    assert.same({ "`g`: 1 // 0" }, details ":group_by 'g = 1 // a':agg 'n = count()'")
    assert.same({ "`t`: 'x' is no int64", "`t`: 'y' is no int64" },
      details ":agg 'n = count(), t = sum(int64(b)), u = sum(int64(b)) + 1'")
    assert.same({ "`v`: 1 // 0" }, details ":agg 'n = count(), v = 1 // (count() - 3)'")
    assert.same({ "`w`" }, details ":agg 'n = count(), w = sum(9223372036854775807)'")
    assert.same({ "`z`: 'x' is no int64", "`z`: 'y' is no int64" },
      details ":group_by 'id':derive 'n = count(), z = sum(int64(b))'")
  end)
  it("of expect, where a condition could not be computed", function()
    assert.same({ "`fine`: 'x' is no int64", "y", "`fine`: 'y' is no int64" },
      details ":expect 'fine = int64(b) > 3, y = a > 1'")
  end)
  it("of a list that a Lua function gives", function()
    assert.same({ "`q`: number where string is expected" },
      details ":derive('p int64, q string', function(e) return e.a, e.a == 9 and 5 or 'x' end)")
  end)
  it("and has nothing before it where the items have no names", function()
    assert.same({ "'x' is no int64", "'y' is no int64" }, details ":filter 'int64(b) > 3'")
    assert.same({ "'x' is no int64", "'y' is no int64" }, details ":sort 'int64(b)'")
    assert.same({ "'x' is no int64", "'y' is no int64" },
      details ":lookup(weir.rows('k int64', {}), { on = 'int64(b) == k' })")
  end)
  it("shortened, where the name is long, between two characters", function()
    local name = ("ü"):rep(50)
    assert.equal(("`%s`: 10 // 0"):format(("ü"):rep(40)), details(":derive '" .. name
      .. " = 10 // a'")[1])
  end)
end)
