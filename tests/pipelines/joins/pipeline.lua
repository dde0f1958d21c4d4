-- Joins of two streams that come out of order and partly late: of an interval, of all rows that are
-- there, of those kept for a while, of a window; rows that meet none at the end, or as changes.
local schema = "k int64, f float64, %s string, ts timestamp, e timestamp"
local l = weir.read("orders.csv", { schema = schema:format "a" })
  :event_time("ts", { max_delay = "10s" })
local r = weir.read("payments.csv", { schema = schema:format "b" })
  :event_time("ts", { max_delay = "7s" })
local window = weir.hopping("10s", { every = "4s", offset = "1s" })

for _, how in ipairs { "inner", "left", "right", "full", "semi", "anti" } do
  local function join(left, options)
    options.on, options.how, options.prefix = options.on or "k", how, "r_"
    return left:join(r, options)
  end
  join(l, { within = { "-3s", "6s" } }):select "k, a, f, ts":write("interval_" .. how .. ".csv")
  join(l, { within = { "ts", "e" } }):write("until_" .. how .. ".csv")
  join(l, { where = "r_f > f" }):write("all_" .. how .. ".csv")
  join(l, { on = "k, f", retain = "9s" }):write("retain_" .. how .. ".csv")
  join(l:window(window), {}):write("window_" .. how .. ".csv")
  join(l:emit "update", { within = "5s" }):changes():write("update_" .. how .. ".csv")
end
l:join(r, { on = "k == f", prefix = "r_" }):select "k, a, r_k, r_b":write "numbers.csv"
l:join(r, { on = "k", prefix = "r_", within = { "-3s", "6s" }, time = "left" })
  :window(weir.tumbling "10s"):group_by "k":agg "n = count(), s = sum(r_f)":write "counts.csv"

-- Changelogs: what is taken back takes its pairs back.
local lu = l:group_by "k":emit "update":agg "n = count(), m = max(f)"
local ru = r:group_by "k":emit "update":agg "n = count(), b = max(b)"
for _, how in ipairs { "inner", "left", "full", "semi", "anti" } do
  lu:join(ru, { on = "k", how = how, prefix = "r_" }):changes():write("changes_" .. how .. ".csv")
  lu:join(ru, { on = "n", how = how, prefix = "r_" }):changes():write("counted_" .. how .. ".csv")
end
lu:join(ru, { on = "k", prefix = "r_" }):write("sqlite:out.db", { table = "pairs" })
l:rejects():write "rejects.csv"
weir.rejects():group_by "code, stage":agg "n = count()":write "all_rejects.csv"
