-- Tables that are read again with nearly each step give what they gave at first, wherever the run
-- is stopped.
local s = weir.generate { rows = 300, columns = "k = i * 7 % 23, x = i" }
local names = weir.rows("id int64, name string", {
  { 1, "one" }, { 2, "two" }, { 5, "five" }, { 7, "not in the table" }, { 11, "eleven of them" },
  { 13, "thirteen" }, { 17, "seventeen" },
})
  :filter "id ~= 7"
  :derive "length = len(name)"
s:lookup(names, { on = "k == id", reload = "1us" })
  :lookup(weir.generate { rows = 40, columns = "n = i % 10, square = i * i" }, {
    on = "k == n", how = "inner", many = true, reload = "1us",
  })
  :write "rows.csv"
s:lookup(names, { on = "k == id", how = "anti", reload = "2us" })
  :agg "n = count(), x = sum(x)"
  :print()
