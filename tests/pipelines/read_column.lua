-- Where something is computed from a column, or a sink shows it, its bad value rejects the row.
local rows = weir.rows("a int64, t timestamp, x float64",
  "a,t,x\n1,2024-02-29T00:00:00Z,0.5\n2,2024-02-30T00:00:00Z,1.5\n")
rows:select("x, t, a, y = year(t)"):select("a"):write("select.csv")
weir.rejects():write("rejects.ndjson")
