-- Standard input and output of the program: closed, full, or with nobody behind them.
local program = os.getenv("WEIR_PROGRAM")

local function can_run()
  local handle = program and io.open(program, "rb")
  return handle ~= nil and handle:close()
end

local folder

local function write(name, text)
  local handle = assert(io.open(folder .. "/" .. name, "wb"))
  handle:write(text)
  handle:close()
end

--- What a shell line says in the folder, where `$W` is the program.
local function shell(line)
  local path = program:find("^/") and program or "$PWD/" .. program
  local pipe = assert(io.popen(("W=%s; cd %s && %s"):format(path, folder, line)))
  local text = pipe:read("a")
  pipe:close()
  return text
end

describe("standard files", function()
  if not can_run() then
    pending("needs the program: WEIR_PROGRAM=build/weir")
    return
  end
  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
    write("s.lua", 'local s = weir.generate { rows = 300000, columns = "a = i" }\n'
      .. 's:write "-"\ns:write "o.csv"\n')
  end)
  after_each(function()
    os.execute("rm -r " .. folder)
  end)

  it("end quietly when nobody reads on, and the other sinks finish", function()
    local text = shell("{ $W run s.lua 2>err; echo exit $? >code; } | head -n 1; cat err code; "
      .. "wc -l <o.csv")
    assert.truthy(text:find("exit 0\n300001\n$"), text)
    assert.falsy(text:find("error", 1, true), text)
  end)

  it("stop an endless pipeline when nobody reads on", function()
    write("e.lua", 'weir.generate { rows = 4000000000000, columns = "a = i" }:write "-"')
    local text = shell("{ timeout 20 $W run e.lua 2>err; echo exit $? >code; } | head -n 1; "
      .. "cat code")
    assert.truthy(text:find("exit 0\n$"), text)
  end)

  it("say when there is no room", function()
    local text = shell("$W run s.lua 2>&1 >/dev/full; echo exit $?")
    assert.truthy(text:find("write stdout: No space left on device", 1, true), text)
    assert.truthy(text:find("exit 1\n$"), text)
  end)

  it("may be closed: no file of the run takes their place", function()
    write("f.lua", 'weir.generate { rows = 300000, columns = "a = i" }:write "o.csv"\n')
    assert.equal("exit 0\n", shell("$W run f.lua <&- >&- 2>&-; echo exit $?"))
    assert.equal("a\n", shell("head -n 1 o.csv"))
    assert.equal("300001\n", shell("wc -l <o.csv"))
    assert.equal("exit 1\n", shell("$W run s.lua <&- >&- 2>&-; echo exit $?"))
  end)

  it("count what a sink took, not what it refused", function()
    write("n.lua", 'weir.rows("id int64", { { 1 }, { 1 }, { 2 } })\n'
      .. '  :write("sqlite:u.db", { table = "t", mode = "append" })')
    shell([[python3 -c 'import sqlite3
sqlite3.connect("u.db").execute("create table t (id INTEGER unique)")']])
    local text = shell("$W run n.lua 2>&1")
    assert.truthy(text:find("3 in, 2 out to sqlite:u.db/t", 1, true), text)
  end)
end)
