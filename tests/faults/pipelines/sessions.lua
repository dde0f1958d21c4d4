-- Sessions of users from a compressed CSV, into a compressed CSV and a table.
local clicks = weir.read("clicks.csv.gz", {
    schema = "user string, page string, ts timestamp, ms int64",
  })
  :event_time("ts", { max_delay = "10s" })
local sessions = clicks:window(weir.session "15s"):group_by "user"
  :agg "clicks = count(), pages = string_agg(page, ' '), slow = max(ms)"
sessions:write "sessions.csv.gz"
sessions:write("sqlite:out.db", { table = "sessions", mode = "append" })
