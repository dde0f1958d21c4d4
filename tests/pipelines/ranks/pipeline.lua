-- The first rows of groups, one row a key, tables of versions: as they change, when a window ends,
-- at the end; of rows that stay and of a changelog. Any batch size gives the same bytes.
local s = weir.read("in.csv", { schema = "k string, v int64, f float64, ts timestamp" })
  :event_time("ts", { max_delay = "5s" })
local every = weir.tumbling "10s"
local over = weir.hopping("10s", { every = "5s" })

local function changes(stream, file)
  stream:changes { before = true }:write(file)
end

s:group_by "k":top(2, "v desc"):write "final.csv"
s:group_by "k":top(2, "v desc", { ties = true, rank = "place" }):write "ties.csv"
changes(s:group_by "k":emit "update":top(2, "v desc"), "update.csv")
changes(s:group_by "k":emit "update":top(3, "v desc", { rank = "place" }), "update_rank.csv")
changes(s:group_by "k":emit "update":top(1, "v"), "update_one.csv")
changes(s:group_by "k":emit "update":top(2, "f desc", { ties = true, rank = "place" }),
  "update_ties.csv")
s:window(every):group_by "k":top(2, "v", { rank = "place" }):write "window.csv"
s:window(over):group_by "low = lower(k)":top(1, "v * 2 desc, k"):write "hopping.csv"
changes(s:window(every, { allowed_lateness = "10s" }):group_by "k":top(2, "v desc"), "late.csv")
changes(s:window(over):emit "update":top(2, "v desc", { rank = "place" }), "window_update.csv")

local counts = s:window(every):group_by "k":agg "n = count(), total = sum(v)"
counts:group_by "window_end":top(2, "n desc, k", { rank = "place" }):write "best_of_window.csv"
local running = s:group_by "k":emit "update":agg "n = count(), total = sum(v)"
changes(running:group_by():top(2, "total desc"), "running.csv")
changes(running:group_by():top(3, "n desc", { rank = "place" }), "running_rank.csv")
changes(running:group_by "n":top(1, "total desc", { ties = true }), "running_ties.csv")
running:group_by():emit "final":top(3, "total desc", { rank = "place" }):write "running_final.csv"
changes(running:dedup("n", { keep = "last" }), "running_last.csv")
changes(running:dedup "n", "running_any.csv")
changes(running:distinct "n", "running_distinct.csv")
running:group_by():top(2, "total desc"):agg "rows = count(), total = sum(total)":changes()
  :write "running_agg.csv"

s:dedup "k":write "any.csv"
s:dedup("k", { within = "10s" }):write "within.csv"
s:dedup("k", { keep = "first" }):write "first.csv"
s:dedup("k", { keep = "last" }):write "last.csv"
changes(s:emit "update":dedup("k", { keep = "first" }), "first_update.csv")
changes(s:emit "update":dedup("k", { keep = "last" }), "last_update.csv")
s:window(every):dedup("k", { keep = "last" }):write "last_window.csv"
s:window(over):dedup "k":write "any_window.csv"
s:window(over):distinct "k":write "distinct_window.csv"
s:window(every):group_by "k":agg "n = count()":distinct "n, window_end":write "distinct_end.csv"
changes(s:as_table "k", "table.csv")
changes(s:as_table("k", { version = "v", delete = "f < 0" }), "table_version.csv")
local newest = s:drop "f":as_table("k", { version = "v" })
newest:write("sqlite:out.db", { table = "newest" })
changes(newest, "newest.csv") -- without which the table would see what a batch changed, not a row
s:window(every):group_by "k":top(2, "v"):late():write "late_rows.csv"
s:rejects():write "rejects.csv"
