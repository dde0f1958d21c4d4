-- More keys than fit where little may be in memory: pages of tables rest in a scratch file.
local rows = weir.read("rows.ndjson", { schema = "k int64, name string, price float64, n int64" })
rows:group_by "k, name":agg "rows = count(), total = sum(price), names = count_distinct(name)"
  :write("sqlite:totals.db", { table = "totals" })
rows:group_by "k":emit "update"
  :agg "rows = count(), most = max(n), names = list(name order by n limit 3)"
  :write("sqlite:groups.db", { table = "groups" })
rows:distinct "n, name":write("seen.csv", { mode = "append" })
rows:group_by "name, n":top(1, "price desc")
  :write("sqlite:top.db", { table = "top", key = "name, n" })
-- Groups that come and go.
rows:group_by "k":emit "update":agg "most = max(n)"
  :group_by "most":emit "update":agg "keys = count()"
  :write("sqlite:most.db", { table = "most" })
