-- What each row sees of its group: over frames of time and of rows, before it and behind it; by
-- time, by arrival, under windows, corrected. Any batch size gives the same bytes.
local s = weir.read("in.csv",
    { schema = "k string, v int64, f float64, d decimal(9,2), s string, ts timestamp" })
  :event_time("ts", { max_delay = "5s" })
local g = s:group_by "k"

local FRAMES = [[
  n = count() over '10s', some = count(where v > 2) over 3, total = sum(v) over '10s'
  f = sum(f) over '10s', mean = avg(d) over 4, low = min(v) over '10s', high = max(f) over 5
  kinds = count_distinct(s) over '20s', usual = mode(s) over '20s', middle = median(v) over 5
  seen = string_agg(s, '+' where s ~= 'y') over '5s', best = list(v order by v desc limit 2) over 4
  ok = all(v > 0) over 2, spread = stddev(v) over '20s', newest = last(s) over 3
]]
local RUNNING = [[
  n = count(), total = sum(v), f = sum(f), place = row_number(), r = rank(v), dense = dense_rank(v)
  before = lag(s), third = lag(v, 3), step = delta(v), speed = rate(v), first = first(s)
]]
local AHEAD = "place = row_number(), after = lead(s), far = lead(v, 3), total = sum(d)"

g:derive(FRAMES):write "frames.csv"
g:derive(RUNNING):write "running.csv"
g:derive(AHEAD):write "ahead.csv"
g:derive(FRAMES, { order = "arrival" }):write "frames_arrival.csv"
g:derive(RUNNING, { order = "arrival" }):write "running_arrival.csv"
s:group_by():derive "n = count() over '1s', before = lag(k), last = max(ts) over 2":write "one.csv"
s:group_by "k, late = ts > timestamp'2024-01-01T00:01:00Z'":derive "v = v ?? 0, sum = sum(v)"
  :write "replaced.csv"
g:derive "n = row_number()":late():write "late.csv"

local every = weir.hopping("20s", { every = "10s" })
s:window(every):group_by "k":derive [[
  n = count(), total = sum(d), share = d / sum(d), r = rank(s), dense = dense_rank(d)
  after = lead(v), near = count() over '2s', place = row_number(), f = avg(f)
]]:write "window.csv"
s:window(weir.tumbling "30s"):derive "part = v / sum(v where v > 0)":write "window_all.csv"
s:window(weir.tumbling "1s"):group_by "k":derive "n = count()":late():write "window_late.csv"

g:emit "update":derive(AHEAD):changes { before = true }:write "update.csv"
g:emit "update":derive(FRAMES):changes():write "update_frames.csv"
local latest = s:as_table "s"
latest:group_by "k":derive(RUNNING):changes { before = true }:write "of_changes.csv"
latest:group_by "k":derive "n = row_number()":group_by():agg "rows = count(), n = sum(n)"
  :changes():write "of_changes_agg.csv"

-- Without event time rows stand as they arrive.
local plain = weir.read("in.csv",
  { schema = "k string, v int64, f float64, d decimal(9,2), s string" })
plain:group_by "k":derive "before = lag(v), mean = avg(d) over 3, n = count()":write "plain.csv"
plain:group_by "k":derive(AHEAD):write "plain_ahead.csv"

-- A sum that does not fit fails its row, and an argument that fails keeps its row out of all.
g:derive "total = sum(v) over 2":write "overflow.csv"
g:derive "n = count() over 3, inverse = sum(10 // v) over 3":write "failing.csv"
g:emit "update":derive "inverse = 10 // lag(v)":changes():write "failing_update.csv"
g:derive "n = count()":filter "n > 3":group_by "k":agg "n = count(), most = max(n)"
  :write "behind.csv"
weir.rejects():filter "code ~= 'W507'":select "stage, code, detail, position, row"
  :write "rejects.csv"
