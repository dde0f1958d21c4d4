-- Nexmark q16: what q15 counts, of each channel, and the last minute with a bid.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid = weir.nexmark { events = p.events, rate = p.rate }

bid
  :derive "rank = case(price < 10000, 1, price < 1000000, 2, 3)"
  :group_by "channel, day = date(dateTime)"
  :emit "update"
  :agg [[
    minute = max(format_time(dateTime, '%H:%M'))
    total_bids = count()
    rank1_bids = count(where rank == 1)
    rank2_bids = count(where rank == 2)
    rank3_bids = count(where rank == 3)
    total_bidders = count_distinct(bidder)
    rank1_bidders = count_distinct(bidder where rank == 1)
    rank2_bidders = count_distinct(bidder where rank == 2)
    rank3_bidders = count_distinct(bidder where rank == 3)
    total_auctions = count_distinct(auction)
    rank1_auctions = count_distinct(auction where rank == 1)
    rank2_auctions = count_distinct(auction where rank == 2)
    rank3_auctions = count_distinct(auction where rank == 3)
  ]]
  :write("$out", { table = "q16" })
