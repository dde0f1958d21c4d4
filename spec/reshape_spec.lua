-- unnest, pivot, unpivot, sample: what a script may say, by the program's own binder.
local refused = require("spec.support.timed").refused

local READ = 'weir.read("in.csv", { schema = "id int64, tags list<string>, a int64, b float64, '
  .. 'c int64, status string" })\n'

describe("unnest", function()
  it("refuses what is no list, and more than one", function()
    refused(READ .. ':unnest "a":print()', "W104", "2:10", "`unnest` cannot take int64")
    refused(READ .. ':unnest "tags, x = a":print()', "W203", "2:10", "argument 1 of `unnest` must")
    refused(READ .. ':unnest "tag":print()', "W103", "2:10", "unknown column `tag`")
    refused(READ .. ':unnest("tags", { index = "a" }):print()', "W205", "2:27", "`unnest` adds")
  end)
end)

describe("pivot", function()
  it("refuses what is no aggregate, and items without a value", function()
    refused(READ .. ':pivot("state", "count()", "x = 1"):print()', "W103", "2:9", "unknown column")
    refused(READ .. ':pivot("status", "a + 1", "x = 1"):print()', "W203", "2:18", "argument 2 of")
    refused(READ .. ':pivot("status", "count()", "paid"):print()', "W001", "2:30",
      "unexpected item, expected `name = value`")
    refused(READ .. ':pivot("status", "sum(z)", "x = \'x\'"):print()', "W103", "2:23",
      "unknown column `z`")
    refused(READ .. ':pivot("status", "sum(a)", "x = 1"):print()', "W104", "2:19", "`==` cannot")
  end)
end)

describe("unpivot", function()
  it("refuses columns of several types, and names that are there", function()
    refused(READ .. ':unpivot "a, b":print()', "W104", "2:10", "`unpivot` cannot put")
    refused(READ .. ':unpivot("a, c", { value = "id" }):print()', "W205", "2:2", "`unpivot` adds")
    refused(READ .. ':unpivot "a, d":print()', "W103", "2:10", "unknown column `d`")
  end)
end)

describe("sample", function()
  it("takes a part, and no updates", function()
    refused(READ .. ':sample(2):print()', "W203", "2:9", "argument 1 of `sample` must be a number")
    refused(READ .. ":sample(0 / 0):print()", "W203", "2:9", "argument 1 of `sample` must be")
    refused(READ .. ':group_by "a":emit "update":agg "n = count()":sample(0.5):print()', "W305",
      "2:47", "`sample` does not take updates")
  end)
end)

describe("rename", function()
  it("gives a column one name", function()
    refused(READ .. ':rename "x = a, y = a":print()', "W105", "2:9", "`a` is renamed twice")
  end)
end)
