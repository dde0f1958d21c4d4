-- `agg` without keys is one group, which is there without a row too, as in SQL; a group of a key
-- and a window are there by their rows.
local none = weir.rows("n int64, s string, t timestamp", { { 1, "a" } }):filter "n > 1"
local items = "rows = count(), total = sum(n), all_s = list(s), twice = count() * 2"
none:agg(items):write "all.ndjson"
none:group_by():agg(items):write "one_group.ndjson"
none:group_by("s"):agg(items):write "by_key.ndjson"
none:event_time("t"):window(weir.tumbling "1h"):agg(items):write "by_window.ndjson"
none:agg("rows = count()"):agg("groups = count(), rows = max(rows)"):write "twice.ndjson"
