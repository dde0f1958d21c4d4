-- Nexmark q12: how many bids each person makes in ten seconds of the machine's clock.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid = weir.nexmark { events = p.events, rate = p.rate }

bid
  :processing_time "at"
  :window(weir.tumbling "10s")
  :group_by "bidder"
  :agg "bid_count = count()"
  :select "bidder, bid_count, starttime = window_start, endtime = window_end"
  :write "$out"
