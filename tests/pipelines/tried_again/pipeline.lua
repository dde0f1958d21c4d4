-- What is rejected of a record that was read again says how often it was tried: when it is decoded,
-- in a stage, and behind one that puts rows into another order. What the file says of that may be
-- missing, or no number.
local again = weir.read("tried.ndjson", { replay = true, schema = "id int64, k string" })
again:derive "x = 10 // (id - 2)":write "good.ndjson"
again:sort "k desc":derive "x = 10 % (id - 2)":group_by "k":agg "n = count()":write "sorted.ndjson"
weir.rejects():select "stage, code, attempt, position, text = string(raw)":write "rejects.ndjson"
