--- What is promised of the rows of each source in each sink: whether a row can be lost, or be there
--- twice, when a run is stopped anywhere and goes on. One table of sources and one of sinks; what
--- `weir check` and `weir explain` say of a script, `weir help promises` and the reference come
--- from them, and tests/program/promises.py runs and kills each pair.
local M = {}

M.ONCE = "exactly once"
M.BY_KEY = "effectively once, by key"
M.AGAIN = "at least once"
M.REFUSED = "refused"

--- How a source is found again. `kind` and `resume`: as `native.explain` says them; `given`: what
--- must hold for a restart to read what an undisturbed run would have; `how`: where it goes on.
M.SOURCES = {
  { name = "files", kind = "file", resume = "exact",
    how = "at its byte; what was read before it is compared (W616)" },
  { name = "standard input", kind = "file", resume = "start",
    how = "at its byte, and needs all of it once more; other bytes are refused (W616)",
    given = "the same bytes are given once more from their start",
    stronger = "let the program that feeds it write a file, and read that by `follow`" },
  { name = "files that grow", kind = "follow", resume = "exact",
    how = "at its byte, through rotations" },
  { name = "directories that fill", kind = "watch", resume = "exact",
    how = "at its byte; rows leave when a checkpoint says which files are read in which order" },
  { name = "rows of the script", kind = "rows", resume = "exact", how = "at its row" },
  { name = "generate", kind = "generate", resume = "exact", how = "at its row" },
  { name = "nexmark", kind = "nexmark", resume = "exact", how = "at its event" },
  { name = "SQLite", kind = "sqlite", resume = "count",
    how = "behind as many rows as it had read",
    given = "the table has not changed meanwhile, and a query has an `order by`",
    stronger = "begin with a new state where the table changes" },
  { name = "PostgreSQL table", kind = "postgres", resume = "key",
    how = "behind the last primary key that it had read; without such a key as a query",
    given = "rows behind the last checkpoint have not changed meanwhile" },
  { name = "PostgreSQL query", kind = "postgres", resume = "count",
    how = "behind as many rows as it had read",
    given = "what it reads has not changed meanwhile, and it has an `order by`",
    stronger = "read a table with a primary key: it is found again by that" },
}

--- Not a source: a stage above the sink gives other rows when it runs again.
M.VARYING = { name = "any, and rows that vary", varies = true,
  how = "there, and a stage may give other rows than before: `lookup` into a database that drops "
    .. "or multiplies rows, `reload`, `processing_time` before a window, a `filter` by `now()`, "
    .. "windows, joins and unions of inputs that grow, which go on by the clock while those are "
    .. 'quiet (`idle`), and without event time by what comes first, `emit "update"`, which gives '
    .. "one change for all that come in one batch" }

local PUT_BACK = "what its keys had before is in the same transaction, and is put back first"

--- How a sink survives a restart. `delivery` and `by_key`: as `native.explain` says them; `modes`:
--- of a file's; `undoes`: how rows that the state does not know of are taken back; `why`: for its
--- promise; `tests`: beside the one that runs every pair.
M.SINKS = {
  { name = "file", kinds = { "file" }, delivery = "follows", modes = { replace = true, new = true },
    why = "the state keeps how long the file is, and a restart cuts it there",
    tests = { "tests/faults/pipelines/windows.lua" } },
  { name = "file, append", kinds = { "file" }, delivery = "follows", modes = { append = true },
    why = "the state keeps how long the file is, and a restart cuts it there",
    tests = { "tests/faults/pipelines/append.lua" } },
  { name = "directory", kinds = { "partitions" }, delivery = "follows",
    why = "the state keeps which files there are and how long they are",
    tests = { "tests/faults/pipelines/partitions.lua" } },
  { name = "SQLite", kinds = { "sqlite" }, delivery = "decides", by_key = false,
    undoes = "which rows are new is in the same transaction, and they are taken back first; not of "
      .. "a virtual table, one `without rowid` or with `on conflict replace`: a note says so when "
      .. "the run begins, and some may be there twice",
    why = "rows and their number are one transaction of the file",
    tests = { "tests/faults/pipelines/appends.lua", "tests/faults/pipelines/varied.lua",
      "tests/unit/conn/test_sqlite_restart.c", "tests/unit/conn/test_sqlite_undo_rows.c" } },
  { name = "SQLite, by key", kinds = { "sqlite" }, delivery = "decides", by_key = true,
    undoes = PUT_BACK,
    why = "rows and their number are one transaction of the file",
    tests = { "tests/faults/pipelines/upsert.lua", "tests/faults/pipelines/undone.lua",
      "tests/unit/conn/test_sqlite_undo.c" } },
  { name = "table in the state", kinds = { "state" }, delivery = "follows",
    why = "its rows are part of the checkpoint, in one transaction",
    tests = { "tests/faults/pipelines/instate.lua", "tests/program/instate.py" } },
  { name = "PostgreSQL", kinds = { "postgres" }, delivery = "decides", by_key = false,
    undoes = "which rows are new is in the same transaction, and they are taken back first; not of "
      .. "a foreign table or a view: a note says so when the run begins, and some may be there "
      .. "twice",
    why = "rows and their number are one transaction of the database",
    tests = { "tests/postgres/faults.py", "tests/postgres/undo_rows.py" } },
  { name = "PostgreSQL, by key", kinds = { "postgres" }, delivery = "decides", by_key = true,
    undoes = PUT_BACK,
    why = "rows and their number are one transaction of the database",
    tests = { "tests/postgres/faults.py", "tests/postgres/undo.py" } },
  { name = "terminal", kinds = { "print", "stdout", "file", "tap" }, delivery = "plain",
    why = "what was shown cannot be taken back: rows behind the last checkpoint are shown again",
    stronger = "write to a file or a database",
    tests = { "tests/pipelines/restarts.py" } },
  { name = "blackhole", kinds = { "blackhole" }, delivery = "follows",
    why = "the state keeps its count and its checksum",
    tests = { "tests/pipelines/restarts.py" } },
}

--- `weir help promises`.
M.TOPIC = {
  title = "What is promised of each row",
  text = [[
  weir check clicks.lua           says it of each sink of a script
  weir check clicks.lua --json

With --state a run may be stopped, killed, or lose its power, anywhere:

exactly once
  each row is there once when the run has gone on to its end. Files follow the
  state, which keeps how long they are; `state:TABLE` stands in it; SQLite and
  PostgreSQL keep the number of their rows in the transaction of those rows, and
  rows that come again are passed over. Where others may come, a table by key
  gets back first what its keys had before (`weir_undo`): rows that somebody
  changed meanwhile too, but for columns that the stream does not have. From a
  table without a key the new rows are taken away first; those that somebody
  changed meanwhile stay, and a note says how many.
effectively once, by key
  rows may be written again with other values, over the rows with their key; a
  row that does not come again stays: a run that begins anew, without a state.
at least once
  none is lost, and those behind the last checkpoint may be there twice: what
  was shown on a terminal cannot be taken back.

A source must give again what it gave: files are compared, and refused where
they are others (W616); the standard input must be given once more from its
start; of a database `weir check` says what must not change meanwhile. Where a
stage may give other rows when it runs again (`lookup` into a database that
drops or multiplies rows, `reload`, `processing_time` before a window, `now()`
in a `filter`; windows, joins and unions of inputs that grow, which go on by the
clock while those are quiet (`idle`), and without event time by what comes
first, so that another life may find rows that this one did not wait for; `emit
"update"`, which gives one change for all that come in one batch), some tables
without a key may have some rows twice: of SQLite those that are virtual, or
`without rowid`, or where a row takes the place of others (`on conflict
replace`); of PostgreSQL foreign tables and views. A note says so when the run
begins. What a trigger did elsewhere is not taken back. Files, tables in the
state, and all other tables hold each row once also then. Columns with `now()`,
or with what a `lookup` found, have the value of one attempt.

Without a state a run begins anew: a file appears when a run is complete, and
all rows of a run are one transaction of a database, so a complete run is there
once; `mode = "append"` of a file, and inputs without end, may give rows twice.
The table of all sources and sinks, with the test of each pair, stands in
docs/reference/promises.md.
]],
}

--- Why the rows of a stage vary, by its name in a plan; any other calls `now()` or `random()`.
local WHY = {
  lookup = "asks a database again, or reads its table again",
  event_time = "gives rows the time of the clock",
  agg = "leaves by the clock",
  rejects = "leaves as rejects of several stages or inputs come",
}
local BY_CLOCK = "goes on by the clock while its inputs are quiet (`idle` of `event_time`)"
local BY_ARRIVAL = "takes rows of inputs that never end as they come, without event time"
local CHANGES = "gives one change for all of a key that come in one batch"
local VARIES = "may give other rows when it runs again: it calls `now()` or `random()`"

local function has(list, x)
  for _, each in ipairs(list) do
    if each == x then
      return true
    end
  end
  return false
end

--- The entry of a source of a plan.
---@param node table as of `native.explain`
function M.source_of(node)
  for _, each in ipairs(M.SOURCES) do
    if each.kind == node.endpoint and each.resume == node.resume then
      return each
    end
  end
  return nil
end

--- The entry of a sink of a plan.
---@param node table as of `native.explain`
function M.sink_of(node)
  local mode = (node.mode or "") == "" and "replace" or node.mode
  for _, each in ipairs(M.SINKS) do
    if has(each.kinds, node.endpoint) and each.delivery == node.delivery
      and (each.by_key == nil or each.by_key == node.by_key)
      and (each.modes == nil or each.modes[mode]) then
      return each
    end
  end
  return nil
end

--- The promise of a source in a sink, with a state. The rule that the whole table follows.
---@param source table of SOURCES, or VARYING
---@param sink table of SINKS
function M.promise(source, sink)
  if sink.delivery == "plain" then
    return M.AGAIN
  elseif sink.delivery == "follows" or sink.undoes or not source.varies then
    return M.ONCE
  end
  return M.AGAIN
end

--- What holds of a sink without a state: a run begins anew.
local function without(node, sink)
  local ends = node.bounded
  if sink.delivery == "plain" then
    return M.AGAIN, "a run that begins anew shows all rows again"
  elseif node.endpoint == "blackhole" then
    return M.ONCE, "it keeps nothing"
  elseif node.endpoint == "state" then
    return M.REFUSED, "there is no state file for it to stand in (W624)"
  elseif node.endpoint == "file" and sink.modes.append then
    return M.AGAIN, "a run that begins anew adds all rows again"
  elseif node.endpoint == "partitions" and node.mode == "append" and not node.rolls then
    return M.AGAIN, ends and "its files appear when the run is complete, and a run that begins "
      .. "anew adds others with all rows again"
      or "they would appear when the run is complete, and this input never ends"
  elseif node.rolls then
    return M.AGAIN, "each file stays when it is complete, and a run that begins anew writes them "
      .. "again"
  elseif sink.delivery == "follows" then
    return M.ONCE, ends and "it appears when the run is complete; until then the old one stays"
      or "it would appear when the run is complete, and this input never ends"
  elseif ends then
    return M.ONCE, "all rows of a run are one transaction at its end; one that was stopped before "
      .. "has written none"
  elseif node.by_key then
    return M.BY_KEY, "a run that begins anew writes all rows again, over their keys"
  end
  return M.AGAIN, "rows are there after each `checkpoint`, and a run that begins anew adds them "
    .. "again"
end

--- Of a sink that nobody will see anything of: it appears when its input ends, and that never does.
local function unseen(nodes, node)
  local input = nodes[(node.inputs or {})[1]] or {}
  local endless = not node.bounded
  for _, each in pairs(nodes) do
    if each.op == "limit" then -- it ends what it has enough of
      return nil
    end
    endless = endless or input.op == "rejects" and each.bounded == false
  end
  local is_file = node.endpoint == "file" or node.endpoint == "partitions"
  local in_parts = node.endpoint == "partitions" -- which are there when they are complete
  local appends = node.mode == "append" and not in_parts or is_file and node.rolls
  local is_beside = is_file and node.delivery == "follows" or node.mode == "replace"
  return endless and is_beside and not appends
    and "its input never ends, and it would appear at the end of that; rows are there after each "
      .. (in_parts and "checkpoint with `roll`"
        or "checkpoint with `mode = \"append\"`, or in a `directory/` with `roll`") or nil
end

--- All nodes above one, itself included, the first ones first.
local function above(nodes, node, seen, found)
  if node and not seen[node.id] then
    seen[node.id] = true
    for _, id in ipairs(node.inputs or {}) do
      above(nodes, nodes[id], seen, found)
    end
    found[#found + 1] = node
  end
  return found
end

--- The stage that makes rows vary: its own rows do, and those of its inputs do not.
local function varying(chain)
  for _, node in ipairs(chain) do
    if node.same_rows == false then
      local first
      for _, each in ipairs(chain) do
        first = first or not each.repeatable and each or nil
      end
      return first or node
    end
  end
  return nil
end

--- "clicks.lua:4:6" → "4:6".
local function place_of(node)
  return node.script and node.script:match(":(%d+:%d+)$") or ""
end

local function of_sink(nodes, node)
  local sink = M.sink_of(node)
  local chain = above(nodes, node, {}, {})
  local stage = node.same_rows == false and varying(chain) or nil
  local row = { id = node.id, name = node.name, script = node.script, given = {}, stronger = {} }
  row.promise = M.promise({ varies = stage ~= nil }, sink)
  row.why = sink.why
  if stage and sink.delivery == "decides" then
    local why = stage.repeatable and CHANGES or stage.by_clock and BY_CLOCK
      or stage.by_arrival and BY_ARRIVAL or WHY[stage.op]
      or VARIES
    row.why = ("`%s`%s %s"):format(stage.op,
      place_of(stage) ~= "" and (" (%s)"):format(place_of(stage)) or "", why)
      .. (sink.undoes and "; " .. sink.undoes or "")
    row.stronger[1] = row.promise ~= M.ONCE
      and "a file follows the state: exactly once, whatever varies" or nil
  end
  row.stronger[#row.stronger + 1] = sink.stronger
  local seen = {}
  for _, each in ipairs(chain) do
    local source = each.resume and not each.asked and M.source_of(each)
    if source and not seen[source] then
      seen[source] = true
      row.given[#row.given + 1] = source.given and ("%s: %s"):format(each.name, source.given)
      row.stronger[#row.stronger + 1] = source.given and source.stronger
    end
  end
  row.unseen = unseen(nodes, node)
  row.without = {}
  row.without.promise, row.without.why = without(node, sink)
  return row
end

--- What is promised of each sink of a plan, in the order of the script.
---@param plan table as of `native.explain`
---@return table[] rows {name=, script=, promise=, why=, unseen=, given={…}, stronger={…},
--- without={…}}
function M.of_plan(plan)
  local nodes, rows = {}, {}
  for _, node in ipairs(plan.nodes) do
    nodes[node.id] = node
  end
  for _, node in ipairs(plan.nodes) do
    if node.delivery and not node.audits then
      rows[#rows + 1] = of_sink(nodes, node)
    end
  end
  return rows
end

--- Lines about the sinks of one script.
---@param rows table[] as of `of_plan`
---@param state string? what the script's settings name
function M.text(rows, state)
  local lines = {}
  local function add(first, text) -- lines of at most 80 columns, where words allow it
    require("weir.help").wrap(lines, first, text, #first:match("^ *") + 2)
  end
  for _, row in ipairs(rows) do
    lines[#lines + 1] = (row.script and row.script .. ": " or "") .. row.name
    if row.unseen then
      add("  nobody sees it: ", row.unseen)
    end
    add((state and "  with the state " .. state or "  with --state") .. ": ",
      row.promise .. ": " .. row.why)
    for _, given in ipairs(row.given) do
      add("    if of ", given)
    end
    for _, stronger in ipairs(row.stronger) do
      add("    stronger: ", stronger)
    end
    if not state then
      add("  without: ", row.without.promise .. ": " .. row.without.why)
    end
  end
  return #lines > 0 and table.concat(lines, "\n") .. "\n" or ""
end

--- The rows of several scripts, for `--json`, and what was said of each.
---@param list { script: string, state: string?, sinks: table[]?, diagnostics: table[] }[]
function M.json(list)
  local json = require("weir.json")
  local function as_list(x)
    return next(x) == nil and setmetatable(x, json.LIST) or x
  end
  for _, each in ipairs(list) do
    as_list(each.diagnostics)
    for _, row in ipairs(each.sinks and as_list(each.sinks) or {}) do
      as_list(row.given)
      as_list(row.stronger)
    end
  end
  return json.encode({ scripts = as_list(list) }, "")
end

--- Rows of the table, the sources; the last one is of rows that vary.
function M.rows()
  local rows = { table.unpack(M.SOURCES) }
  rows[#rows + 1] = M.VARYING
  return rows
end

--- The test that runs and kills each pair.
M.TEST = "tests/program/promises.py"

return M
