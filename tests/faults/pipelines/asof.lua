-- What a price was when it was asked for: an as-of join against rates from a table of SQLite.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, item string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
local rates = weir.read("sqlite:rates.db", {
    query = "select item, at, rate from rates order by at, item",
  })
  :derive "at = timestamp(at)":event_time("at", { max_delay = "1s" })
orders:asof_join(rates, { on = "item", max_age = "40s" })
  :derive "value = amount * rate":select "id, item, amount, rate, value":write "valued.csv"
