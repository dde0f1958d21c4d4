-- Nexmark q8: who came and sold within the same ten seconds?
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local _, auction, person = weir.nexmark { events = p.events, rate = p.rate }

person
  :window(weir.tumbling "10s")
  :join(auction, { on = "id == seller", how = "semi" })
  :select "id, name, starttime = window_start"
  :write "$out"
