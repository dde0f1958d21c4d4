-- `weir test` as a program: what it finds, counts and answers. WEIR_PROGRAM names the program.
local program = os.getenv("WEIR_PROGRAM")

local function can_run()
  local handle = program and io.open(program, "rb")
  if not handle then
    return false
  end
  handle:close()
  return os.execute(("%s help test >/dev/null 2>&1"):format(program))
end

local folder

local function write(name, text)
  local handle = assert(io.open(folder .. "/" .. name, "wb"))
  handle:write(text)
  handle:close()
end

--- Runs `weir test` in the folder; the exit code and all that it says.
local function weir_test(arguments, environment)
  local path = program:find("^/") and program or "$OLDPWD/" .. program
  local pipe = assert(io.popen(("cd %s && %s %s test %s 2>&1; echo \"exit $?\""):format(folder,
    environment or "env -u CI", path, arguments)))
  local text = pipe:read("a")
  pipe:close()
  return math.tointeger(tonumber(text:match("exit (%d+)\n$"))), text
end

describe("weir test", function()
  if not can_run() then
    pending("needs the program: WEIR_PROGRAM=build/weir")
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

  it("runs the specs of a folder and counts them", function()
    write("a_spec.lua", "describe('a', function()\n  it('one', function() end)\n"
      .. "  it('two', function() assert.equal('table', type(weir.timestamp '2024-01-01')) end)\n"
      .. "  pending('three')\nend)")
    local code, text = weir_test("")
    assert.equal(0, code)
    assert.truthy(text:find("2 passed, 0 failed, 1 skipped", 1, true), text)
  end)
  it("fails with 1 when a test fails or a file cannot be read", function()
    write("a_spec.lua", "it('one', function() assert.equal(1, 2) end)")
    assert.equal(1, (weir_test("a_spec.lua")))
    write("b_spec.lua", "it('one'")
    assert.equal(1, (weir_test("b_spec.lua")))
  end)
  it("answers 6 when there are no tests", function()
    write("notes.lua", "error('is no spec')")
    assert.equal(6, (weir_test("")))
    write("a_spec.lua", "it('one', function() end)")
    assert.equal(6, (weir_test("--filter nothing")))
    assert.equal(0, (weir_test("--filter one")))
  end)
  it("refuses a script, and a path that is not there, before it runs anything", function()
    write("clicks.lua", "weir.read 'x.csv':print()")
    local code, text = weir_test("clicks.lua")
    assert.equal(2, code)
    assert.truthy(text:find("clicks.lua is no spec", 1, true), text)
    assert.truthy(text:find("`weir run clicks.lua` runs a script", 1, true), text)
    code, text = weir_test("nothing_spec.lua")
    assert.equal(2, code)
    assert.truthy(text:find("no such file or directory: nothing_spec.lua", 1, true), text)
  end)
  it("shows a wrong name at the line of the spec", function()
    write("clicks.lua", "weir.rows('a int64', { { 1 } }):print()")
    write("a_spec.lua", "it('one', function()\n  local t = weir.test 'clicks.lua'\n"
      .. "  t:finish()\n  t:expect_rows('prnt', 'a\\n1\\n')\nend)")
    local _, text = weir_test("a_spec.lua")
    assert.truthy(text:find("a_spec.lua:4: no sink is called \"prnt\": did you mean \"print\"?", 1,
      true), text)
  end)
  it("refuses --update where CI is set", function()
    assert.equal(2, (weir_test("--update", "env CI=true")))
  end)
end)
