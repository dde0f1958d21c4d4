-- An endless source ends when nobody wants its rows any more, also behind stages that make rows of
-- many. How far it was read by then depends on the batch size, so there is one here.
-- test: batch-rows 7
local ticks = weir.generate { columns = "id = i, ts = timestamp '2024-01-01' + duration '1s' * i" }
  :event_time "ts"
ticks:window(weir.tumbling "1m"):agg "n = count()":limit(3):write "windows.csv"
ticks:sort():limit(2, { offset = 200 }):write "sorted.csv"
