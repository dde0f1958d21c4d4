-- Which hours were the worst ones to fly from New York? Delays by airport and by hour of the
-- scheduled departure: all of them as rows of delays.db, the ten worst on the terminal.
-- test: args --format table
weir.params "data string = 'examples/data'" -- elsewhere: -p data=/where/the/data/is

local hours = weir.read("$data/flights-2013-*.csv.gz", { null = "NA" })
  :filter "dep_delay ~= nil"                -- the others were cancelled
  :derive "scheduled = time_hour + minute * duration'1m', late = dep_delay > 15"
  :event_time("scheduled", { max_delay = "1d" })
  :window(weir.tumbling "1h")
  :group_by "origin"
  :agg "flights = count(), late = count(where late), mean_delay = round(avg(dep_delay), 1)"

hours:write("sqlite:delays.db", { table = "delays" })
hours:filter "flights >= 10":sort "mean_delay desc":limit(10):print()
