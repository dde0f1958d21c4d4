-- Nexmark q6: the average price at which the last ten auctions of each seller ended, whenever one
-- of them ends.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid, auction = weir.nexmark { events = p.events, rate = p.rate }

auction
  :select "id, seller, dateTime, expires"
  :join(bid:select "auction, price", { on = "id == auction", within = { "dateTime", "expires" } })
  :group_by "id, seller"
  :emit("final", { at = "expires" })
  :agg "final = max(price)"
  :group_by "seller"
  :derive "avg_price = avg(final) over 10"
  :select "seller, avg_price"
  :write "$out"
