-- Rows in another shape: lists taken apart, columns to rows and back, a sample. Any batch size
-- gives the same bytes.
local s = weir.read("in.ndjson", { schema = [[id int64 key, tags list<string>, j json, q1 int64,
  q2 int64, status string, ts timestamp]] }):event_time("ts", { max_delay = "5s" })

s:unnest "tags":write "tags.ndjson"
s:unnest("tag = tags", { index = "place", keep_empty = true }):select "id, tag, place"
  :write "kept.ndjson"
s:unnest("part = split(status, 'a')"):select "id, part, after = len(part)":write "parts.csv"
s:unnest("j", { index = "place" }):select "id, place, j":write "json.ndjson"
s:unnest("tag = tags"):group_by "tag":agg "n = count(), ids = list(id)":write "by_tag.ndjson"
s:unnest("tag = tags"):window(weir.tumbling "1m"):group_by "tag":agg "n = count()"
  :write "by_minute.csv"

s:select "id, q1, q2":unpivot "q1, q2":write "quarters.csv"
s:drop "tags, j":unpivot("q1, q2", { name = "quarter", value = "sales" })
  :filter "sales ~= nil":group_by "quarter":agg "total = sum(sales)":write "totals.csv"
s:group_by "status":emit "update":agg "n = count(), total = sum(q1)":unpivot "n, total"
  :changes():write "changes.csv"

s:pivot("status", "sum(q1)", "paid = 'paid', open = 'open', none = nil"):write "pivot.csv"
s:window(weir.tumbling "1m"):group_by "odd = id % 2"
  :pivot("status", "count(where q1 > 10)", "paid = 'paid', lost = 'lost'"):write "pivot_window.csv"

local many = weir.generate { rows = 1000, columns = "n = i" }
many:sample(0.1):agg "rows = count(), total = sum(n)":write "sample.csv"
many:sample(0.1, { seed = 1 }):agg "rows = count(), total = sum(n)":write "other_sample.csv"
many:sample(1):sample(0):agg "rows = count()":write "no_sample.csv"
s:unnest "j":rejects():select "code, reason, position, detail":write "rejects.csv"
