-- `write` with `partition_by`: what a script may say. What is written, and how it goes on behind a
-- stop, has its pipeline: tests/pipelines/hive.
local refused = require("spec.support.timed").refused
local test = require("weir.test")

local READ = 'weir.read(weir.file("in", { format = "csv" }), '
  .. '{ schema = "k string, v int64, tags list<string>, ts timestamp" })\n'

local function by(options)
  return READ .. ':write("out/", { ' .. options .. " })"
end

describe("audit", function()
  it("is refused where rows cannot be held back until all have come", function()
    local audit = 'audit = "some = count() > 0"'
    refused('weir.generate { columns = "i = i" }:write("o.csv", { ' .. audit .. " })", "W203",
      "1:62", "`audit` is over all rows of a write, and this input never ends")
    refused(READ .. ':write("stdout:", { ' .. audit .. " })", "W203", "2:29",
      "`audit` of `write` is of files, sqlite, state and postgres: what is shown cannot "
        .. "be held back")
    refused(READ .. ':write("o.csv", { audit = "n = count()" })', "W107", "2:27",
      "audit `n` must be bool, this is int64")
    refused(READ .. ':write("o.csv", { audit = "n = nothing > 0" })', "W103", "2:32",
      "unknown column `nothing`")
  end)
end)

describe("partition_by", function()
  it("adds its columns for the files, and leaves the stream as it was", function()
    local t = test.new("x.lua", { text = READ
      .. ':write("out/", { partition_by = "k, big = v > 5", format = "csv" })'
      .. ':select "k, v":write(weir.file("rest.csv"))' })
    t:feed("in", { { k = "a", v = 9 } })
    t:finish()
    assert.same({ true }, { t:rows("out/")[1].big })
    assert.is_nil(t:rows("rest.csv")[1].big)
  end)
  it("is refused where there are no files, and where nothing would be left for them", function()
    refused(READ .. ':write("-", { partition_by = "k" })', "W203", "2:30",
      "`partition_by` is of files, and this is the standard output")
    refused(READ .. ':write("sqlite:o.db", { table = "t", partition_by = "k" })', "W203", "2:53",
      "`partition_by` is of files, and this is sqlite")
    refused(READ .. ':drop "tags":write("out/", { partition_by = "k, v, ts", format = "csv" })',
      "W203", "2:45",
      "`partition_by` takes all columns")
    refused(READ .. ':write("o*/", { partition_by = "k", format = "csv" })', "W401", "2:8",
      "`o*/` is no name of a directory")
  end)
  it("takes columns and named expressions, of one value each", function()
    refused(by 'partition_by = "kk", format = "csv"', "W103", "2:34", "unknown column `kk`")
    refused(by 'partition_by = "v + 1", format = "csv"', "W009", "2:34", "this item needs a name")
    refused(by 'partition_by = "v = k", format = "csv"', "W205", "2:34", "column `v` exists")
    refused(by 'partition_by = "tags", format = "csv"', "W104", "2:33",
      "`partition_by` cannot take list<string>")
    refused(by 'partition_by = function(e) return e.k end, format = "csv"', "W203", "2:33",
      "option `partition_by` of `write` must be a list")
  end)
  it("needs a format that can go on at any row", function()
    refused(by 'partition_by = "k"', "W402", "2:8", 'the format of "out/" is not known')
    refused(by 'partition_by = "k", format = "json"', "W203", "2:47",
      "format `json` cannot be partitioned")
    refused(by 'partition_by = "k", format = "table"', "W203", "2:47",
      "format `table` cannot be partitioned")
  end)
  it("has options of its own", function()
    refused(READ .. ':write("o.csv", { roll = { rows = 5 } })', "W203", "2:8",
      "`roll` writes files into a directory, and this is none")
    for roll, word in pairs { ['"1h"'] = "quiet", ['{ quiet = "1h" }'] = "quiet",
      ['{ every = "1h", rows = 5 }'] = "every" } do
      refused(READ .. (':write("out/", { roll = %s, format = "csv" })'):format(roll), "W301",
        "2:25", ("`%s` of `roll` is of event time, and there is none"):format(word))
    end
    refused(READ .. ':write("out/", { roll = { row = 3 }, format = "csv" })', "W202", "2:25",
      "unknown option `row` of `roll`")
    refused(READ .. ':write("out/", { roll = { rows = 0 }, format = "csv" })', "W203", "2:25",
      "`rows` of `roll` must be a whole number of at least 1, got the number 0")
    refused(READ .. ':write("out/", { roll = { size = "x" }, format = "csv" })', "W203", "2:25",
      "`size` of `roll` must be a size like \"64MB\"")
    refused(READ .. ':write("out/", { roll = { every = "1h" }, format = "csv" })', "W301", "2:25",
      "`every` of `roll` is of event time, and there is none")
    refused(READ .. ':write("o.csv", { success = true })', "W203", "2:29",
      "`success` of `write` is of partitions")
    refused(by 'partition_by = "k", format = "csv", mode = "upsert"', "W203", "2:61",
      "option `mode` of `write` to a file must be")
  end)
  it("writes to a directory of its own", function()
    refused(READ .. ':write("out/", { partition_by = "k", format = "csv" })'
      .. ':write("out", { partition_by = "v", format = "csv" })', "W410", "2:62",
      "`out` is written twice by this script")
    refused(READ .. ':write("out/", { partition_by = "k", format = "csv" })'
      .. ':write("out/k=a/part-00000.csv")', "W410", "2:62", "`out/k=a/part-00000.csv` is written")
  end)
end)
