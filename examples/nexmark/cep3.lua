-- Nexmark cep3: within 5 s a bid, others that stay above 50 less, and one that falls below.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid = weir.nexmark { events = p.events, rate = p.rate }

bid
  :group_by "auction, bidder"
  :match {
    pattern = "a b* c",
    define = "b = price > a.price - 50, c = price < a.price - 50",
    measures = "last_price = a.price, drop_time = c.dateTime, drop_diff = a.price - c.price",
    within = "5s",
    after = "past last",
  }
  :write "$out"
