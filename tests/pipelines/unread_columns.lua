-- A column that is handed on and then dropped is read by nobody: a value of it that does not fit
-- rejects no row, whoever lists it on the way, and whoever reads the rejects.
local rows = weir.rows("a int64, t timestamp, x float64",
  "a,t,x\n1,2024-02-29T00:00:00Z,0.5\n2,2024-02-30T00:00:00Z,1.5\n")
rows:select("x, t, a, one = 1"):filter("x > 0"):select("a"):write("select.csv")
rows:derive("u = t, b = a + 1"):select("b"):write("derive.csv")
rows:rename "v = t":drop "v":write("drop.csv")
weir.rejects():write("rejects.ndjson")
