-- A log that is still being written: requests by the minute, and those that come too late aside.
--
--   weir examples/live_requests.lua --state live.state     begins; it waits for more lines
--   Ctrl-C                                                 stops it, with a last checkpoint
--   weir examples/live_requests.lua --state live.state     goes on behind the last line it read
--
-- `kill -9` in the place of Ctrl-C does no harm either: each line is counted once, and each result
-- and each late line stands once in its file, a second after it came at the latest. Append lines to
-- the log meanwhile, and the windows go on. Which are still open says, when it is stopped,
-- `weir state show live.state agg`.
-- test: args --state live.state --until 150rows --drain
-- test: ignore live.state/*
weir.params "log string = 'examples/data/requests.ndjson'"

local requests = weir.read("$log", {
    follow = true,
    schema = "ts timestamp required, path string, status int64, ms int64",
  })
  -- Several workers write it, and some are behind by seconds: for so long a window waits for them.
  :event_time("ts", { max_delay = "10s" })

local minutes = requests
  :window(weir.tumbling "1m")
  :group_by "path"
  :agg [[
    requests = count()
    failed   = count(where status >= 500)
    median   = round(quantile(ms, 0.5))
  ]]
minutes:write("minutes.csv", { mode = "append" })

-- What every window refused, as it was read: to be counted by hand, or asked about.
minutes:late():write("late.ndjson", { mode = "append" })
