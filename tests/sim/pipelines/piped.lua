-- The standard input, slow, in pieces of lines; rows that are shown at least once.
local orders = weir.read("-", {
    format = "ndjson", schema = "id string, ts timestamp, user string, item string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
orders:window(weir.tumbling "20s"):group_by "item":agg "n = count(), sum = sum(amount)"
  :write "items.csv"
orders:select "id, amount":print()
