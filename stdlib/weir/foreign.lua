--- Stages by the names that others have for them: SQL, Flink, Spark, pandas, dplyr. Names of
--- functions are in the program (`native.foreign`).
local M = {}

M.STAGES = {
  aggregate = "agg", arrange = "sort", asof = "asof_join", assert = "expect", assign = "derive",
  assign_timestamps_and_watermarks = "event_time", check = "expect", collect = "print",
  concat = "union", deduplicate = "dedup", distinct_by = "dedup", drop_duplicates = "dedup",
  emit_strategy = "emit", explode = "unnest", extend = "derive", foreach = "map",
  group = "group_by", groupby = "group_by", grouped = "group_by", head = "limit", having = "filter",
  insert_into = "write", join_asof = "asof_join", key_by = "group_by", keyby = "group_by",
  match_recognize = "match", melt = "unpivot", merge = "join", merge_asof = "asof_join",
  mutate = "derive", order_by = "sort", orderby = "sort", partition_by = "group_by", peek = "tap",
  pivot_longer = "unpivot", pivot_wider = "pivot", project = "select",
  proctime = "processing_time", query = "filter",
  save = "write", show = "print", sink = "write", sink_to = "write", sort_by = "sort",
  sort_values = "sort", summarise = "agg", summarize = "agg", take = "limit", to = "write",
  to_csv = "write", transform = "derive", tumble = "window", union_all = "union",
  unique = "distinct", watermark = "event_time", where = "filter", with_column = "derive",
  with_columns = "derive", with_watermark = "event_time", withcolumn = "derive", zip = "join",
}

--- Methods of columns that are no function here, by what an expression says instead.
M.METHODS = {
  any = "any(x)", apply = "derive(\"name type\", function(e) … end)", astype = "int64(x)",
  between = "x >= a and x <= b", contains = "contains(x, 'text')", eq = "x == y",
  fillna = "x ?? 0", isin = "x in (1, 2)", isna = "x == nil", isnull = "x == nil",
  notna = "x ~= nil", notnull = "x ~= nil",
}

local SORT_DESCENDING = "the direction stands behind the column: `:sort \"amount desc\"`"
local MAX_DELAY = "weir calls it `max_delay`: how far a row may be behind"
local LATENESS = "that is an option of the stage: `:window(…, { allowed_lateness = \"1h\" })`"
local IDLE = "weir calls it `idle`: how long a live input that is quiet is waited for"
local MODE = "`mode = \"append\"`, `\"replace\"` or `\"new\"` says what becomes of what is there"
local BOTH_KEYS = "both stand in `on = \"left == right\"`"
local ON = "weir calls it `on`"
local PREFIX = "`prefix = \"other_\"` renames the columns of the other stream"
local MAX_AGE = "weir calls it `max_age`: how far the two times may lie apart"
local EVENT_TIME = "both go by event time: `:event_time \"…\"` before says which column it is"
local SCHEMA = "names and types stand in `schema = \"name type, …\"`"

--- Functions of `weir` by the names that others have for them.
M.FUNCTIONS = {
  from = "read", input = "read", load = "read", open = "read", scan = "read", source = "read",
  stream = "read", table = "read", values = "rows", data = "rows", range = "generate",
  config = "settings", set = "settings",
}

--- Words that an option takes, by the names that others have for them: option, word, ours.
M.WORDS = {
  mode = {
    overwrite = "replace", truncate = "replace", create = "new", error = "new", add = "append",
    insert = "append", merge = "upsert", update = "upsert",
  },
  how = {
    outer = "full", full_outer = "full", fullouter = "full", left_outer = "left",
    leftouter = "left", right_outer = "right", rightouter = "right", left_anti = "anti",
    leftanti = "anti", left_semi = "semi", leftsemi = "semi", exists = "semi",
    not_exists = "anti",
  },
}

local JOIN_KINDS = {
  inner = true, left = true, right = true, full = true, semi = true, anti = true,
}

--- The kind of join that a stage's name says: `left_join` is "left", `anti_join` "anti".
---@param name string in any case
---@return string?
function M.join_kind(name)
  local kind = name:lower():match("^(%l[%l_]*)_join$") or name:lower():match("^(%l+)join$") or ""
  return JOIN_KINDS[kind] and kind or M.WORDS.how[kind]
end

--- Options by the names that others have for them, by stage: the help.
M.OPTIONS = {
  sort = {
    asc = SORT_DESCENDING, ascending = SORT_DESCENDING, desc = SORT_DESCENDING,
    descending = SORT_DESCENDING, direction = SORT_DESCENDING, order = SORT_DESCENDING,
    reverse = SORT_DESCENDING,
    by = "the columns stand in the string: `:sort \"user, amount desc\"`",
  },
  event_time = {
    delay = MAX_DELAY, lateness = MAX_DELAY, max_out_of_orderness = MAX_DELAY,
    out_of_orderness = MAX_DELAY, watermark_delay = MAX_DELAY,
    allowed_lateness = "that is an option of `window`; `max_delay` is how far a row may be behind",
    idle_timeout = IDLE, idleness = IDLE, source_idle_timeout = IDLE, with_idleness = IDLE,
    punctuated = "`watermark = \"…\"` is an expression that moves the frontier",
  },
  emit = {
    interval = "weir calls it `every`", period = "weir calls it `every`",
    ["until"] = "weir calls it `at`", close = "weir calls it `at`", ttl = "weir calls it `at`",
    processing_time = "`{ every = \"10s\", clock = \"processing\" }`",
  },
  read = {
    sep = "weir calls it `delimiter`", separator = "weir calls it `delimiter`",
    names = SCHEMA, columns = SCHEMA, dtype = SCHEMA, dtypes = SCHEMA, types = SCHEMA,
    na_values = "weir calls it `null`: the text that stands for nil",
    nrows = "`:limit(100)` takes the first rows",
    usecols = "`:select \"user, amount\"` behind it takes columns; no other is read",
    parse_dates = "a type says it: `schema = \"ts timestamp\"`",
  },
  ["weir.tumbling"] = { allowed_lateness = LATENESS },
  ["weir.hopping"] = { allowed_lateness = LATENESS },
  ["weir.cumulative"] = { allowed_lateness = LATENESS },
  ["weir.calendar"] = { allowed_lateness = LATENESS },
  ["weir.session"] = {
    allowed_lateness = LATENESS, gap = "the gap is the first argument: `weir.session \"30m\"`",
    timeout = "the gap is the first argument: `weir.session \"30m\"`",
  },
  write = {
    sep = "weir calls it `delimiter`", separator = "weir calls it `delimiter`",
    append = MODE, if_exists = MODE, overwrite = MODE,
    partition_cols = "weir calls it `partition_by`", partitionby = "weir calls it `partition_by`",
    partitioned_by = "weir calls it `partition_by`",
    index = "rows have no index: leave it out", columns = "`:select` before it says which",
  },
  match = {
    partition_by = "`:group_by \"user\"` stands before it",
    order_by = "rows come in the order of event time",
    subset = "an alternative says it: `(a | b)`",
    after_match = "weir calls it `after`: \"past last\", \"next\", \"first v\", \"last v\"",
    skip = "weir calls it `after`: \"past last\", \"next\", \"first v\", \"last v\"",
    rows_per_match = "weir calls it `rows`: \"one\" or \"all\"",
    timeout = "weir calls it `within`", window = "weir calls it `within`",
  },
  lookup = {
    left_on = BOTH_KEYS, right_on = BOTH_KEYS, by = ON, key = ON, using = ON, suffix = PREFIX,
    suffixes = PREFIX,
  },
  asof_join = {
    left_by = BOTH_KEYS, right_by = BOTH_KEYS, by = ON, key = ON, using = ON, suffix = PREFIX,
    suffixes = PREFIX, tolerance = MAX_AGE, within = MAX_AGE, left_on = EVENT_TIME,
    right_on = EVENT_TIME, strategy = "weir calls it `direction`",
    allow_exact_matches = "`before = true` leaves out rows of the same time",
  },
}

--- The help for an option by another's name, if there is one.
---@return string?
function M.option(stage, name)
  local options = M.OPTIONS[stage]
  return options and type(name) == "string" and options[name:lower()] or nil
end

--- What weir calls a stage, if it has it.
---@param name string in any case
---@param known table<string, any> the stages that there are
---@return string?
function M.stage(name, known)
  local ours = M.STAGES[name:lower()] or M.join_kind(name) and "join"
  ours = ours == "join" and not known.join and "lookup" or ours
  return ours and known[ours] and ours or nil
end

return M
