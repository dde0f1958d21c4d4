-- Nexmark q11: how many bids a person makes in a session, which ends with ten seconds of silence.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid = weir.nexmark { events = p.events, rate = p.rate }

bid
  :window(weir.session "10s")
  :group_by "bidder"
  :agg "bid_count = count()"
  :select "bidder, bid_count, starttime = window_start, endtime = window_end"
  :write "$out"
