-- A cell that does not fit the schema of `flat_map` rejects its row, by the code of `derive`.
local rows = weir.rows("a int64, t timestamp", "a,t\n0,2024-01-01T00:00:00Z\n1,\n2,\n3,\n4,\n")
local words = rows:flat_map(
  "d decimal(4,2), j json, l list<int64>, t timestamp",
  function(e, emit)
    emit(1, { x = e.a, s = "first" }, { 1, 2 }, e.t)
    emit(e.a == 1 and 12345 or e.a, e.a == 2 and { [1.5] = 1 } or "text", e.a == 3 and "x" or nil,
      e.a == 4 and 1 or nil)
  end)
words:print()
words:rejects():select "code, detail, row":write "rejects.ndjson"
rows:derive("d decimal(4,2)", function(e)
  return e.a == 1 and 12345 or e.a
end):rejects():select "code, detail, row":write "derive.ndjson"
