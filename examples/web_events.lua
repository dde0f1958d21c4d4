-- What happens on a web site, in five minutes each: which pages, and how many different people.
-- The events are NDJSON and out of order; ./make_events.lua makes them.
-- test: args --format table
weir.params "data string = 'examples/data'"

local events = weir.read("$data/web_events.ndjson.gz", {
    schema = "ts timestamp required, user string, page string, country string, ms int64",
  })
  -- They travel up to a minute: wait for so long, and no event is late.
  :event_time("ts", { max_delay = "65s" })

-- One pass over the file feeds both: a branch is a local variable.
local pages = events
  :window(weir.tumbling "5m")
  :group_by "page"
  :agg [[
    views  = count()
    users  = count_distinct(user)
    german = round(count(where country == 'DE') / count(), 2)
    slow   = round(quantile(ms, 0.95))
  ]]
pages
  :select "window_start, page, views, users, german, slow"
  :sort "window_start, views desc"
  :print()

-- Windows may overlap: at each half minute, who paid in the two minutes before?
events
  :filter "page == '/paid'"
  :window(weir.hopping("2m", { every = "30s" }))
  :agg "paid = count(), buyers = list(user)"
  :select "before = window_end, paid, buyers"
  :write "paid.csv"
