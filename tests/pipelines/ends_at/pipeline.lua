-- Groups that end at a time that their rows say, marks that move the frontier, and a frontier by an
-- expression: what leaves does not depend on batches, shards or stops.
local s = weir.read("in.csv", { schema = "k string, v int64, ts timestamp, e timestamp" })
local timed = s:event_time("ts", { max_delay = "5s" })

local ended = timed:group_by "k":emit("final", { at = "e" })
  :agg "n = count(), best = max(v), e = max(e)"
ended:write "ended.csv"
ended:late():write "late.csv"
ended:window(weir.tumbling "10s"):agg "groups = count(), rows = sum(n)":write "windows.csv"
timed:window(weir.tumbling "10s"):group_by "k":agg "n = count(), e = max(e)"
  :group_by "k":emit("final", { at = "e" }):agg "windows = count(), n = sum(n)":write "again.csv"
timed:emit("final", { at = "ts + duration'20s'" }):agg "n = count()":write "runs.csv"

local marked = s:event_time("ts", { watermark = "case(k == 'mark', e)" })
marked:window(weir.tumbling "10s"):group_by "k":agg "n = count()":write "marked.csv"
marked:filter "k ~= 'mark'":group_by "k":emit("final", { at = "e" }):agg "n = count()"
  :write "marked_ended.csv"
weir.rejects():select "stage, code, detail, position":write "rejects.csv"
