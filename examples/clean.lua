-- The raw flights made into a file that others like to read: NDJSON with types, real nulls, one
-- point in time for each thing that happened. Rows that cannot be believed go into a second file,
-- each with the reason and the place that it came from.
-- test: args --limit 500
weir.params "data string = 'examples/data'"

local flights = weir.read("$data/flights-2013-*.csv.gz", {
    -- Read by name from the header; columns that are not named here are told, once. A value that
    -- does not fit its type rejects its row (W502): it never becomes a zero, or nil.
    schema = [[
      carrier string required, flight int64 required, tailnum string
      origin string required, dest string required
      time_hour timestamp required, minute int64 required
      dep_delay int64, arr_delay int64, air_time int64, distance int64
    ]],
    null = "NA",
  })
  :derive [[
    scheduled = time_hour + minute * duration'1m'
    departed  = scheduled + dep_delay * duration'1m'   -- nil passes through: a cancelled flight
    cancelled = dep_delay == nil                       -- has no departure
    air_time  = air_time * duration'1m'                -- replaced in its place
    km        = round(distance * 1.609344, 1)
  ]]
  :expect [[
    has_aircraft = cancelled or tailnum ~= nil
    plausible    = cancelled or dep_delay < 600        -- who waits ten hours for an aircraft?
  ]]
  :select "scheduled, departed, cancelled, carrier, flight, tailnum, origin, dest, air_time, km"

flights:write "flights.ndjson"            -- appears under this name when it is complete
flights:rejects():write "doubtful.ndjson" -- of all stages above: why, where, and the raw bytes
