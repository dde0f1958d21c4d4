-- How far inputs count as read where a limit stands behind stages that make rows of their own, by
-- the rejects above it. A join stops at the row that made the last one which was wanted, where it
-- is told at once, and with it what is refused in the join itself; behind a window, a gate or an
-- outer row that met none all are read to their end.
local function left(name)
  return weir.read("left.csv", { schema = "id int64, k string, v int64, t timestamp", name = name })
    :event_time("t", { max_delay = "2s" })
end
local function right(name)
  return weir.read("right.csv", { schema = "k string, w int64, u timestamp", name = name })
    :event_time("u", { max_delay = "2s" })
end
local function rejects(of, name)
  of:rejects():select "code, source, position, detail":write(name .. "_rejects.csv")
end
local joined = left "interval_left":join(right "interval_right", { on = "k", within = "10s" })
joined:limit(7):write "interval.csv"
rejects(joined, "interval")

-- What the condition refuses of a pair, and what is late, is of the row that came.
local asked = left "asked_left":join(right "asked_right",
  { on = "k", within = "10s", where = "10 // (v - 5) < 100" })
asked:derive "x = 1 // (v % 4)":limit(6):write "asked.csv"
rejects(asked, "asked")

-- Each of two who want rows of it.
local both = left "both_left":join(right "both_right", { on = "k", retain = "1m" })
both:limit(2):write "two.csv"
both:select "id":limit(9, { offset = 1 }):write "nine.csv"
rejects(both, "both")

-- The last one that is wanted leaves when no more can meet it.
local outer = left "outer_left":join(right "outer_right", { on = "k", within = "1s", how = "left" })
outer:limit(3):write "outer.csv"
rejects(outer, "outer")

local windows = left "windows_left":window(weir.tumbling "5s"):group_by "k":agg "n = count()"
windows:limit(2):write "windows.csv"
rejects(windows, "windows")

-- Late rows are read to the end, whoever wants the others.
local late = left "late_left":window(weir.tumbling "5s"):dedup "k"
late:limit(2):write "late.csv"
late:late():select "id":write "late_late.csv"
rejects(late, "late")

-- Behind a gate: of the second join, which stops, and of the first, which does not.
local first = left "first_left":join(right "first_right", { on = "k", within = "10s" })
local twice = first:join(left "third", { on = "k", within = "10s", prefix = "third_" })
twice:limit(3):select "id, third_id":write "twice.csv"
rejects(twice, "twice")

-- Shards of a keyed stage between say later that no more is wanted.
local keyed = left "keyed_left":join(right "keyed_right", { on = "k", within = "10s" })
keyed:dedup("id", { within = "1h" }):limit(4):write "keyed.csv"
rejects(keyed, "keyed")
