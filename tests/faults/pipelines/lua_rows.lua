-- Rows made by a function of Lua, several of one; and a frame that moves along the rows of a group.
local orders = weir.read("orders.ndjson", {
    schema = "id string, ts timestamp, user string, item string, amount int64",
  })
  :event_time("ts", { max_delay = "5s" })
orders:flat_map("id string, part int64", function(e, emit)
  for i = 1, (e.amount or 0) % 3 do
    emit(e.id, i)
  end
end):write "parts.ndjson"
orders:group_by "user":derive "mean = avg(amount) over 3, before = lag(amount)"
  :select "id, user, mean, before":write "frames.csv"
