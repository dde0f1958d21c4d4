-- What was read whole before a limit stopped its source has happened: the table of a lookup, the
-- first of two inputs that come one after the other.
local table_side = weir.read("right.csv", { schema = "k int64, v string" })
weir.rows("k int64", { { 1 }, { 2 }, { 3 } })
  :lookup(table_side, { on = "k" }):limit(2):write "two.csv"

local a = weir.read("a.csv", { schema = "a int64, b string" }):select "a"
a:union(weir.rows("a int64", { { 7 }, { 8 }, { 9 } })):limit(2):write "seven.csv"

-- Also behind more than one stage that puts inputs together.
local again = weir.read("a.csv", { schema = "a int64, b string" }):select "a"
again:union(weir.rows("a int64", { { 7 }, { 8 }, { 9 } }))
  :lookup(table_side, { on = "a == k" }):limit(2):write "gates.csv"
local function timed(name)
  return weir.read(name, { schema = "a int64, t timestamp" }):event_time "t"
end
timed("t1.csv"):union(timed "t2.csv")
  :lookup(table_side, { on = "a == k" }):limit(4):write "timed.csv"

weir.rejects():select "code, source, position":write "rejects.csv"
