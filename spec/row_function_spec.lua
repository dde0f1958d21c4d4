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
