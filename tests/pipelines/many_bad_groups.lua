-- 12,000 groups whose rows all fail at once: the rejects do not have to stand in memory.
-- test: args --max-bad 12000
weir.generate { rows = 12000, columns = "k = i" }
  :group_by "k":agg "n = count()"
  :filter "1 // (n - 1) > 0"
  :write "none.csv"
weir.rejects():agg "n = count(), first = first(reason)":write "count.csv"
