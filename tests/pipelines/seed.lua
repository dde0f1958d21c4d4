-- `seed` of the settings is that of what is drawn, where a stage has none of its own.
weir.settings { seed = 7 }
local columns = "i = i, r = random()"
weir.generate { rows = 5, columns = columns }:write "drawn.csv"
weir.generate { rows = 5, columns = columns, seed = 7 }:write "same.csv"
weir.generate { rows = 5, columns = columns, seed = 1 }:write "other.csv"
local rows = weir.generate { rows = 300, columns = "i = i" }
rows:sample(0.02):write "sample.csv"
rows:sample(0.02, { seed = 7 }):write "sample_same.csv"
rows:sample(0.02, { seed = 0 }):write "sample_other.csv"
