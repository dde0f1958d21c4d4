-- test: args --max-bad 0
-- test: exit 4
-- A bad row behind `sort` and `limit` counts the same wherever the run is stopped (restarts.py).
weir.read("in.csv", { schema = "a int64, b int64" }):sort "a":limit(2):write "out.csv"
