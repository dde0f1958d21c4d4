-- Nexmark q4: the average of the final prices of each category, as they are known so far.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid, auction = weir.nexmark { events = p.events, rate = p.rate }

auction
  :join(bid:select "auction, price", { on = "id == auction", within = { "dateTime", "expires" } })
  :group_by "id, category"
  :emit "update"
  :agg "final = max(price)"
  :group_by "category"
  :agg "avg = floor(avg(final))"
  :write("$out", { table = "q4", key = "category" })
