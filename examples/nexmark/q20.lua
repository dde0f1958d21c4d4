-- Nexmark q20: bids for auctions of one category, with all that is known of the auction.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid, auction = weir.nexmark { events = p.events, rate = p.rate }

bid
  :join(auction:filter "category == 10", {
    on = "auction == id", prefix = "auction_", retain = "forever",
  })
  :write "$out"
