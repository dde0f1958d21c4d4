-- `lookup` into a database that is asked row by row: what a script may say. What it answers is in
-- tests/pipelines/asked, what it sees of a database that changes in tests/program/live.py.
local timed = require("spec.support.timed")

local READ = 'weir.rows("k int64, x float64, t timestamp", { { 1, 2.0, nil } })'
local USERS = 'weir.sqlite("tests/pipelines/asked/shop.db", { table = "users" })'

local function refused(right, options, place, code, message, read)
  timed.refused(("%s\n:lookup(%s, { %s }):print()"):format(read or READ, right, options), code,
    place, message)
end

describe("lookup into a database refuses", function()
  it("what is neither a stream nor a database", function()
    refused('"users.csv"', 'on = "k"', "2:9", "W210", "a stream is expected, got")
    refused('weir.file("spec/*.csv")', 'on = "k"', "2:9", "W401", "no file")
    refused('weir.file("examples/data/airlines.csv.gz")', 'on = "carrier"', "2:9", "W210",
      "`examples/data/airlines.csv.gz` cannot be asked row by row")
    refused("weir.stdout()", 'on = "k"', "2:9", "W402", "`stdout` can only be written")
  end)
  it("a database without table or query, as `read` does", function()
    refused('weir.sqlite "tests/pipelines/asked/shop.db"', 'on = "k == id"', "2:9", "W203",
      "sqlite needs the option `table` or `query`")
  end)
  it("keys that it cannot be asked for", function()
    refused(USERS, 'on = "k == id + 1"', "2:83", "W203",
      "a key of `sqlite:tests/pipelines/asked/shop.db/users` "
      .. "must be one of its columns")
    refused(USERS, 'on = "x == id"', "2:83", "W203", "a key of `sqlite:tests/")
    refused('weir.sqlite("tests/pipelines/asked/shop.db", { query = "select id, name as t from '
      .. 'users" })', 'on = "t"', "2:109", "W104", "")
  end)
  it("options that go with the other kind", function()
    refused('weir.rows("k int64", {})', 'on = "k", cache = "1m"', "2:55", "W203",
      "`cache` is for a database")
    refused('weir.rows("k int64", {}):sort "k"', 'on = "k", reload = "1m"', "2:65", "W203",
      "only a source with stages that work row by row is read again")
    refused(USERS, 'on = "k == id", reload = "1m"',
       "2:103", "W203",
      "`reload` is for a stream")
  end)
  it("updates", function()
    refused(USERS, 'on = "n == id"', "2:2", "W305",
      "`lookup` into a database does not take updates",
      READ .. ':group_by "k":emit "update":agg "n = count()"')
  end)
end)
