-- An error of the script stands at its place, with what was meant, and nothing is written.
-- test: exit 3
weir.read("in.csv", { schema = "carrier string, delay int64" })
  :filter("delay > 10 and carier == 'UA'")
  :write("out.csv")
