-- The first half of Nexmark q6: the price that each auction ended at, once no bid may still come.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid, auction = weir.nexmark { events = p.events, rate = p.rate }
local price = bid:select "auction, price"

auction:select "id, seller, dateTime, expires"
  :join(price, { on = "id == auction", within = { "dateTime", "expires" } })
  :group_by "id, seller":emit("final", { at = "expires" })
  :agg "final = max(price)":write "$out"
