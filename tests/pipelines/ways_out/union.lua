-- A clock behind a union.
local a = weir.read("app.log", { format = "ndjson" })
local b = weir.read("app.log", { format = "ndjson" })
a:union(b):processing_time("at"):window(weir.tumbling "1s"):agg("n = count()"):print()
