-- `weir sim` as a program: what it says, and that it writes nothing.
local sim = require("weir.sim")
local program = require("spec.support.program")

local KNOWN = { { word = "kill" }, { word = "power" }, { word = "clock" } }
local READ = [[
local orders = weir.read("orders.csv", { schema = "id int64, item string, ts timestamp" })
  :event_time("ts", { max_delay = "10s" })
]]

local function lay(put)
  local lines = { "id,item,ts" }
  for i = 1, 40 do
    lines[#lines + 1] = ("%d,%s,2024-03-01T10:%02d:%02dZ"):format(i, ({ "hat", "bag" })[i % 2 + 1],
      i // 6, i * 7 % 60)
  end
  put("orders.csv", table.concat(lines, "\n") .. "\n")
  put("good.lua", READ .. [[
orders:window(weir.tumbling "1m"):group_by "item":agg "n = count()":write "counts.csv"
orders:select "id, item":write("sqlite:out.db", { table = "orders", mode = "append" })
orders:select "id":print()
]])
  put("clock.lua", READ .. [[orders:derive "at = now()":select "id, at":write "at.csv"]])
  put("kept.lua", READ .. [[
local seen = {}
orders:map("id int64, n int64", function(e)
  seen[1] = (seen[1] or 0) + 1
  return e.id, seen[1]
end):write "kept.csv"
]])
end

describe("weir.sim faults", function()
  it("are read as bits, in any order and number", function()
    assert.equal(7, sim.faults(nil, KNOWN))
    assert.equal(7, sim.faults("all", KNOWN))
    assert.equal(0, sim.faults("none", KNOWN))
    assert.equal(5, sim.faults("clock,kill", KNOWN))
  end)
  it("that nobody knows are a usage error", function()
    local ok, err = pcall(sim.faults, "kil", KNOWN)
    assert.falsy(ok)
    assert.equal("--faults: there is no `kil`", err.message)
    assert.equal("did you mean `kill`?", err.help)
  end)
end)

describe("weir sim", function()
  if not os.getenv("WEIR_PROGRAM") then
    pending("needs the program: WEIR_PROGRAM=build/weir")
    return
  end
  local at = program.each(before_each, after_each)
  local function shell(line)
    return at.shell(line)
  end
  before_each(function()
    lay(at.put)
  end)

  it("finds a pipeline the same in each seed, and writes nothing", function()
    local before = select(2, shell("ls -lA --time-style=full-iso"))
    local code, text = shell("$W sim good.lua --seeds 60")
    assert.equal(0, code, text)
    assert.truthy(text:find("good.lua: 60 seeds, each leaves what an undisturbed run leaves", 1,
      true))
    assert.truthy(text:find("kill %d"), text)
    assert.equal(before, select(2, shell("ls -lA --time-style=full-iso")))
  end)

  it("does the same for the same seed", function()
    local _, first = shell("$W sim good.lua --seed 3 --seeds 20 --trace 2>/dev/null")
    local _, second = shell("$W sim good.lua --seed 3 --seeds 20 --trace 2>/dev/null")
    assert.equal(first, second)
    local alone = select(2, shell("$W sim good.lua --seed 9 --trace 2>/dev/null"))
    local print = alone:match("print %x+")
    assert.truthy(print)
    assert.truthy(first:find(print, 1, true))
  end)

  it("says which line differs, that no fault is needed, and how it is played again", function()
    local code, text = shell("$W sim clock.lua --seeds 20")
    assert.equal(1, code)
    local seed = text:match("seed (%d+): at%.csv differs from what an undisturbed run leaves")
    assert.truthy(seed, text)
    assert.truthy(text:find("undisturbed: %d+,2026"), text)
    assert.truthy(text:find("it differs without any fault", 1, true), text)
    assert.truthy(text:find("at.csv: its rows depend on a clock, on chance or on a lookup", 1,
      true))
    local again = text:match("again: weir (sim clock%.lua %-%-seed %d+ %-%-faults none %-%-trace)")
    assert.truthy(again, text)
    code, text = shell("$W " .. again)
    assert.equal(1, code)
    assert.truthy(text:find("seed " .. seed .. ": at.csv differs", 1, true), text)
  end)

  it("sees that a function keeps something that a process loses", function()
    local code, text = shell("$W sim kept.lua --seeds 60 --faults kill")
    assert.equal(1, code, text)
    assert.truthy(text:find("kept.csv differs", 1, true), text)
  end)

  it("tells it as JSON", function()
    local code, text = shell("$W sim clock.lua --seeds 40 --keep-going --json")
    assert.equal(1, code)
    assert.truthy(text:find('"seeds": 40', 1, true) or text:find('"seeds":40', 1, true), text)
    assert.truthy(text:find('"not_repeatable"', 1, true), text)
    assert.truthy(text:find('"again"', 1, true), text)
  end)

  it("refuses what it cannot simulate, before anything is done with it", function()
    local code, text = shell("$W sim -e 'weir.read(\"orders.csv\"):write(\"postgres:"
      .. "localhost/none\", { table = \"t\", mode = \"append\" })'")
    assert.equal(1, code, text)
    assert.truthy(text:find("cannot be simulated: it is a server of its own", 1, true), text)
  end)

  it("says what is wrong with a script, an input, a flag", function()
    assert.equal(3, (shell("$W sim -e 'weir.read(1)'")))
    assert.equal(6, (shell("$W sim -e 'weir.read(\"none.csv\"):write \"x.csv\"'")))
    local code, text = shell("$W sim good.lua --faults fire")
    assert.equal(2, code)
    assert.truthy(text:find("there are: kill, power, io, memory, stop, second, clock", 1, true),
      text)
  end)
end)
