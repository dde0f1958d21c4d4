--- `weir state`: looks into a state that no run holds. What it knows without the script comes from
--- the state; rows of a stage need the script that wrote it, whose path stands in the state.
local cli = require("weir.cli")
local report = require("weir.report")
local M = {}

M.SAVE_TIMEOUT = "1m" -- that a checkpoint of a run is waited for
M.ACTIONS = { "ls", "show", "query", "export", "verify", "reset", "save" }

--- How a stage is called: its name, its address, or what it is.
local function title(stage)
  local address = stage.address and stage.address:gsub("^%S+%s*", "") or ""
  return stage.name or address ~= "" and address or stage.stage
end

--- The name of a stage's table in SQL: what the script calls it, else as `agg_7`.
local function table_name(stage)
  return stage.name or ("%s_%d"):format(stage.stage, stage.number)
end

local UNITS = { "B", "KB", "MB", "GB", "TB" }

local function size_text(bytes)
  local at = 1
  while bytes >= 1024 and at < #UNITS do
    bytes, at = bytes / 1024, at + 1
  end
  return at == 1 and ("%d B"):format(bytes) or ("%.1f %s"):format(bytes, UNITS[at])
end

--- Lines of cells, in columns.
local function columns(rows)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for c, cell in ipairs(row) do
      widths[c] = math.max(widths[c] or 0, utf8.len(cell) or #cell)
    end
  end
  for i, row in ipairs(rows) do
    local cells = {}
    for c, cell in ipairs(row) do
      cells[c] = c == #row and cell
        or cell .. (" "):rep(widths[c] - (utf8.len(cell) or #cell))
    end
    lines[i] = (table.concat(cells, "  "):gsub("%s+$", "")) .. "\n"
  end
  return table.concat(lines)
end

local function keeps(stage)
  return stage.parts > 0
end

local function stage_row(stage)
  local through
  if stage.kind == "source" then
    through = report.number(stage.rows_in) .. (stage.ended and " read, to the end" or " read")
  elseif stage.kind == "sink" then
    through = ("%s written"):format(report.number(stage.rows_in))
  else
    through = stage.rows > 0 and ("%s kept"):format(report.number(stage.rows)) or ""
  end
  if (stage.waiting or 0) > 0 then -- for rows of another input
    through = ("%s%s%s waiting (%s)"):format(through, through ~= "" and ", " or "",
      report.number(stage.waiting), size_text(stage.waiting_bytes))
  end
  return { tostring(stage.number), stage.kind, title(stage), through, size_text(stage.bytes),
    stage.frontier or "", stage.place or "" }
end

--- All that a state has, as text.
---@param state table as `native.state` gives it
---@return string
function M.text(state)
  local head = ("state %s, checkpoint %d%s: %s rows read, %s rejected, %s late; %s in %d parts\n")
    :format(state.state, state.checkpoint, state.saved and " of " .. state.saved or "",
      report.number(state.rows_in), report.number(state.rejected), report.number(state.late),
      size_text(state.bytes), state.parts)
  if (state.rejects_waiting or 0) > 0 then
    head = ("%s%s rejects wait for the end of the input, which decides their order\n"):format(head,
      report.number(state.rejects_waiting))
  end
  local rows = { { "no", "kind", "name", "rows", "size", "watermark", "script" } }
  for _, stage in ipairs(state) do
    if keeps(stage) then
      rows[#rows + 1] = stage_row(stage)
    end
  end
  for _, each in ipairs(state.tables) do
    rows[#rows + 1] = { "", "table", each.name, report.number(each.rows) .. " in it" }
  end
  return #rows == 1 and head or head .. columns(rows)
end

--- The same for machines.
---@return string
function M.json(state)
  local out, stages = {}, {}
  for key, x in pairs(state) do
    if type(key) == "string" then
      out[key] = x
    end
  end
  if #state.tables == 0 then
    out.tables = setmetatable({}, require("weir.json").LIST)
  end
  for _, stage in ipairs(state) do
    if keeps(stage) then
      stages[#stages + 1] = stage
    end
  end
  out.stages = stages
  return require("weir.json").encode(out, "") .. "\n"
end

--- The stages that a name or number means; all that keep rows where it is nil.
local function find(state, name)
  local found, known = {}, {}
  for _, stage in ipairs(state) do
    if keeps(stage) and (name == nil or name == tostring(stage.number) or name == title(stage)
      or name == table_name(stage)) then
      found[#found + 1] = stage
    end
    if keeps(stage) then
      known[#known + 1] = title(stage)
    end
  end
  if name and #found == 0 then
    local near = require("weir.suggest").nearest(name, known)
    cli.fail(("the state has nothing that is called `%s`"):format(name),
      near and ("did you mean `%s`?"):format(near) or "it has: " .. table.concat(known, ", "))
  end
  return found
end

--- One stage, of several that are called the same.
local function find_one(state, name)
  local found = find(state, name)
  if #found > 1 then
    local numbers = {}
    for i, stage in ipairs(found) do
      numbers[i] = ("%d (%s)"):format(stage.number, stage.place or stage.stage)
    end
    cli.fail(("`%s` is several stages: %s"):format(name, table.concat(numbers, ", ")),
      "give the number")
  end
  return found[1]
end

--- The table of a sink that stands in the state, by its name or by what the sink is called.
local function find_table(state, name)
  local wanted = {}
  for _, stage in ipairs(state) do
    local of = stage.kind == "sink" and (stage.address or ""):match("^state (.*)$")
    if of and (name == stage.name or name == tostring(stage.number)) then
      wanted[of] = true
    end
  end
  for _, each in ipairs(state.tables) do
    if each.name == name or wanted[each.name] then
      return each
    end
  end
  return nil
end

local function is_op(stage)
  return stage.kind == "stage" and keeps(stage) and stage.bytes > 0
end

-- ── actions ─────────────────────────────────────────────────────────────────────────────────────
--- Each is given what main hands over: run, state (as read), words behind DIR, and the functions
--- `script(name)`, which reads one, `options(made)` of a run of it, `query(text, tell)`, which runs
--- a text, and `fail(err)`.
local ACTIONS = {}

local function show_rows(host, made, stage, spec)
  local options = host.options(made)
  options.shards = math.max(host.state.shards, 1)
  return host.run.native.state_rows(made:plan(), options, stage.number, spec)
end

--- The script of `--script`, or that of the state.
local function script_of(host)
  local name = host.run.options.script or host.state.script
  if not name then
    cli.fail("the state does not know its script", "name it: --script FILE")
  end
  local made, code, err = host.script(name)
  if err and err.code == "W106" then
    host.run.err(("note: rows of a stage are read by the script that wrote the state, %s: give it "
      .. "the -p of that run\n"):format(name))
  end
  return made, code
end

function ACTIONS.ls(host)
  host.run.out(host.run.options.json and M.json(host.state) or M.text(host.state))
  return 0
end

--- Rows of one stage to stdout.
local function print_stage(host, format)
  local stage = find_one(host.state, host.words[1])
  if not is_op(stage) then
    cli.fail(("`%s` keeps no rows: it is a %s"):format(title(stage), stage.kind),
      "`weir state ls DIR` says what it has")
  end
  local made, code = script_of(host)
  if not made then
    return code
  end
  local rows, err = show_rows(host, made, stage, {
    op = "print", endpoint = { kind = "print" }, format = format and { name = format } or nil,
  })
  if not rows then
    return host.fail(err)
  elseif rows == 0 then
    host.run.err(("note: `%s` keeps %s rows, and gives none of them at the end of its input\n")
      :format(title(stage), report.number(stage.rows)))
  end
  return 0
end

--- Rows of a table: what `rest` does with them.
local function read_table(host, name, rest)
  return host.query(("weir.read(%q, { table = %q })%s"):format(
    "sqlite:" .. host.directory .. "/state.db", name, rest))
end

local function print_table(host, each, format)
  return read_table(host, each.name, (":print { format = %s }"):format(
    format and ("%q"):format(format) or "nil"))
end

function ACTIONS.show(host)
  if #host.words == 0 then
    return ACTIONS.ls(host)
  end
  local of_sink = find_table(host.state, host.words[1])
  if of_sink then
    return print_table(host, of_sink, host.run.options.format)
  end
  local stage = find_one(host.state, host.words[1])
  if not is_op(stage) then
    host.run.out(columns({ { "no", "kind", "name", "rows", "size", "watermark", "script" },
      stage_row(stage) }))
    return 0
  end
  return print_stage(host, host.run.options.format)
end

function ACTIONS.export(host)
  if #host.words ~= 1 then
    cli.fail("which stage?", "weir state export DIR NAME [--format csv] > FILE")
  end
  local of_sink, format = find_table(host.state, host.words[1]), host.run.options.format or "ndjson"
  return of_sink and print_table(host, of_sink, format) or print_stage(host, format)
end

--- The statement, and the word of it that the error names: "near `frm`", "no such table: nope".
local function place_in(sql, message)
  local word = message:match('near "([^"]+)"') or message:match(": ([%w_.]+)$")
    or message:match("name `([^`]+)`")
  local from = word and (word:find("^[%w_]+$") and sql:find("%f[%w_]" .. word .. "%f[^%w_]")
    or sql:find(word, 1, true))
  local before = sql:sub(1, (from or 1) - 1)
  local _, breaks = before:gsub("\n", "")
  local start = #(before:match("^.*\n") or "")
  return {
    file = "SQL", line = breaks + 1, col = (from or 1) - start,
    caret_len = from and #word or #sql:match("^[^\n]*"),
    source_line = sql:sub(start + 1):match("^[^\n]*"),
  }
end

--- The error of a query as one of the statement, which stands in no script; `path` is where the
--- rows are meanwhile, which nobody knows.
---@param err table a diagnostic
---@return table err
function M.of_statement(err, sql, path, directory)
  local message = err.message:gsub("^option `query`: ", ""):gsub("^option `query`", "it")
  local at = message:find(path, 1, true)
  if at then
    message = message:sub(1, at - 1) .. directory .. message:sub(at + #path)
  end
  err.message, err.mark, err.help, err.also = message, nil, nil, nil
  err.located, err.notes = place_in(sql, message), nil
  return err
end

--- The name of a stage's table beside those that sinks have in the state.
local function free_name(stage, taken)
  local name = table_name(stage)
  return taken[name:lower()] and ("%s_%d"):format(stage.stage, stage.number) or name
end

--- Each stage's rows, and each table of a sink, become a table of a file that is gone afterwards,
--- which the SQL then reads.
function ACTIONS.query(host)
  if #host.words ~= 1 then
    cli.fail("which SQL?", "weir state query DIR \"select … from agg_3\"")
  end
  local tables, path, taken = {}, host.temporary(), {}
  local code = 0
  for _, each in ipairs(host.state.tables) do
    local rest = ":write(%q, { table = %q, mode = \"append\" })"
    code = code == 0 and read_table(host, each.name, rest:format("sqlite:" .. path, each.name))
      or code
    tables[#tables + 1], taken[each.name:lower()] = each.name, true
  end
  for _, stage in ipairs(host.state) do
    if code == 0 and is_op(stage) then
      local made, failed = script_of(host)
      local ok, err, name = nil, nil, free_name(stage, taken)
      if made then
        ok, err = show_rows(host, made, stage, { op = "write", options = { mode = "append" },
          endpoint = { kind = "sqlite", address = path, options = { table = name } } })
      end
      if ok then
        tables[#tables + 1] = name
      elseif failed or err.code == "W601" then
        code = failed or host.fail(err)
      end
    end
  end
  if code == 0 then
    local sql = host.words[1]
    code = host.query(("weir.read(%q, { query = %q }):print()"):format("sqlite:" .. path, sql),
      function(err)
        return M.of_statement(err, sql, path, host.directory),
          "note: the tables are: " .. table.concat(tables, ", ") .. "\n"
      end)
  end
  os.remove(path)
  return code
end

function ACTIONS.verify(host)
  local checked, err = host.run.native.state(host.directory, true)
  if not checked then
    return host.fail(err)
  end
  host.run.out(("state %s is whole: checkpoint %d, %d parts, %s\n"):format(host.directory,
    checked.checkpoint, checked.parts, size_text(checked.bytes)))
  return 0
end

function ACTIONS.reset(host)
  local stage = host.words[1] and find_one(host.state, host.words[1])
  if not host.run.options.yes then
    local also = {}
    for i, each in ipairs(stage and {} or host.state.tables) do
      also[i] = ("%s `%s` (%s)"):format(i == 1 and ", with the tables in it:" or ",", each.name,
        report.number(each.rows))
    end
    cli.fail(("this throws away %s%s"):format(stage
      and ("what `%s` has kept"):format(title(stage)) or "the whole state", table.concat(also)),
      "with --yes it is done; `weir state save DIR TO` makes a copy before")
  end
  local ok, err = host.run.native.state_reset(host.directory, stage and stage.number)
  if not ok then
    return host.fail(err)
  end
  host.run.err(("state %s: %s is reset\n"):format(host.directory,
    stage and ("`%s`"):format(title(stage)) or "all of it"))
  return 0
end

function ACTIONS.save(host)
  if #host.words ~= 1 then
    cli.fail("where to?", "weir state save DIR TO")
  end
  local to, limit = host.words[1], host.run.options.timeout or M.SAVE_TIMEOUT
  local us = require("weir.duration").parse(limit, {})
  if not us then
    cli.fail(("--timeout takes a duration, got `%s`"):format(limit), "as 30s or 5m")
  end
  local ok, err = host.run.native.state_save(host.directory, to, us)
  local made = ok and host.run.native.state(to, false)
  if not made then
    return host.fail(err)
  end
  host.run.err(("checkpoint %d of %s is saved in %s\n"):format(made.checkpoint, host.directory, to))
  return 0
end

--- `state ACTION DIR …`.
---@param host table see above; `words` are all words of the command line
---@return integer exit_code
function M.run(host)
  local action, directory = host.words[1], host.words[2]
  if not ACTIONS[action or ""] then
    local near = action and require("weir.suggest").nearest(action, M.ACTIONS)
    cli.fail(action and ("`weir state` knows no `%s`"):format(action) or "what about the state?",
      near and ("did you mean `weir state %s`?"):format(near)
        or "it knows " .. table.concat(M.ACTIONS, ", "))
  elseif not directory then
    cli.fail("no state is named", ("weir state %s DIR"):format(action))
  end
  host.words, host.directory = table.move(host.words, 3, #host.words, 1, {}), directory
  local err
  if action ~= "verify" and action ~= "save" then
    host.state, err = host.run.native.state(directory, false)
    if not host.state then
      return host.fail(err)
    end
  end
  return ACTIONS[action](host)
end

return M
