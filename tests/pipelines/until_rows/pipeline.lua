-- test: args --until 33rows --drain
-- The 33 first records of each input, bad ones too; the table of a lookup is read whole.
local names = weir.rows("k string, name string", [[k,name
z,last
a,first]])
local big = weir.read("in.csv", { schema = "at timestamp, k string, n int64", check = "all" })
big:lookup(names, { on = "k" }):select "n, name":write "out.csv"
big:group_by "k":agg "n = count()":print()
big:rejects():select "position":write "rejects.csv"
