-- Rows of yesterday that come today: what a stream does about them, and how you see it.
--
-- The flights lie in the order in which they *left*. A flight of 23:59 that left at 00:04 stands at
-- the top of its scheduled day: seen by schedule, the file leaps a day ahead there, and everything
-- behind it is old. How long to wait for it, `max_delay` says: the frontier is the newest time
-- seen, less `max_delay`. A window that ends before it is complete: its result leaves, and a row
-- that comes for it afterwards is late.
--
-- 3 hours are too few for this file, so that there is something to see: of 26,483 flights, 15,385
-- come too late. With `-p wait=1d` none does.
-- test: args --format table
local p = weir.params "data string = 'examples/data', wait duration = '3h'"

local departed = weir.read("$data/flights-2013-*.csv.gz", { null = "NA" })
  :filter "dep_delay ~= nil"
  :event_time("scheduled = time_hour + minute * duration'1m'", { max_delay = p.wait })

local hourly = departed
  :window(weir.tumbling "1h")
  :group_by "carrier"
  :agg "flights = count(), mean_delay = round(avg(dep_delay), 1)"
hourly:write "delays_by_hour.csv"

-- `late()` is a stream like any other: the rows that the last timed stage before it (here `agg`)
-- refused, with the columns that they had when they came to it.
local late = hourly:late()
late
  :group_by "carrier"
  :agg "late_rows = count(), oldest = min(scheduled), mean_delay = round(avg(dep_delay), 1)"
  :sort "late_rows desc, carrier"
  :print()
