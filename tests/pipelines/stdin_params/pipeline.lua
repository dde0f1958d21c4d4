-- Standard input, and parameters of the command line.
-- test: args -p min=3
-- test: stdin clicks.ndjson
local params = weir.params "min int64"
weir.read("-", { format = "ndjson", schema = "user string, clicks int64" })
  :filter("clicks >= $min", { min = params.min })
  :group_by "user"
  :agg "clicks = sum(clicks)"
  :write("-", { format = "ndjson" })
