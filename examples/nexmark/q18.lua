-- Nexmark q18: the last bid of each person for each auction, so far.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid = weir.nexmark { events = p.events, rate = p.rate }

bid
  :emit "update"
  :dedup("bidder, auction", { keep = "last" })
  :write("$out", { table = "q18", key = "bidder, auction" })
