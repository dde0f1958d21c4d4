-- Rejects of two inputs are held until both have ended, and come into a directory and a file when
-- the state says already that its inputs have ended.
local columns = "id string, ts timestamp, user string, item string, amount int64"
local orders = weir.read("orders.ndjson", { schema = columns })
local more = weir.read("orders.ndjson", { schema = columns, name = "more" })
orders:union(more):derive "part = 100 // (amount % 7)":write "parts.csv"
local rejects = weir.rejects()
rejects:select "stage, code, position":write("rejects/", { format = "csv", partition_by = "stage" })
rejects:select "code, position":write "rejects.csv"
