-- Nexmark q17: the bids of each auction and day, so far.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid = weir.nexmark { events = p.events, rate = p.rate }

bid
  :group_by "auction, day = date(dateTime)"
  :emit "update"
  :agg [[
    total_bids = count()
    rank1_bids = count(where price < 10000)
    rank2_bids = count(where price >= 10000 and price < 1000000)
    rank3_bids = count(where price >= 1000000)
    min_price = min(price)
    max_price = max(price)
    avg_price = floor(avg(price))
    sum_price = sum(price)
  ]]
  :write("$out", { table = "q17" })
