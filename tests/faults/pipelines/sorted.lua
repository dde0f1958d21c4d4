-- All rows in another order, at the end: state that is only given back then.
local clicks = weir.read("part-*.csv", {
    schema = "user string, page string, ts timestamp, ms int64",
  })
clicks:sort "ms desc, user, page, ts":write("sorted.csv", { mode = "new" })
clicks:group_by "user":agg "n = count(), mean = avg(ms), pages = count_distinct(page)":sort "user"
  :write "users.json"
