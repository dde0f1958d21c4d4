-- Nexmark q19: the ten highest bids of each auction, so far.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid = weir.nexmark { events = p.events, rate = p.rate }

bid
  :group_by "auction"
  :emit "update"
  :top(10, "price desc", { rank = "rank_number" })
  :write("$out", { table = "q19", key = "auction, rank_number" })
