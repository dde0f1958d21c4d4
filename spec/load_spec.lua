-- Reading a script: its environment, errors of Lua with their place, modules, lints.
local scripts = require("spec.support.scripts")

describe("the environment of a script", function()
  it("has weir, require and Lua's own that are safe", function()
    assert(scripts.read([[
      assert(type(weir) == "table" or type(weir) == "userdata" and type(require) == "function")
      assert(math.type(1) == "integer" and ("x"):rep(2) == "xx" and select("#", 1, 2) == 2)
      local t = {} for k in pairs({ a = 1 }) do t[#t + 1] = k end
      counter = 1 counter = counter + 1
      assert(counter == 2)
      s:print()]]))
  end)
  it("a name that is nothing is an error at its line, with the one that was meant", function()
    local at, err = scripts.err("\nlocal x = wier.read 'x.csv'")
    assert.equal("3:1 W511", at)
    assert.equal("Lua error: `wier` is not defined: did you mean `weir`?", err.message)
  end)
  it("a name that stands bare in a stage is told about quotes", function()
    local at, err = scripts.err("s:print()\ns\n  :filter(amont > 1)")
    assert.equal("4:3 W511", at)
    assert.equal("expressions and columns stand in quotes: `:filter \"… amont …\"`", err.help)
    err = select(2, scripts.err("s:filter('amount > 1'):limit(3 + (n))"))
    assert.equal("expressions and columns stand in quotes: `:limit \"… n …\"`", err.help)
    for _, text in ipairs({ "s:filter('amount > 1'):print(); local x = a", "local x = ('x'):rep(n)",
      "s:derive('b int64', (function() return a end)())", "local x = f(a)" }) do
      assert.is_nil(select(2, scripts.err(text)).help, text)
    end
  end)
  it("what leads out of it is W703", function()
    for _, name in ipairs({ "io", "os", "debug", "load", "dofile", "xpcall", "package" }) do
      local at, err = scripts.err("local x = " .. name)
      assert.equal("2:1 W703", at)
      assert.equal(("`%s` is not available in a pipeline"):format(name), err.message)
    end
    assert.equal("2:11 W703", (scripts.err("local x = _ENV")))
  end)
  it("cannot be changed through weir", function()
    assert.equal("W203", select(2, scripts.err("weir.read = nil")).code)
  end)
end)

describe("errors of Lua", function()
  it("of syntax have the place that Lua says", function()
    local at = scripts.err("local x = = 1")
    assert.truthy(at:find("^2:"), at)
  end)
  it("at run time have their line", function()
    local at, err = scripts.err("\n\nlocal t = nil\nt.x = 1")
    assert.equal("5:1 W511", at)
    assert.truthy(err.message:find("attempt to index a nil value", 1, true))
  end)
  it("raised by the script are shown as they are", function()
    assert.equal("Lua error: no such day", select(2, scripts.err("error('no such day')")).message)
    assert.equal("Lua error: a table", select(2, scripts.err("error({})")).message)
    assert.equal("Lua error: nil", select(2, scripts.err("error()")).message)
  end)
  it("of deep recursion say so, and name no place of ours", function()
    for _, text in ipairs({ "local function f() return 1 + f() end f()",
      "error('weir.loader:58: stack overflow', 0)", "error('error in error handling', 0)" }) do
      local at, err = scripts.err(text)
      assert.truthy(at:find("W511", 1, true) or at:find("W702", 1, true), at)
      assert.truthy(err.message:find("stack overflow", 1, true), err.message)
      assert.equal("t.lua", err.located.file)
    end
  end)
end)

describe("lints", function()
  local function lint(text)
    local made = assert(scripts.read(text))
    assert.equal(1, #made.lints)
    return made.lints[1].code, made.lints[1].message
  end
  it("an unused parameter is W903, however it could have been used", function()
    assert.same({ "W903", "unused parameter `b`" },
      { lint("weir.params 'a int64 = 1, b int64 = 2'\ns:filter 'amount > $a':print()") })
    assert.equal(0,
      #scripts.read("local p = weir.params 'a int64 = 1'\nlocal x = p.a\ns:print()").lints)
    assert.equal(0, #scripts.read("weir.params 'a string = \"o\"'\ns:write '$a.csv'").lints)
  end)
  it("a row function that reads what the script changes is W910", function()
    assert.equal("W910",
      (lint("local n = 0\nn = 1\ns:filter(function(e) return e.amount > n end):print()")))
  end)
  it("a loop makes as many stages, each at its mark", function()
    local made = assert(scripts.read("for i = 1, 3 do\n  s:filter 'amount > 1'\nend\ns:print()"))
    assert.equal(3, #made.lints)
    assert.equal("W902", made.lints[3].code)
  end)
end)
