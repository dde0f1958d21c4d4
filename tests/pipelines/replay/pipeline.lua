-- Rejects are read again: each by the format of its source, or all by one; what is still wrong is a
-- reject once more, at its place in the file of rejects, and takes no other with it.
local schema = "id int64, name string, day date"
local again = weir.read("rejects.ndjson", { replay = true, schema = schema })
again:select "id, name, day, _line":write "again.ndjson"
again:rejects():select "code, detail, position, text = string(raw)":write "still.ndjson"
local all = weir.read("rejects.csv", { replay = weir.csv { null = "x" }, schema = schema })
all:write "csv.ndjson"
all:rejects():select "code, position":write "csv_still.ndjson"
