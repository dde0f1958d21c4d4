-- `seed` of the settings is that of what is drawn, where a stage has none of its own.
weir.settings { seed = 7 }
weir.generate { rows = 5, columns = "i = i, r = random()" }:write "drawn.csv"
local rows = weir.generate { rows = 300, columns = "i = i" }
rows:sample(0.02):write "sample.csv"
rows:sample(0.02, { seed = 7 }):write "sample_same.csv"
rows:sample(0.02, { seed = 0 }):write "sample_other.csv"
