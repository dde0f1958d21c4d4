-- Changelogs of which rows come and go soon, into tables by key: what a life wrote that the state
-- never heard of is taken back, in a table with columns of others too, and in those beside.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64",
  })
local near = orders:derive "at = minute(ts) * 12 + second(ts) // 5":group_by "at":emit "update"
  :agg "n = count(), total = sum(amount)":filter "n % 2 == 1"
near:write("sqlite:out.db", { table = "here" })
near:write("sqlite:out.db", { table = "whole", mode = "replace" })
near:write("sqlite:out.db", { table = "kept", audit = "some = count() >= 0" })
orders:group_by "item, user":emit "update":agg "n = count(), last = max(ts)":filter "n % 3 == 1"
  :write("sqlite:noted.db", { table = "items" })
