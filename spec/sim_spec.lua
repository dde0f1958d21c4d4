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

  describe("of PostgreSQL", function()
    before_each(function()
      at.put("shop.sql", [[
create table users (id int primary key, name varchar(5) not null, since date);
insert into users values (1, 'ann', '2024-01-05'), (2, 'bob', null); -- two of them
]])
      at.put("shop.lua", [[
local shop = "postgres:db.shop/shop"
local users = weir.read(shop, { table = "users" })
users:derive "name = name .. name":write(shop, { table = "copies", key = "id" })
users:write(shop, { table = "users", mode = "append" })
weir.rejects():select("code, detail"):write "rejects.ndjson"
]])
    end)

    it("plays a server with the tables of a file", function()
      local code, text = shell("$W sim shop.lua --sql shop.sql --seeds 60 --left left.txt")
      assert.equal(0, code, text)
      assert.truthy(text:find("server %d"), text)
      local left = select(2, shell("cat left.txt"))
      assert.truthy(left:find("== postgres:db.shop:5432/shop\n", 1, true), left)
      assert.truthy(left:find("copies: 1, 'annann', '2024-01-05'\n", 1, true), left)
      assert.truthy(left:find("users: 2, 'bob', null\n", 1, true), left)
      assert.truthy(left:find([["code":"W509","detail":"duplicate key value violates unique ]]
        .. [[constraint \"users_pkey\": Key (id)=(1) already exists"]], 1, true), left)
    end)

    it("says where a file of tables is wrong", function()
      at.put("wrong.sql", "create table a (id int);\n\ncreate table b (id money);\n")
      local code, text = shell("$W sim shop.lua --sql wrong.sql")
      assert.equal(1, code, text)
      assert.truthy(text:find("wrong.sql, line 3: `weir sim` has no type `money`", 1, true), text)
      at.put("wrong.sql", "create table a (id int2);\ninsert into a values (70000);\n")
      code, text = shell("$W sim shop.lua --sql wrong.sql")
      assert.equal(1, code, text)
      assert.truthy(text:find("wrong.sql, line 2: smallint out of range", 1, true), text)
      code, text = shell("$W sim shop.lua --sql none.sql")
      assert.equal(1, code, text)
      assert.truthy(text:find("open none.sql: No such file", 1, true), text)
    end)

    it("says which query it cannot play, and which table is not there", function()
      local code, text = shell("$W sim -e 'weir.read(\"postgres:h/d\", { query = \"select 1 where "
        .. "true is distinct from\" }):print()'")
      assert.equal(3, code, text)
      assert.truthy(text:find("`weir sim` cannot play this: SQLite says", 1, true), text)
      code, text = shell("$W sim -e 'weir.read(\"postgres:h/d\", { table = \"user\" }):print()' "
        .. "--sql shop.sql")
      assert.equal(3, code, text)
      assert.truthy(text:find("no table `user`", 1, true), text)
      assert.truthy(text:find("did you mean `users`?", 1, true), text)
    end)
  end)

  it("says what is wrong with a script, an input, a flag", function()
    assert.equal(3, (shell("$W sim -e 'weir.read(1)'")))
    assert.equal(6, (shell("$W sim -e 'weir.read(\"none.csv\"):write \"x.csv\"'")))
    local code, text = shell("$W sim good.lua --faults fire")
    assert.equal(2, code)
    assert.truthy(text:find("there are: kill, power, io, memory, stop, second, clock, server", 1,
      true), text)
  end)
end)
