--- Stages by the names that others have for them: SQL, Flink, Spark, pandas, dplyr. Names of
--- functions are in the program (`native.foreign`).
local M = {}

M.STAGES = {
  aggregate = "agg", arrange = "sort", assert = "expect", assign = "derive",
  assign_timestamps_and_watermarks = "event_time", check = "expect", collect = "print",
  concat = "union", deduplicate = "dedup", distinct_by = "dedup", drop_duplicates = "dedup",
  emit_strategy = "emit", explode = "unnest", extend = "derive", foreach = "map",
  group = "group_by", groupby = "group_by", grouped = "group_by", head = "limit", having = "filter",
  insert_into = "write", key_by = "group_by", keyby = "group_by", melt = "unpivot", merge = "join",
  mutate = "derive", order_by = "sort", orderby = "sort", partition_by = "group_by", peek = "tap",
  pivot_longer = "unpivot", pivot_wider = "pivot", project = "select", query = "filter",
  save = "write", show = "print", sink = "write", sink_to = "write", sort_by = "sort",
  sort_values = "sort", summarise = "agg", summarize = "agg", take = "limit", to = "write",
  to_csv = "write", transform = "derive", tumble = "window", union_all = "union",
  unique = "distinct", watermark = "event_time", where = "filter", with_column = "derive",
  with_columns = "derive", with_watermark = "event_time", withcolumn = "derive", zip = "join",
}

--- What weir calls a stage, if it has it.
---@param name string in any case
---@param known table<string, any> the stages that there are
---@return string?
function M.stage(name, known)
  local ours = M.STAGES[name:lower()]
  return ours and known[ours] and ours or nil
end

return M
