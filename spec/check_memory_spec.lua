-- What `weir check` says of `memory`: what a run takes before its first row, by the program's own
-- operators, and that less is refused before anything runs.
local loader = require("weir.loader")
local main = require("weir.main")
local native = require("weir.native")

local SCRIPT = [[
weir.settings { memory = "%s" }
weir.read("-", { format = "csv", schema = "k int64" }):group_by "k":agg "n = count()":print()
]]

local function check(memory, ...)
  loader.reset()
  local out, err = {}, {}
  local code = main.main({ "check", "-e", SCRIPT:format(memory), ... }, native, {
    out = function(text)
      out[#out + 1] = text
    end,
    err = function(text)
      err[#err + 1] = text
    end,
    getenv = function()
      return nil
    end,
  })
  return code, table.concat(out), table.concat(err)
end

describe("weir check", function()
  it("says how much of `memory` a run takes before its first row", function()
    local code, out = check("64MB")
    local least = tonumber(out:match("memory: 65536 KB, of which a run takes (%d+) KB before"))
    assert.equal(0, code)
    assert.is_true(least > 16 and least < 4096, out)
  end)
  it("refuses less than that, and says what is enough", function()
    local code, out, err = check("4KB")
    assert.equal(1, code)
    assert.equal("", out)
    assert.matches("error%[W602%]: `memory` is 4 KB, and this run takes %d+ KB before its first",
      err)
    assert.matches('memory = "1MB"', err)
  end)
end)
