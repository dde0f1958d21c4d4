-- A table that is read in the order of its key, and a query, into files and another database.
local users = weir.read("postgres:db.shop/shop", { table = "users" })
users:select "id, name, born":write("users.csv", { mode = "append" })
users:write("postgres:db.other/app", { table = "copies", mode = "append" })
weir.read("postgres:db.shop/shop", {
    query = "select city, id, paid from users where id % 3 = 0 order by id",
    schema = "city string, id int64, paid decimal(10,2)",
  }):group_by "city":agg "n = count(), paid = sum(paid)"
  :write("postgres:db.other/app", { table = "cities" })
