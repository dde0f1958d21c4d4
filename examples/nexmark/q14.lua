-- Nexmark q14: a filter, a calculation, and a function of our own, in Lua.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local bid = weir.nexmark { events = p.events, rate = p.rate }

weir.def("count_c(text string) int64", function(text)
  local _, count = text:gsub("c", "")
  return count
end)

bid
  :derive "price = price * decimal'0.908', h = hour(dateTime)"
  :filter "price > decimal'1000000' and price < decimal'50000000'"
  :select [[
    auction, bidder, price
    bidTimeType = case(h >= 8 and h <= 18, 'dayTime', h <= 6 or h >= 20, 'nightTime', 'otherTime'),
    dateTime, extra
    c_counts = count_c(extra)
  ]]
  :write "$out"
