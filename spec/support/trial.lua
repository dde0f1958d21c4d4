--- The scripts that the language was tried on: every one is valid Lua, and each of its strings
--- reads. In the order of the language's definition.
return {
  [==[
-- U1 personalisation: features per user, served fresh
weir.read("kafka://broker:9092/clicks", {
  schema = "user string, item string, category string, ts timestamp(ms)",
})
  :event_time("ts", { max_delay = "30s" })
  :group_by "user"
  :derive([[
    clicks_1h = count() over '1h'
    items_1d  = count_distinct(item) over '1d'
    favourite = mode(category) over '7d'
  ]], { order = "arrival" })
  :write(weir.features("user_clicks", { entity = "user", ttl = "7d", freshness = "5s" }))
]==],
  [==[
-- U2 reconciliation: ledger (CDC) against bank files; an open difference is a row until it is
-- settled
local ledger = weir.read(weir.postgres("ledger-db/finance", {
  cdc = "payments", password = weir.secret "ledger",
}))
local bank = weir.read("bank/*.csv", {
  schema = "ref string required, amount decimal(18,2), booked timestamp",
})
  :as_table "ref"
ledger
  :join(bank, { on = "ref", how = "full", prefix = "bank_" })
  :filter "amount ~= bank_amount"
  :derive [[reason = case(amount == nil, 'not in ledger', bank_amount == nil, 'not at bank',
    'amounts differ')]]
  :write("sqlite:recon.db", { table = "breaks" })
]==],
  [==[
-- U3 fraud: features at event time, a scoring hook, alerts
weir.def("risk(n int64, ratio float64, moved bool) float64", function(n, ratio, moved)
  local z = 0.3 * n + 0.8 * ratio + (moved and 2 or 0) - 5
  return 1 / (1 + math.exp(-z))
end)
weir.read "kafka://broker:9092/payments"
  :event_time("ts", { max_delay = "10s" })
  :group_by "card"
  :derive([[
    n_10m = count() over '10m'
    ratio = amount / avg(amount) over '30d'
    moved = country ~= lag(country) and ts - lag(ts) < duration'1h'
    score = risk(n_10m, ratio, moved)
  ]], { order = "arrival" })
  :filter("score > $alert", { alert = 0.9 })
  :write("kafka://broker:9092/alerts", { key = "card" })
]==],
  [==[
-- U4, U10 data product in a lakehouse: three formats, one schema, one governed table
local orders = weir.schema [[
    id int64 key, user string @pii(id), amount decimal(18,2) required,
    items list<struct<sku string, qty int64>>, ts timestamp required
]]
local product = weir.dataset("orders", "lake:shop.lake/orders", {
  owner = "shop", contract = "orders.odcs.yaml",
})
local csv = weir.read("in/*.csv", { schema = orders, delimiter = ";" })
local json = weir.read("in/*.ndjson", { schema = orders })
local avro = weir.read("kafka://broker:9092/orders", { schema = orders, format = "avro" })
csv:union(json, avro):write(product, { partition_by = "day = date(ts)" })
]==],
  [==[
-- U5 dashboard: an incremental aggregate, queryable with its freshness
weir.read "kafka://broker:9092/orders"
  :event_time("ts", { max_delay = "1m" })
  :window(weir.calendar("day", { timezone = "Europe/Berlin" }))
  :group_by "country"
  :emit("update", { every = "10s" })
  :agg "orders = count(), revenue = sum(amount), buyers = approx_count_distinct(user)"
  :write(weir.view("revenue_today", { freshness = "30s" }))
]==],
  [==[
-- U6 training set: pinned snapshot, point-in-time join, the same bytes when run again
local p = weir.params "snapshot int64 = 42, out string = 'train.parquet'"
weir.read(weir.lake("shop.lake/labels", { snapshot = p.snapshot }))
  :event_time "labelled_at"
  :asof_join(weir.read(weir.features "user_clicks"), {
    on = "user", before = true, max_age = "30d",
  })
  :sort "user, labelled_at"
  :write "$out"
]==],
  [==[
-- U7 IoT: intermittent devices, duplicates, gaps; the edge box buffers on disk
weir.settings { state = "edge.state", checkpoint = "1s", memory = "64MB" }
weir.read("mqtt://gateway/+/metrics", {
  schema = "device string, seq int64, temp float64, ts timestamp(ms)",
})
  :event_time("ts", { max_delay = "2m", idle = "30s" })
  :dedup("device, seq", { within = "1h" })
  :window(weir.tumbling "1m", { allowed_lateness = "1h" })
  :group_by "device"
  :agg "n = count(), temp = avg(temp), hottest = max(temp)"
  :fill("n = 0, temp = previous(temp)", { stop_after = "10m" })
  :write("https://cloud.example/ingest", { key = "device, window_start" })
]==],
  [==[
-- U8 audit: what changed in the books since the figure was published, and by whom
local published = weir.read(weir.lake("books.lake/postings", { as_of = "2024-03-31T00:00:00Z" }))
weir.read "lake:books.lake/postings"
  :join(published:select "posting, amount", { on = "posting", how = "left", prefix = "published_" })
  :filter "amount ~= published_amount"
  :write "audit/changes.csv"
]==],
  [==[
-- S1 user events: exactly once, sub-second, kill -9 at any time
weir.settings { state = "events.state", checkpoint = "100ms" }
local events = weir.read "kafka://broker:9092/events"
  :event_time("ts", { max_delay = "2s" })
  :dedup("event_id", { within = "10m" })
events:write(weir.postgres("warehouse/app", { table = "events", password = weir.secret "wh" }))
events:rejects():write "kafka://broker:9092/events.rejects"
]==],
  [==[
-- S2 nightly ETL: waits for its file, publishes only what passes its checks
weir.schedule { cron = "0 5 * * *", timezone = "Europe/Berlin", deadline = "07:00", retries = 3 }
weir.params "day date"
weir.read("landing/sales_$day.csv", { wait = "1h" })
  :expect "known_store = store ~= nil, positive = amount > 0"
  :group_by "day = $day, store"
  :agg "sales = sum(amount), receipts = count()"
  :write("lake:dw.lake/daily_sales", { audit = "stores = count() >= 400, money = sum(sales) > 0" })
]==],
  [==[
-- S3 outage: a range and its rejected rows again, through the mended code, into the same keyed
-- table
local p = weir.params "from timestamp, to timestamp"
local missed = weir.read("kafka://broker:9092/orders", { start = p.from, stop = p.to })
local failed = weir.read("rejects.ndjson", { replay = true, schema = missed.schema })
missed:union(failed):pipe(require "clean".orders):write("sqlite:orders.db", {
  table = "orders", key = "id",
})
]==],
  [==[
-- S5 feature store: drift against the training month, as a check that can page
weir.read(weir.features "user_clicks")
  :window(weir.calendar "day")
  :agg [[feature = 'clicks_1h', mean = avg(clicks_1h),
    missing = count(where clicks_1h == nil) / count()]]
  :lookup(weir.read "train_stats.csv", { on = "feature", prefix = "train_" })
  :expect("no_drift = abs(mean - train_mean) < 3 * train_sd, present = missing < 0.05", {
    on_fail = "warn",
  })
  :write("sqlite:quality.db", { table = "drift" })
]==],
  [==[
-- Nexmark; each ends with :write "blackhole:"
local bid, auction, person = weir.nexmark { events = 1000000 }
-- q0
bid:select "auction, bidder, price, dateTime, extra"
-- q4
auction
  :join(bid:select "auction, price", { on = "id == auction", within = { "dateTime", "expires" } })
  :group_by "id, category"
  :emit "update"
  :agg "final = max(price)"
  :group_by "category"
  :agg "avg = floor(avg(final))"
-- q5
bid
  :window(weir.hopping("10s", { every = "2s" }))
  :group_by "auction"
  :agg "num = count()"
  :group_by "window_end"
  :top(1, "num desc", { ties = true })
  :select "auction, num"
-- q6
auction
  :join(bid:select "auction, price", { on = "id == auction", within = { "dateTime", "expires" } })
  :group_by "id, seller"
  :emit("final", { at = "expires" })
  :agg "final = max(price)"
  :group_by "seller"
  :derive "avg_price = avg(final) over 10"
  :select "seller, avg_price"
-- q7
bid:window(weir.tumbling "10s")
  :agg "price = max(price)"
  :join(bid, { on = "price", within = { "window_start", "window_end" } })
  :select "auction, price, bidder, dateTime, extra"
-- q8
person
  :window(weir.tumbling "10s")
  :join(auction, { on = "id == seller", how = "semi" })
  :select "id, name, starttime = window_start"
-- q9
auction
  :join(bid, { on = "id == auction", within = { "dateTime", "expires" }, prefix = "bid_" })
  :group_by "id"
  :emit "update"
  :top(1, "bid_price desc, bid_dateTime")
-- q13
bid
  :lookup(weir.read("side.csv", { schema = "key int64, value string" }), {
    on = "auction % 10000 == key",
  })
  :select "auction, bidder, price, dateTime, value"
-- q15
bid
  :derive "rank = case(price < 10000, 1, price < 1000000, 2, 3)"
  :group_by "day = date(dateTime)"
  :emit "update"
  :agg [[
    total_bids = count(), total_bidders = count_distinct(bidder),
    total_auctions = count_distinct(auction)
    rank1_bids = count(where rank == 1), rank2_bids = count(where rank == 2),
    rank3_bids = count(where rank == 3)
    rank1_bidders = count_distinct(bidder where rank == 1),
    rank1_auctions = count_distinct(auction where rank == 1)
    rank2_bidders = count_distinct(bidder where rank == 2),
    rank2_auctions = count_distinct(auction where rank == 2)
    rank3_bidders = count_distinct(bidder where rank == 3),
    rank3_auctions = count_distinct(auction where rank == 3)
  ]]
-- q18, q19, q20
bid:emit "update":dedup("bidder, auction", { keep = "last" })
bid:group_by "auction":emit "update":top(10, "price desc", { rank = "rank_number" })
bid:join(auction:filter "category == 10", {
  on = "auction == id", prefix = "auction_", retain = "forever",
})
-- cep0
bid
  :group_by "auction, bidder"
  :match {
    pattern = "start down+ up+",
    define = "down = price < lag(price), up = price > lag(price)",
    measures = "from_price = start.price, bottom = last(down.price), to_price = last(up.price)",
    after = "last up",
  }
]==],
  [==[
-- Flights: delays by hour, origin and carrier, with the weather valid at the scheduled departure
local weather = weir.read("weather.csv.gz", { null = "NA" })
  :event_time("time_hour", { max_delay = "366d" })   -- the file is sorted by origin
  :select "origin, visib, wind_speed"
local planes = weir.read("planes.csv.gz", { null = "NA" }):select "tailnum, model, built = year"
local flights = weir.read("flights-2013-*.csv.gz", { null = "NA" })
  :event_time("scheduled = time_hour + minute * duration'1m'", { max_delay = "1d" })
  :asof_join(weather, { on = "origin", max_age = "3h" })
  :lookup(planes, { on = "tailnum" })
local hourly = flights
  :window(weir.tumbling "1h")
  :group_by "origin, carrier"
  :agg [[
    flights   = count()
    cancelled = count(where dep_time == nil)
    delay     = avg(dep_delay)
    p90       = quantile(dep_delay, 0.9)
    foggy     = min(visib) < 1
    oldest    = min(built)
  ]]
hourly:write("sqlite:delays.db", { table = "delays" })
hourly:late():group_by "carrier":agg "late = count()":print()
]==],
  [==[
-- CDC: mirror a table, keep its history (SCD type 2), count it live
local customers = weir.read("kafka://broker:9092/shop.public.customers", { format = "debezium" })
customers:write("sqlite:mirror.db", { table = "customers" })
customers
  :changes()
  :group_by "id"
  :emit "update"
  :derive "valid_from = updated_at, valid_to = lead(updated_at)"
  :filter "op ~= 'delete'"
  :write("sqlite:mirror.db", { table = "customers_history", key = "id, valid_from" })
customers:group_by "country":agg "n = count()":write "view:customers_by_country"
]==],
  [==[
-- Sessions, and how far each one came
weir.read "events.ndjson"
  :event_time("ts", { max_delay = "1m" })
  :window(weir.session("30m", { max = "12h" }))
  :group_by "user"
  :agg [[
    pages   = count(where event == 'view')
    reached = funnel(event == 'view', event == 'cart', event == 'checkout', event == 'paid')
    landing = first(url)
    spent   = sum(amount where event == 'paid') ?? 0
  ]]
  :group_by "day = date(window_start), reached"
  :agg "sessions = count(), spent = sum(spent)"
  :write "funnel.csv"
]==],
  [==[
-- Features without a leak from the future: a label sees what was known before it
local features = weir.read "orders.ndjson"
  :event_time("ts", { max_delay = "1h" })
  :group_by "user"
  :derive [[
    orders_30d = count() over '30d'
    spent_30d  = sum(amount) over '30d'
    typical    = avg(amount) over 10
    days_since = (ts - lag(ts)) // duration'1d'
  ]]
  :select "user, orders_30d, spent_30d, typical, days_since"
weir.read "labels.csv"
  :event_time "labelled_at"
  :asof_join(features, { on = "user", before = true })
  :write "training.parquet"
]==],
  [==[
-- Quality: bad rows go aside with a reason, good rows go on, the batch passes as a whole or not
-- at all
local orders = weir.read("orders.csv", {
  schema = "id int64 key, user string, amount float64, country string",
})
  :expect [[
    has_user      = user ~= nil
    positive      = amount > 0
    known_country = country in ('AT', 'CH', 'DE')
  ]]
  :dedup "id"
orders:write("sqlite:shop.db", { table = "orders", audit = "enough = count() >= 1000" })
orders:rejects():write "quarantine.ndjson"
orders:rejects():group_by "reason":agg "n = count(), example = any_value(raw)":print()
]==],
}
