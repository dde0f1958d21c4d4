-- Rejects that no record has, of groups and of rows of Lua, wait for the end of their inputs: they
-- are in the state with the checkpoint of their rows, and leave it with the one of their readers.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
orders:window(weir.tumbling "10s"):group_by "user":agg "n = count(), sum = sum(amount)"
  :expect "many = n > 3"
  :write "sums.csv"
weir.rejects():select "code, reason, stage":write "rejects.csv"
