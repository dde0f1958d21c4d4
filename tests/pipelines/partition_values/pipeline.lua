-- A value has one directory, whichever rows of a batch stand before it: -0.0 is 0.0, as in a key.
weir.read("in.ndjson", { schema = "id int64, k float64, d decimal(4,1)" })
  :write("out/", { partition_by = "k, d", format = "csv" })
-- An empty text stands with nil, and that is told once; the word for both is a value of its own.
weir.rows("id int64, s string, t string", {
    { 1, "", "x" }, { 2, nil, "x" }, { 3, "__HIVE_DEFAULT_PARTITION__", "" }, { 4, "", nil },
  })
  :write("texts/", { partition_by = "s, t", format = "csv" })
