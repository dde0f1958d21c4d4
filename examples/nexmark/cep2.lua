-- Nexmark cep2: from each bid on, the longest run of bids of its bidder on an auction with an
-- average below 10,000.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid = weir.nexmark { events = p.events, rate = p.rate }

bid
  :group_by "auction, bidder"
  :match {
    pattern = "a+ b",
    define = "a = avg(a.price) < 10000",
    measures = [[
      start_time = first(a.dateTime), end_time = last(a.dateTime), avg_price = avg(a.price)
    ]],
    after = "next",
  }
  :write "$out"
