-- Nexmark q22: the directories of the address.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid = weir.nexmark { events = p.events, rate = p.rate }

bid
  :select [[
    auction, bidder, price, channel
    dir1 = split_part(url, '/', 4), dir2 = split_part(url, '/', 5), dir3 = split_part(url, '/', 6)
  ]]
  :write "$out"
