-- A directory with a mode of files.
weir.read("app.log", { format = "ndjson" }):write("out/", { mode = "append", format = "csv" })
