-- NaN equals nothing, itself not either; nil neither.
local r = weir.rows("f float64, r string", { { 0 / 0, "NaN" }, { 1.5, "x" }, { nil, "nil" } })
r:lookup(r:rename "g = f, r2 = r", { on = "f == g" }):write "found.ndjson"
