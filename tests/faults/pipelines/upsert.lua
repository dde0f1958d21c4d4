-- A changelog into a SQLite file of its own: totals that change with each row, and rows that go.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
local users = orders:group_by "user":emit "update":agg "n = count(), total = sum(amount)"
users:write("sqlite:out.db", { table = "totals" })
users:filter "n % 3 > 0":write("sqlite:out.db", { table = "twice" })
-- Groups of groups: those that have no row any more are deleted from the state.
users:group_by "rest = total % 5":agg "users = count(), n = sum(n)":changes():write "groups.csv"
