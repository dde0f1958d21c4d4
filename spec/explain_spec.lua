-- `weir explain`: what a stage says of itself, as text and as JSON.
local program = require("spec.support.program")

local READ = [[
local a = weir.rows("id int64, k string, v int64, t timestamp", {}):event_time "t"
local b = weir.rows("key int64, w float64, t timestamp", {}):event_time "t"
]]

describe("explain", function()
  if not program.is_here then
    pending("needs the program: weir test")
    return
  end
  local at = program.each(before_each, after_each)

  --- The lines of text about the nodes of a stage, each without its indent.
  local function shown(text, stage)
    at.put("s.lua", READ .. text .. ':write "blackhole:"')
    local code, out, err = at.weir("explain", "@s.lua")
    assert.equal(0, code, err)
    local lines, inside = {}, false
    for line in out:gmatch("[^\n]+") do
      local node = line:match("^ *%d+  (%S+)")
      inside = node and node == stage or not node and inside
      lines[#lines + 1] = inside and line:match("^%s*(.*)$") or nil
    end
    return "\n" .. table.concat(lines, "\n") .. "\n"
  end

  local function says(found, ...)
    for _, line in ipairs({ ... }) do
      assert.truthy(found:find("\n" .. line .. "\n", 1, true), ("%q in %s"):format(line, found))
    end
  end

  it("says how two streams are joined, by what and how long rows are kept", function()
    says(shown('a:join(b, { on = "id == key", within = "5m", prefix = "b_" })', "join"),
      "how: inner", "on: id == key", "prefix: b_", "within: 5m", "time: later")
    says(shown('a:join(b, { on = "id + 1 == key", within = { "-1m", "1h" }, how = "semi" })',
      "join"), "how: semi", "on: id + 1 == key", "within: -1m to 1h",
      "expression: (id + 1) (native)")
    says(shown('a:join(b, { on = "id == key", retain = "1h", prefix = "b_", where = "v > b_w" })',
      "join"), "retain: 1h", "where: v > b_w")
    says(shown('a:asof_join(b, { on = "id == key", max_age = "1h", prefix = "b_" })', "asof_join"),
      "how: left", "direction: backward", "max age: 1h", "on: id == key")
    says(shown('a:lookup(b, { on = "id == key", prefix = "b_", many = true })', "lookup"),
      "how: left", "many: true", "on: id == key")
  end)
  it("names the items of agg and what their aggregates take, and the keys of groups", function()
    says(shown([[
a:group_by "local q = upper(k), k2 = q, d = date(t)"
  :agg("local p = v > 1, n = count(where p)" .. "\n" .. [=[
    s = sum(v) + 1]=])]], "agg"), "group by: local q = upper(k), k2 = q, d = date(t)",
      "expression: k2 = upper(k) (native)", "expression: for n: (v > 1) (native)",
      "expression: for s: v (native)", "items: local p = v > 1, n = count(where p), s = sum(v) + 1")
    says(shown('a:group_by("g string", function(e) return e.k end):agg "s = sum(v + 1)"', "agg"),
      "key: g", "expression: for s: (v + 1) (native)", "items: s = sum(v + 1)")
    says(shown('a:group_by "k":top(2, "v desc")', "top"), "group by: k")
    says(shown('a:group_by "k":derive "n = count()"', "derive"), "group by: k")
  end)
  it("says by which columns files lie in directories", function()
    at.put("s.lua", READ
      .. "a:write('@out/', { format = 'csv', partition_by = 'day = date(t), k' })")
    local code, out, err = at.weir("explain", "@s.lua")
    assert.equal(0, code, err)
    assert.truthy(out:find("\n       partition by: day = date(t), k\n", 1, true), out)
  end)
  it("says it as data too", function()
    at.put("s.lua", READ .. [[
a:join(b, { on = "id == key", within = "5m", prefix = "b_" }):group_by "k":agg "n = count()"
  :write "blackhole:"]])
    local code, out = at.weir("explain", "@s.lua", "--json")
    assert.equal(0, code)
    for _, part in ipairs({ '"how": "inner"', '"within": "5m"', '"on": "id == key"' }) do
      assert.truthy(out:find(part, 1, true), part)
    end
    assert.truthy(out:find('"items": %[%s*"n = count%(%)"'), out)
    assert.truthy(out:find('"group_by": %[%s*"k"'), out)
  end)
end)
