-- Strings that a function has cut between the bytes of a character: each output has the same UTF-8
-- of them. Numbers that JSON cannot say are counted in the last line.
local words = weir.rows("s string, x float64", {
  { "größe", 1 }, { 'a,"ö', 0 }, { "plain, but quoted", 2 }, { "ö", 3 },
  { "long enough for vectors, and then: 漢", 4 }, { "nothing to mend: 漢字", 5 },
}):derive [[
  head = sub(s, 1, -2)
  tail = sub(s, -1)
  all  = sub(s, 1)
  x    = (x - 1) / 0
]]
words:write "out.ndjson"
words:write "out.csv"
words:write "out.tsv"
words:drop "x":write("sqlite:out.db", { table = "words", key = "s" })
words:print { format = "md" }
words:drop "x":print { format = "table" }
words:derive "b = bytes(tail)":select "b":write "bytes.csv"
