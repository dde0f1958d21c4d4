-- Tables that Lua functions give for columns of lists, structs, maps and json: items are checked.
local rows = weir.rows("a int64", "a\n1\n2\n3\n4\n")
local function pick(e, ...)
  return (select(e.a, ...))
end
local N = 0
local function show(types, f)
  N = N + 1
  local made = rows:derive(types, f)
  made:write("made" .. N .. ".ndjson")
  made:rejects():select "code, detail, row":write("rejects" .. N .. ".ndjson")
end

show("x list<int64>", function(e)
  return pick(e, { 1, nil, 2 }, { 1, "a" }, { a = 1 }, {})
end)
show("x list<list<float64>>", function(e)
  return pick(e, { { 1, 2.5 }, {} }, { { 1 }, { true } }, { 1 }, nil)
end)
show("x struct<p int64, q list<string>>", function(e)
  return pick(e, { p = 1 }, { p = 1, z = 3 }, { q = { "x", 1 } }, {})
end)
show("x map<string, decimal(4,2)>", function(e)
  return pick(e, { b = decimal("1.5"), a = 2 }, { b = 12345 }, { "u" }, {})
end)
show("x map<int64, date>", function(e)
  return pick(e, { [3] = date("2024-01-01"), ["10"] = date("2024-01-02") },
    { b = date("2024-01-02") }, { [1.5] = date("2024-01-02") }, { [1] = "2024" })
end)
show("x list<timestamp>, y list<duration>", function(e)
  return { timestamp("2024-01-01T00:00:00Z"), e.a == 2 and "2024" or nil }, { duration("90m") }
end)
show("x list<bytes>, y list<bool>", function(e)
  return { "a\0b\255", "", e.a == 2 and 1 or nil }, { true, e.a == 3 and 0 or false }
end)
show("x json", function(e)
  return pick(e, { b = 1, a = { 1, 1.5, "s", false } }, { [1.5] = 1 }, print, 7)
end)

-- What a function reads of a list has the type of its items.
rows:derive("t list<timestamp>, d list<decimal(4,2)>, f list<float64>, s struct<w duration>",
  function()
    return { timestamp("2024-01-01T00:00:00Z") }, { decimal("1.5") }, { 1 },
      { w = duration("1h") }
  end)
  :map("a int64 required, t timestamp, d decimal(4,2), f string, l list<timestamp>", function(e)
    return e.a < 3 and e.a or nil, e.t[1] + e.s.w, e.d[1] + e.d[1], math.type(e.f[1]), e.t
  end):write "more1.ndjson"
rows:flat_map("n int64 required, l list<int64> required", function(e, emit)
  emit(e.a, { e.a })
  emit(e.a, e.a == 2 and { "x" } or e.a ~= 3 and {} or nil)
end):write "more2.ndjson"
weir.def("double(x list<int64>) list<int64>", function(x)
  for i = 1, #x do
    x[i] = 2 * x[i]
  end
  return #x > 1 and x or { "none" }
end)
rows:derive("l list<int64>", function(e)
  return e.a < 3 and { e.a, e.a } or { e.a }
end):derive "x = double(l)":write "more3.ndjson"
