-- Nexmark q21: the number of a channel, known or from its address. A bid that has none is left out.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid = weir.nexmark { events = p.events, rate = p.rate }

bid
  :select [[
    auction, bidder, price, channel
    channel_id = case(
      lower(channel) == 'apple', '0', lower(channel) == 'google', '1',
      lower(channel) == 'facebook', '2', lower(channel) == 'baidu', '3',
      regex_find(url, '(?:&|^)channel_id=([^&]*)', 1))
  ]]
  :filter "channel_id ~= nil"
  :write "$out"
