-- `weir explain --analyze`: a script is run, nothing is written, and each stage says what it took.
local has_native, native = pcall(require, "weir.native")
local explain = require("weir.explain")
local loader = require("weir.loader")
local main = require("weir.main")

local folder

--- Runs a command line over the script; returns the exit code, stdout and stderr.
local function weir(text, ...)
  loader.reset()
  local path = folder .. "/a.lua"
  local handle = assert(io.open(path, "wb"))
  handle:write(text)
  handle:close()
  local out, err = {}, {}
  local code = main.main({ "explain", path, ... }, native, {
    out = function(part)
      out[#out + 1] = part
    end,
    err = function(part)
      err[#err + 1] = part
    end,
  })
  return code, table.concat(out), table.concat(err)
end

--- The field of the JSON of a node: the last number behind its name, within the node's object.
local function number(json, op, name)
  local at
  for object in json:gmatch("%b{}") do
    at = object
  end
  for node in at:sub(2, -2):gmatch("%b{}") do
    if node:find(('"op": "%s"'):format(op), 1, true) then
      return math.tointeger(tonumber(node:match(('"%s": (%%d+)'):format(name))))
    end
  end
end

local WINDOWS = [[
weir.nexmark { events = 5000, rate = 100 }
  :window(weir.tumbling "10s")
  :group_by "b = bidder %% 10"
  :agg "n = count()"
  :write(%q)
]]

describe("explain --analyze", function()
  if not has_native then
    pending("needs the program")
    return
  end
  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
  end)
  after_each(function()
    os.execute("rm -r " .. folder)
  end)

  it("counts rows in and out of each stage, and what it kept", function()
    local code, out = weir(WINDOWS:format("blackhole:"),
      "--analyze", "--json", "--batch-rows", "100")
    assert.equal(0, code)
    assert.equal(4600, number(out, "read", "rows_out"))
    assert.equal(4600, number(out, "agg", "rows_in"))
    assert.equal(50, number(out, "agg", "rows_out"))
    assert.equal(10, number(out, "agg", "state_rows"))
    assert.truthy(number(out, "agg", "state_bytes") > 0)
    assert.truthy(number(out, "agg", "batches_in") >= 46)
    assert.equal(50, number(out, "write", "rows_in"))
    assert.truthy(out:find('"watermark": "2020-09-13T12:27:29', 1, true))
  end)
  it("knows what each stage with a state keeps", function()
    local events = [[
local s = weir.generate { columns = "ts = timestamp(i, 's'), k = i % 3, v = i", rows = 300 }
  :event_time("ts", { max_delay = "5s" })
]]
    for op, stage in pairs({
      derive = 's:group_by "k":derive "n = count() over 10"',
      match = 's:group_by "k":match { pattern = "a b", measures = "v = b.v", within = "9s" }',
      asof_join = 's:asof_join(s, { on = "k", prefix = "r_", max_age = "9s" })',
      fill = 's:filter "k ~= 2 or v > 90":window(weir.tumbling "1s"):group_by "k":agg "n = count()"'
        .. ':fill("n = 0", { stop_after = "9s" })',
    }) do
      local code, out = weir(events .. stage .. ':write "blackhole:"', "--analyze", "--json",
        "--batch-rows", "50")
      assert.equal(0, code, op)
      assert.truthy(number(out, op, "state_rows") > 0, op)
      assert.truthy(number(out, op, "state_bytes") > 0, op)
    end
  end)
  it("gives the same counts in shards", function()
    local _, out = weir(WINDOWS:format("blackhole:"), "--analyze", "--json", "--shards", "3")
    for name, n in pairs({ rows_in = 4600, rows_out = 50, state_rows = 10 }) do
      assert.equal(n, number(out, "agg", name))
    end
  end)
  it("writes nothing", function()
    local path = folder .. "/out.csv"
    local code, out = weir(WINDOWS:format(path),
      "--analyze")
    assert.equal(0, code)
    assert.falsy(io.open(path))
    assert.truthy(out:find("50 rows in, in %d+ batch.-none written"), out)
    assert.truthy(out:find("kept at most: 10 rows, ", 1, true))
  end)
  it("shows nothing of this without the flag, and refuses flags that say how to run", function()
    local code, out = weir("weir.nexmark { events = 50 }:print()")
    assert.equal(0, code)
    assert.falsy(out:find("ran:", 1, true))
    local refused, _, err = weir("weir.nexmark { events = 50 }:print()", "--limit", "3")
    assert.equal(2, refused)
    assert.truthy(err:find("--limit is for `weir explain --analyze`", 1, true))
  end)
  it("reads as far as --limit says", function()
    local code, out = weir("weir.nexmark { events = 500 }:print()", "--analyze", "--json",
      "--limit", "30")
    assert.equal(0, code)
    assert.equal(30, number(out, "read", "rows_out"))
  end)
  it("fails as the run would, with the same exit code", function()
    local code, _, err = weir("weir.settings { on_error = 'fail' }\n"
      .. "weir.nexmark { events = 50 }:derive 'x = 1 // (price - price)':print()", "--analyze")
    assert.equal(1, code)
    assert.truthy(err:find("W503", 1, true), err)
  end)
end)

describe("explain.add_measured", function()
  it("says which part of the time each node took, and sizes in their unit", function()
    local plan = { nodes = { { id = 0, op = "read" }, { id = 2, op = "agg" } } }
    explain.add_measured(plan, { seconds = 4, rows_in = 1234, nodes = {
      [0] = { seconds = 1, rows_in = 1234, rows_out = 1234, batches_in = 0 },
      [2] = { seconds = 3, rows_in = 1234, rows_out = 1, batches_in = 1, state_rows = 1,
        state_bytes = 1234567, spilled_bytes = 7654321, watermark = "2024-01-01T00:00:00Z" },
    } })
    local text = explain.text(plan)
    for _, part in ipairs({ "ran: 1.000 s (25 %) · 1,234 rows out",
      "ran: 3.000 s (75 %) · 1,234 rows in, in 1 batch · 1 row out",
      "kept at most: 1 row, 1.2 MB", "in a scratch file at most: 7.7 MB",
      "last watermark: 2024-01-01T00:00:00Z" }) do
      assert.truthy(text:find(part, 1, true), text)
    end
  end)
end)
