-- Joins and lookups of more rows than fit where little may be in memory: rows rest in a scratch
-- file, are met there, and are taken back.
local schema = "k int64, name string, price float64, n int64"
local rows, others = weir.read("rows.ndjson", { schema = schema }),
  weir.read("rows.ndjson", { schema = schema })
rows:join(others, { on = "k == n", prefix = "o_", how = "full" }):select "k, name, o_name, o_k"
  :write("full.csv", { mode = "append" })
rows:join(others, { on = "name", prefix = "o_", how = "anti",
    where = "o_n > n and o_price < price" })
  :select "n, name":write("anti.csv", { mode = "append" })
-- Tables that do not fit: one with several rows of a key, one whose rows are the only ones.
rows:filter "n < 100":lookup(others, { on = "name", prefix = "o_", many = true })
  :select "n, o_n, o_k":write("looked_up.csv", { mode = "append" })
rows:lookup(others:group_by "n":agg "least = min(k), names = list(name order by name limit 2)", {
    on = "k == n", prefix = "g_",
  })
  :select "n, g_least, g_names":write("grouped.csv", { mode = "append" })
rows:lookup(others:select "name, k", { on = "name, n == k", how = "anti", many = true })
  :select "n":write "unknown.csv"
-- Groups that come and go on both sides.
local most = rows:group_by "k":emit "update"
  :agg "most = max(n), names = list(name order by n limit 2)"
local least = others:group_by "n":emit "update":agg "least = min(k)"
most:join(least, { on = "k == n", prefix = "l_", how = "left" })
  :write("sqlite:pairs.db", { table = "pairs", key = "k" })
