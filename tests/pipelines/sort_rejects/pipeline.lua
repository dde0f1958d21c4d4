-- A row that a sort put elsewhere still tells where it came from; rejects stand in the order
-- of the source. Behind a limit what was only made ahead has not happened, for any batch size; a
-- group is made of many rows and tells of none.
local rows = weir.read("part-*.csv", { schema = "id string, v string, ts timestamp" })
local numbers = rows:sort("id desc"):derive "n = int64(v)"
numbers:write "numbers.csv"
numbers:rejects():select "source, position, raw, row":write "rejects.ndjson"

local timed = rows:event_time("ts", { max_delay = "1m" }):sort():derive "n = int64(v)"
timed:write "timed.csv"
timed:rejects():select "at, source, position":write "timed_rejects.csv"

local first = rows:sort("id desc"):derive "n = int64(v)"
first:limit(2):write "first.csv"
first:rejects():select "source, position":write "first_rejects.csv"

local groups = rows:group_by "id":agg "v = first(v)":sort "id":derive "n = int64(v)"
groups:limit(2):write "groups.csv"
groups:rejects():select "source, position, row":write "groups_rejects.csv"
