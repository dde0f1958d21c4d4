-- A table that is asked for the rows of keys.
local clicks = weir.read("clicks.csv.gz", {
    schema = "user string, page string, ts timestamp, ms int64",
  })
clicks:lookup(weir.postgres("db.shop/shop", { table = "people" }), { on = "user == name" })
  :select "user, page, ms, age, city":write("postgres:db.shop/shop", {
    table = "clicks", mode = "append",
  })
