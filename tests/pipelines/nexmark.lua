-- The three streams of one `weir.nexmark` are in one order where they meet: that of time, and of
-- the number of the event where times are equal. Events that change places are the same events.
local bid, auction, person = weir.nexmark { events = 400, rate = 1000 }
bid:derive("event = _event"):write "bid.ndjson"
auction:derive("event = _event"):limit(20):write "auction.ndjson"
person:derive("event = _event"):write "person.ndjson"

local _, fast_auction, fast_person = weir.nexmark { events = 400, rate = 20000 }
fast_auction
  :select "event = _event, id, at = dateTime"
  :union(fast_person:select "event = _event, id, at = dateTime")
  :write "both.csv"

local mixed = weir.nexmark { events = 400, rate = 1000, disorder = 64, max_delay = "5ms" }
mixed:select "event = _event, dateTime, auction, price":write "disorder.csv"
local windows = mixed
  :window(weir.hopping("100ms", { every = "20ms" }))
  :agg "n = count(), price = max(price), first = first(price)"
windows:write "windows.csv"
windows:late():write "late.csv"

-- Batches are cut where the times of the source pass those of a stage.
mixed
  :group_by "price_class = case(price < 10000, 1, price < 1000000, 2, 3)"
  :emit("update", { every = "50ms" })
  :agg "n = count(), last = last(auction)"
  :changes()
  :write "changes.csv"
local meeting = weir.nexmark { events = 400, rate = 1000, disorder = 64 }
meeting
  :event_time "dateTime" -- which knows nothing of places that are changed: rows are behind
  :select "auction, price"
  :window(weir.tumbling "40ms", { allowed_lateness = "30ms" })
  :agg "n = count(), price = max(price)"
  :changes()
  :write "lateness.csv"
