-- test: batch-rows 4096
-- A window fires more rows than there is memory for input, and they wait for the other stream.
weir.settings { memory = "500MB" }
local fired = weir.generate { rows = 20000, columns = "k = i, text = lpad(string(i), 4000)" }
  :event_time "ts = timestamp(k // 10000, 's')"
  :window(weir.tumbling "10s")
  :group_by "k"
  :agg "text = first(text)"
weir.generate { rows = 50, columns = "k = i * 397" }
  :event_time "ts = timestamp(k // 397 + 5, 's')"
  :join(fired, { on = "k", within = "1m" })
  :agg "n = count(), bytes = sum(len(text))"
  :print { format = "ndjson" }
