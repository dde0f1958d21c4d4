-- A key that fails rejects its row, also where it is converted to be compared with another type.
local rates = weir.rows("k float64, r string", { { 2.0, "two" }, { 0.5, "half" } })
local found = weir.rows("a int64, b int64", { { 4, 2 }, { 1, 0 }, { nil, 1 }, { 1 << 62, 1 } })
  :lookup(rates, { on = "a // b == k" })
found:write "found.ndjson"
found:rejects():select "code, row":write "rejects.ndjson"
