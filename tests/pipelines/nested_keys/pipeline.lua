-- Lists, structs and maps are values: blanks, the order of members, members that the type has not,
-- escapes and spellings of numbers are no part of them, and what does not fit is a reject.
local types = "l list<int64>, s struct<x int64, y string>, m map<string, int64>, "
  .. "d list<decimal(8,2)>, t list<timestamp>"
local json = weir.read("in.ndjson", { schema = "id int64, " .. types })
local text = weir.read("in.csv",
  { schema = "id int64, l list<int64>, s struct<x int64, y string>" })
for _, key in ipairs { "l", "s", "m", "d", "t" } do
  json:group_by(key):agg "n = count(), ids = list(id)":write("by_" .. key .. ".ndjson")
end
json:join(text, { on = "l, s", prefix = "r_" }):select "id, r_id":write "joined.csv"
json:dedup "m":select "id, m":write "dedup.ndjson"
json:agg "l = count_distinct(l), s = count_distinct(s), m = count_distinct(m)":write "distinct.csv"
json:agg "l = mode(l), made = list(id)":write "mode.ndjson"
json:filter "l[1] == 1":select "id":write "equal.csv"
weir.rejects():select "stage, code, detail, position":write "rejects.csv"
