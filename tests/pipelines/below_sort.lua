-- A row that ends the run below a `sort` ends it, and no file stands under its final name.
-- test: exit 1
weir.generate { rows = 3000, columns = "x = 3000 - i" }
  :sort "x"
  :expect("small = x < 2500", { on_fail = "fail" })
  :write "sorted.csv"
