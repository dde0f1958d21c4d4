-- test: long
-- test: batch-rows 4096
-- test: args --state state
-- test: ignore state/*
-- A state of 3 million keys, larger than any buffer of a checkpoint, is saved in pieces.
weir.generate { rows = 3000000, columns = "k = 'customer number ' .. string(i * 7919), v = i % 10" }
  :group_by "k":agg "n = count(), s = sum(v)"
  :agg "groups = count(), n = sum(n), s = sum(s)"
  :print { format = "ndjson" }
