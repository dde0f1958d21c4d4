-- A directory that fills: its rows have no order but that in which files were seen.
local clicks = weir.read("part-*.csv", {
    follow = true, schema = "user string, page string, ts timestamp, ms int64",
  })
clicks:select "user, page, ms":write("all.csv", { mode = "append" })
clicks:select "user, ms":write("sqlite:clicks.db", { table = "clicks", mode = "append" })
