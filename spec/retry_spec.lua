-- What `write` takes of options for a sink that fails for a while. What becomes of them has its
-- tests: tests/program/breaker.py, tests/postgres/breaker.py, tests/unit/conn/test_retry.c.
local refused = require("spec.support.timed").refused
local test = require("weir.test")

local READ = 'weir.rows("k string", { { "a" } })\n'

local function to_table(options)
  return READ .. ':write("sqlite:o.db", { table = "t", mode = "append", ' .. options .. " })"
end

describe("breaker", function()
  it("is true, false or a table of three words", function()
    refused(to_table 'breaker = "on"', "W203", "2:65",
      "option `breaker` of `write` must be true, false or a table")
    refused(to_table "breaker = { failure = 3 }", "W202", "2:65",
      "unknown option `failure` of `breaker`")
    refused(to_table "breaker = { failures = 0 }", "W203", "2:65",
      "`failures` of `breaker` must be a whole number of at least 1, got the number 0")
    refused(to_table 'breaker = { cooldown = "soon" }', "W203", "2:65",
      "`cooldown` of `breaker` must be a duration like \"10s\"")
    refused(to_table 'breaker = { limit = 5 }', "W203", "2:65",
      "`limit` of `breaker` must be a duration like \"1h\"")
  end)
  it("is of all sinks that may fail for a while, and of no other", function()
    for _, write in ipairs({
      ':write("o.csv", { breaker = { failures = 1, cooldown = "1s", limit = "2s" } })',
      ':write("out/", { format = "csv", roll = { rows = 1 }, breaker = true, retry_max = "1s" })',
      ':write(weir.sqlite("o.db", { table = "t", breaker = {} }), { mode = "append" })',
      ':write("sqlite:o.db", { table = "t", mode = "append", retries = 0, retry_min = "1ms" })',
      ':write("postgres:h/d", { table = "t", mode = "append", breaker = false, retries = 5 })',
    }) do
      assert.is_table(test.new("x.lua", { text = READ .. write }), write)
    end
    refused(READ .. ":print { breaker = true }", "W202", "2:10", "unknown option `breaker`")
    refused('weir.read("sqlite:o.db", { table = "t", breaker = true }):print()', "W202", "1:41",
      "unknown option `breaker`")
  end)
end)
