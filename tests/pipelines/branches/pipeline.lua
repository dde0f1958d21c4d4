-- One pass over the input feeds several outputs: branches are local variables.
local orders = weir.read("orders.csv", {
  schema = "id int64 key, user string, amount float64, country string, ts timestamp",
})
local countries = weir.read "countries.csv"

local named = orders:lookup(countries, { on = "country == code" })
named:select "id, user, country_name = name ?? 'elsewhere'":write "named.csv"
orders:filter "amount > 50":write("large.ndjson", { mode = "new" })
orders:derive [[
    local cents = amount * 100
    cents_whole = int64(floor(cents))
    size = case(amount >= 100, 'big', amount >= 10, 'mid', amount ~= nil, 'small')
  ]]
  :drop "ts, country"
  :rename "buyer = user"
  :print { format = "md" }
orders:group_by "country":agg "n = count(), total = sum(amount)"
  :write("sqlite:totals.db", { table = "totals" })

local minutes = orders
  :event_time("ts", { max_delay = "30s" })
  :window(weir.tumbling "1m")
  :group_by()
  :agg "n = count(), users = count_distinct(user)"
minutes:write "minutes.tsv"
minutes:late():select "id, ts":write "late.csv"

local a, b = orders:filter "country == 'DE'", orders:filter "country == 'AT'"
a:union(b):sort("amount desc, id"):select "id, amount":limit(3, { offset = 1 }):write "top.csv"
orders:distinct "country":sort "country":write "countries_seen.csv"
