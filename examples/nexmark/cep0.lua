-- Nexmark cep0: where the bids of a bidder on an auction go down and then up again, as a V.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid = weir.nexmark { events = p.events, rate = p.rate }

bid
  :group_by "auction, bidder"
  :match {
    pattern = "start down+ up+",
    define = "down = price < lag(price), up = price > lag(price)",
    measures = [[
      start_time  = start.dateTime, bottom_time = last(down.dateTime), end_time = last(up.dateTime)
      start_price = start.price, bottom_price = last(down.price), end_price = last(up.price)
    ]],
    after = "last up",
  }
  :write "$out"
