-- What was read whole before a limit stopped its source has happened: the table of a lookup, the
-- first of two inputs that come one after the other.
local table_side = weir.read("right.csv", { schema = "k int64, v string" })
weir.rows("k int64", { { 1 }, { 2 }, { 3 } })
  :lookup(table_side, { on = "k" }):limit(2):write "two.csv"

local a = weir.read("a.csv", { schema = "a int64, b string" }):select "a"
a:union(weir.rows("a int64", { { 7 }, { 8 }, { 9 } })):limit(2):write "seven.csv"

weir.rejects():select "code, source, position":write "rejects.csv"
