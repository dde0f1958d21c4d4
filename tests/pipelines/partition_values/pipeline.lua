-- A value has one directory, whichever rows of a batch stand before it: -0.0 is 0.0, as in a key.
weir.read("in.ndjson", { schema = "id int64, k float64, d decimal(4,1)" })
  :write("out/", { partition_by = "k, d", format = "csv" })
