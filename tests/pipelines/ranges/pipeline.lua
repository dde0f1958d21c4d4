-- start and stop count rows from 0, good and bad ones, and go on where another range ends; a time
-- is the first row that has it, wherever the rows of a batch end.
local schema = "at timestamp, k string, n int64"
local function part(name, start, stop)
  local rows = weir.read("in.csv", { schema = schema, start = start, stop = stop })
    :event_time("at", { max_delay = "20s" })
  rows:select "n":write(name .. ".csv")
  rows:rejects():select "position":write(name .. ".rejects.csv")
end
part("rows_1", nil, 7)
part("rows_2", 7, 8)
part("rows_3", 8, nil)
part("times_1", nil, "2026-01-01T00:05:00Z")
part("times_2", "2026-01-01T00:05:00Z", "2026-01-01T00:06:40Z")
part("times_3", "2026-01-01T00:06:40Z", nil)
part("nothing", 100, nil)
