-- Nexmark q3: who sells in one category, in three states? Either side may come first, so both are
-- kept for ever.
local p = weir.params "events int64 = 1000000, rate int64 = 10000, out string = 'blackhole:'"
local _, auction, person = weir.nexmark { events = p.events, rate = p.rate }

auction
  :filter "category == 10"
  :select "id, seller"
  :join(person:filter "state in ('OR', 'ID', 'CA')":select "id, name, city, state", {
    on = "seller == id", retain = "forever",
  })
  :select "name, city, state, id"
  :write "$out"
