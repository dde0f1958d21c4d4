-- `sort` by what a function gives: several keys, nil last, all NaN in one class before it; a key
-- that is not of its type, or fails, rejects its row. The same order as that of the text.
local rows = weir.rows("i int64, n int64, f float64, s string",
  "i,n,f,s\n1,3,nan,b\n2,,1.5,a\n3,1,,\n4,2,-inf,B\n5,1,nan,a\n6,3,0,\n7,,,a\n8,2,-0.0,é\n")
local function show(sorted)
  sorted:select "i":agg "i = list(i)":print()
end
show(rows:sort("k int64", function(e)
  return e.n
end))
show(rows:sort "n")
show(rows:sort("k int64, f float64", function(e)
  return -e.n, e.f
end))
show(rows:sort "-n, f")
show(rows:sort("f float64, s string", function(e)
  return e.f, e.s
end))
show(rows:sort "f, s")
show(rows:sort("is_a bool, s string, l list<int64>", function(e)
  return e.s == "a", upper(e.s), { e.n or 0, e.i }
end))
local refused = rows:sort("k int64", function(e)
  return e.n == 1 and e.i == 3 and "x" or 6 // (e.n - 2)
end)
refused:select "i":print()
refused:rejects():select "code, detail, row":print()
