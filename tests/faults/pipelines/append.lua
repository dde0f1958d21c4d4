-- Rows into a table, by append, and into one that takes the place of an old one. NaN and doubles of
-- a key are refused by SQLite: their rejects are a file.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, amount int64",
  })
local rows = orders:derive "share = case(amount == 7, float64('nan'), amount / 3.0)"
rows:select "id":write("ids.csv", { mode = "append" })
rows:write("sqlite:out.db", { table = "orders", mode = "append" })
rows:select "id, amount":write("sqlite:unique.db", { table = "bids", mode = "append" })
rows:select "user, id":write("sqlite:out.db", { table = "names", mode = "replace" })
weir.rejects():select "stage, code, source, position":write "rejects.ndjson"
