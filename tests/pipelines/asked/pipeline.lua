-- A database is asked for the keys of each batch: one row a key, several, or whether there is one.
local users = weir.sqlite("shop.db", { table = "users" })
local function tags()
  return weir.sqlite("shop.db", {
    query = "select word, size, weight from tags order by size;",
  })
end
local s = weir.generate { rows = 60, columns = [[
    user = case(i % 7 == 0, nil, i * 13 % 50), word = case(i % 4 == 0, nil, i % 4 == 1, 'red',
    i % 4 == 2, 'Red', 'blue')
  ]] }
s:lookup(users, { on = "user == id", prefix = "u_" }):write "users.csv"
s:lookup(users, { on = "user == id", how = "semi", cache = "1m" })
  :agg "n = count()"
  :write "semi.csv"
s:lookup(users, { on = "user == id", how = "anti" }):agg "n = count()":write "anti.csv"
-- SQLite finds RED for red, since the column says so; to weir keys are equal where all bytes are.
s:lookup(tags(), { on = "word", how = "inner", many = true }):limit(20):write "tags.csv"
s:derive "weight = user % 4 + 0.5"
  :lookup(tags(), { on = "weight, word", many = true })
  :filter "size ~= nil"
  :write "two_keys.csv"
