-- A glob is no name of one file.
weir.read("app.log", { format = "ndjson" }):write "out/*.csv"
