-- Nexmark q3: who sells in category 10, of three states; all pairs, however far apart in time.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local _, auction, person = weir.nexmark { events = p.events, rate = p.rate }

auction
  :filter "category == 10"
  :join(person:filter "state in ('OR', 'ID', 'CA')":select "id, name, city, state",
    { on = "seller == id", retain = "forever", prefix = "seller_" })
  :select "name = seller_name, city = seller_city, state = seller_state, id"
  :write "$out"
