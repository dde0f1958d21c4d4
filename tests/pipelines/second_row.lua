-- A table of a lookup with two rows of a key: nobody knows which is meant.
-- test: exit 1
local names = weir.rows("code string, name string",
  "code,name\nDE,Germany\nAT,Austria\nDE,Deutschland\n")
weir.rows("id int64, country string", { { 1, "AT" } })
  :lookup(names, { on = "country == code" })
  :write "named.csv"
