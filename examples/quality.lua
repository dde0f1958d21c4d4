-- How good is the data? Expectations say what a row should be; what they find is data again, and is
-- counted, shown and kept like anything else.
-- test: args --format table
weir.params "data string = 'examples/data'"

local planes = weir.read("$data/planes.csv.gz", {
    schema = "tailnum string key, year int64, manufacturer string, engines int64, seats int64",
    null = "NA",
  })
  -- "reject" (the default) takes a row that breaks one of these out of the stream, with the name of
  -- what it broke. "warn" only counts it, "fail" ends the run.
  :expect [[
    has_year = year ~= nil
    believed = year == nil or year >= 1960
    engines  = engines in (1, 2, 3, 4)
  ]]
  :expect("seated = seats < 400", { on_fail = "warn" })
planes:select "tailnum, year, manufacturer, seats":write "good_planes.csv"

-- The rejected rows are a stream: `reason` is the name of the expectation, `row` the row as JSON.
local bad = planes:rejects()
bad
  :group_by "reason"
  :agg "planes = count(), example = first(string(row.tailnum))"
  :sort "planes desc"
  :print()
bad:write "bad_planes.ndjson"

-- A second kind of question: what is missing on the other side? how = "anti" keeps the flights
-- whose aircraft is not in the list.
weir.read("$data/flights-2013-*.csv.gz", { null = "NA" })
  :filter "tailnum ~= nil"
  :lookup(weir.read("$data/planes.csv.gz", { null = "NA" }), { on = "tailnum", how = "anti" })
  :group_by "carrier"
  :agg "flights = count(), aircraft = count_distinct(tailnum)"
  :sort "flights desc"
  :print()
