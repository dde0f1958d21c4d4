-- flags: --workers 3 --shards 2 --shard-seed {life}
-- Files that threads read ahead, keyed stages that threads work on: the order in which shards are
-- stepped is another one in each life.
local clicks = weir.read("part-*.csv", {
    schema = "user string, page string, ts timestamp, ms int64", partitions = "each",
  })
  :event_time("ts", { max_delay = "10s" })
local pages = clicks:window(weir.tumbling "20s"):group_by "page"
  :agg "n = count(), slow = max(ms), users = count_distinct(user)"
pages:write "pages.csv"
pages:write("sqlite:out.db", { table = "pages", mode = "append" })
pages:late():select "user, ts":write "late.csv"
clicks:rejects():select "code, position":write "rejects.csv"
