-- Which columns a row function reads, from its text.
local scripts = require("spec.support.scripts")

local function reads(text)
  return scripts.specs("s:derive '`odd name` = user':filter(" .. text .. ")")[2].fn.reads
end

describe("a row function reads", function()
  it("the fields it names", function()
    assert.same({ "amount", "user" },
      reads("function(e) return e.user == 'a' and e.amount > 1 end"))
    assert.same({ "odd name" }, reads("function(e) return e['odd name'] end"))
    assert.same({ "user" },
      reads("function(row) local u = row.user return u:lower() == row.user end"))
    assert.same({}, reads("function() return true end"))
    assert.same({ "user" },
      reads("function(e) local f = function(e2) return e2 end return f(e.user) end"))
  end)
  it("all of it when the row is handed on, indexed by a value, or walked", function()
    assert.equal("all", reads("function(e) return tostring(e) end"))
    assert.equal("all", reads("function(e) local k = 'user' return e[k] end"))
    assert.equal("all", reads("function(e) for k in pairs(e) do return k end end"))
    assert.equal("all", reads("function(e) local o = e return o.user end"))
    assert.equal("all", reads("function(...) local e = ... return e.user end"))
    assert.equal("all", reads("function(e) return e:user() end"))
  end)
  it("a column that is not there is told at its name", function()
    local at, err = scripts.err("s:filter(function(e) return e.amuont > 1 end)")
    assert.equal("2:31 W103", at)
    assert.truthy(err.help:find("did you mean `amount`", 1, true))
    assert.equal("2:31 W103", (scripts.err("s:filter(function(e) return e['odd'] end)")))
    assert.is_truthy(scripts.read("s:filter(function(e) return e._line > 1 end):print()"))
  end)
  it("not what a local of the same name holds", function()
    assert.same({ "user" },
      reads("function(e) local u = e.user local e = { z = 1 } return e.z, u end"))
  end)
end)

describe("a name in a row function that is nothing", function()
  local function refused(text, at, message, help)
    local found, err = scripts.err(text)
    assert.same({ at, message }, { found, err.message })
    assert.equal(help, err.help)
  end

  it("is told at its place, before anything runs", function()
    refused("s:filter(function(e)\n return tostirng(e.user) end):print()", "3:9 W511",
      "Lua error: `tostirng` is not defined: did you mean `tostring`?")
    refused("s:filter(function(e) return os.time() > 1 end):print()", "2:29 W703",
      "`os` is not available in a pipeline", "`now()` in strings, `weir.env` and parameters")
    refused("s:derive('t string', function(e) return io.read() end):print()", "2:41 W703",
      "`io` is not available in a pipeline", "`weir.read` reads, `:write` writes")
    refused("s:filter(function(e) return e.user == None end):print()", "2:39 W511",
      "Lua error: `None` is not defined", "Lua writes `nil`")
  end)
  it("that is a column says how a column is read", function()
    refused("s:filter(function(row) return amount > 1 end):print()", "2:31 W511",
      "`amount` is not defined", "a column is `row.amount`")
  end)
  it("is told in functions that it calls, and within others", function()
    refused("local function f(x) return g(x) end\n"
      .. "s:filter(function(e) return f(e.user) end):print()", "2:28 W511",
      "Lua error: `g` is not defined")
    refused("s:filter(function(e) local function f() return hh end return f() end):print()",
      "2:48 W511", "Lua error: `hh` is not defined")
    refused("local function f(x) return x > 0 and f(x - 1) or lost end\n"
      .. "weir.def('d(x int64) bool', f)", "2:50 W511", "Lua error: `lost` is not defined")
  end)
  it("is not one that the script assigns anywhere, nor a local or what Lua has", function()
    assert.is_truthy(scripts.read("s:filter(function(e) return later(e.user) end):print()\n"
      .. "function later(x) return x ~= nil end"))
    assert.is_truthy(scripts.read("function set() flag = true end\n"
      .. "s:filter(function(e) return flag end):print()"))
    assert.is_truthy(scripts.read("s:filter(function(e) local os = e.user "
      .. "for i = 1, 2 do os = os .. i end return string.len(os) > math.huge end):print()"))
  end)
end)
