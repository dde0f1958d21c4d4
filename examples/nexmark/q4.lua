-- Nexmark q4: the average price that auctions of a category end at, so far. A better bid changes
-- the price of its auction, and so the average.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid, auction = weir.nexmark { events = p.events, rate = p.rate }

auction
  :select "id, category, dateTime, expires"
  :join(bid:select "auction, price", { on = "id == auction", within = { "dateTime", "expires" } })
  :group_by "id, category"
  :emit "update"
  :agg "final = max(price)"
  :group_by "category"
  :agg "avg = floor(avg(final))"
  :write("$out", { table = "q4" })
