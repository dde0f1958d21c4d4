-- As-of joins of two streams that come out of order and partly late: both directions, how far, of
-- rows that stay and of a table; keys of two number types, late rows, what follows in time.
local schema = "k int64, f float64, %s string, ts timestamp, e timestamp"
local l = weir.read("orders.csv", { schema = schema:format "a" })
  :event_time("ts", { max_delay = "10s" })
local r = weir.read("payments.csv", { schema = schema:format "b" })
  :event_time("ts", { max_delay = "7s" })

local function join(name, options, right)
  options.on, options.prefix = options.on or "k", "r_"
  local joined = l:asof_join(right or r, options)
  joined:select "k, a, ts, r_b, r_ts":write(name .. ".csv")
  return joined
end
for _, how in ipairs { "left", "inner" } do
  for name, options in pairs {
    any = {}, before = { before = true }, near = { max_age = "9s" }, same = { max_age = "0s" },
    forward = { direction = "forward" }, soon = { direction = "forward", max_age = "9s" },
  } do
    options.how = how
    join(name .. "_" .. how, options)
  end
end
join("numbers", { on = "k == f" }):write "all_columns.csv"

-- A table: versions that begin, are replaced, deleted, and no longer pass a filter.
local t = r:as_table("k", { delete = "f == 3" })
join("table", {}, t)
join("filtered", { how = "inner", max_age = "20s" }, t:filter "f > 1")

local counted = join("counted", { direction = "forward", max_age = "5s" })
  :window(weir.tumbling "10s"):group_by "k":agg "n = count(), found = count(r_b)"
counted:write "counts.csv"
join("late", { before = true }):late():write "late_rows.csv"
weir.rejects():group_by "code, stage":agg "n = count()":write "all_rejects.csv"
