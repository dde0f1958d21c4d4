-- Keys of two number types are compared exactly, without rounding: 2^53 + 1 is no float64.
local whole = weir.rows("k int64", { { 1 }, { 2 }, { 9007199254740992 }, { 9007199254740993 }, {} })
local floats = weir.rows("k float64, v string",
  { { 1.0, "one" }, { 2.5, "half" }, { 9007199254740992.0, "2^53" }, { nil, "none" } })
local exact = weir.rows("k decimal(10,2), v string", { { "1.00", "one" }, { "2.50", "half" } })
local finer = weir.rows("k decimal(38,20)",
  { { "1" }, { "2.5" }, { "2.50001" }, { "123456789012345678" } })

whole:lookup(floats, { on = "k" }):write "whole.ndjson"
floats:lookup(whole:derive "w = k // 1", { on = "k" }):write "floats.ndjson"
whole:lookup(exact, { on = "k" }):write "decimals.ndjson"
finer:lookup(exact, { on = "k" }):write "finer.ndjson"
exact:lookup(finer:derive "here = true", { on = "k", how = "inner" }):write "inner.ndjson"
