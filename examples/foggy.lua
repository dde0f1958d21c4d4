-- How long do flights wait when it is foggy? Each flight with the weather that held at its airport
-- when it should have left, and with its aircraft: by day, airport and carrier into foggy.db, by
-- how far one could see on the terminal.
-- test: args --format table
-- test: batch-rows 7 4096
weir.params "data string = 'examples/data'" -- elsewhere: -p data=/where/the/data/is

local weather = weir.read("$data/weather.csv.gz", { null = "NA" })
  :event_time("time_hour", { max_delay = "366d" }) -- the file is sorted by airport
  :select "origin, visib, wind_speed"
local planes = weir.read("$data/planes.csv.gz", { null = "NA" }):select "tailnum, built = year"

local flights = weir.read("$data/flights-2013-*.csv.gz", { null = "NA" })
  :event_time("scheduled = time_hour + minute * duration'1m'", { max_delay = "1d" })
  :asof_join(weather, { on = "origin", max_age = "3h" })
  :lookup(planes, { on = "tailnum" })

flights
  :window(weir.tumbling "1d")
  :group_by "origin, carrier"
  :agg [[
    flights   = count()
    cancelled = count(where dep_time == nil)
    delay     = avg(dep_delay)
    p90       = quantile(dep_delay, 0.9)
    foggy     = min(visib) < 1
    oldest    = min(built)
  ]]
  :write("sqlite:foggy.db", { table = "delays" })

flights
  :group_by "miles = case(visib < 1, 0, visib < 5, 1, visib < 10, 5, 10)"
  :agg [[
    flights    = count()
    cancelled  = round(100.0 * count(where dep_time == nil) / count(), 1)
    mean_delay = round(avg(dep_delay), 1)
    wind       = round(avg(wind_speed), 1)
  ]]
  :sort "miles"
  :print()
