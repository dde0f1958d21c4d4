-- Nexmark q9: the winning bid of each auction, so far: the highest, of equal ones the first.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid, auction = weir.nexmark { events = p.events, rate = p.rate }

auction
  :join(bid:select "auction, bidder, price, dateTime, extra", {
    on = "id == auction", within = { "dateTime", "expires" }, prefix = "bid_",
  })
  :group_by "id"
  :emit "update"
  :top(1, "bid_price desc, bid_dateTime")
  :write("$out", { table = "q9", key = "id" })
