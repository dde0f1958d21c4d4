-- Where do they fly, and with how many different aircraft? A second file gives the airports' names.
-- test: args --format md
local p = weir.params "data string = 'examples/data', top int64 = 15"

-- A lookup reads its table whole first, so it should be the smaller side: here 1,458 airports.
local airports = weir.read("$data/airports.csv.gz", { null = "NA" })
  :select "faa, name, tzone"

local destinations = weir.read("$data/flights-2013-*.csv.gz", { null = "NA" })
  :filter "air_time ~= nil"                        -- those that arrived
  :group_by "dest"
  :agg [[
    flights  = count()
    aircraft = count_distinct(tailnum)
    busiest  = mode(carrier)
    hours    = round(sum(air_time) / 60)
  ]]
  -- Behind `agg` there is one row a destination, so 94 rows are looked up and not 26,000.
  :lookup(airports, { on = "dest == faa" })        -- left of `==` is the stream, right the table
  -- A lookup keeps rows that find nothing (how = "inner" drops them). `??` says what then.
  :derive "name = name ?? '(not in airports.csv.gz)'"

destinations
  :sort "aircraft desc, dest"
  :limit(p.top)
  :print()
destinations:filter "tzone == nil":select "dest, flights":write "nameless.csv"
