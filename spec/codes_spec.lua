-- Codes of scripts that nothing else provokes, by the program's own binder.
local test = require("weir.test")

local ENDLESS = 'weir.generate { columns = "n = i" }'

local function refused(text, code, place)
  local ok, err = pcall(test.new, "x.lua", { text = text })
  assert.is_false(ok)
  assert.truthy(tostring(err):find(("x.lua:%s: error[%s]"):format(place, code), 1, true), err)
  assert.truthy(tostring(err):find("\nhelp: ", 1, true), err)
end

describe("a script is refused", function()
  it("W111: with a function whose result has no type", function()
    refused(ENDLESS .. ':derive("m", function(e) return e.n end):print()', "W111", "1:44")
  end)
  it("W303: with a stage that never ends", function()
    refused(ENDLESS .. ':agg "m = sum(n)":print()', "W303", "1:37")
    refused(ENDLESS .. ':sort "n":print()', "W303", "1:37")
  end)
  it("W304: with state that grows without bound", function()
    refused(ENDLESS .. ':distinct "n":print()', "W304", "1:37")
  end)
end)
