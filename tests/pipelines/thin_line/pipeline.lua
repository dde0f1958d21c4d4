-- The thin line through every room: CSV, filter, event time, window, group and three kinds of sink,
-- with one reject of each kind: a value that cannot be read, a late row, an expression that failed.
-- test: args --rejects rejects.ndjson
local flights = weir.read("flights.csv", { schema = [[
    at       timestamp
    carrier  string
    delay    int64
    seats    int64
  ]] })
  :filter "carrier ~= 'ZZ'"
  :derive "share = delay // seats"
  :event_time("at", { max_delay = "10m" })

local by_hour = flights
  :window(weir.tumbling "1h")
  :group_by "carrier"
  :agg "flights = count(), mean = avg(delay), worst = max(delay)"

by_hour:print()
by_hour:write("delays.csv")
by_hour:write("sqlite:delays.db", { table = "delays", key = "window_start, carrier" })
