--- The command line: `weir run | check | explain | plan | schema pull | test | help | version`, and
--- `weir file.lua`, which is `run`. The standard output holds data only; all else goes to stderr.
--- Exit codes: 0 done · 1 failed · 2 usage · 3 error in a script · 4 too many bad rows · 6 no input
--- matched, or no tests · 130, 143 interrupted.
local cli = require("weir.cli")
local diag = require("weir.diag")
local telling = require("weir.tell")
local M = {}

M.EXIT = { DONE = 0, FAILED = 1, USAGE = 2, SCRIPT = 3, BAD_ROWS = 4, NO_INPUT = 6 }
local EXIT = M.EXIT
local show = telling.show

--- May stderr be coloured? Flag, then the environment, then whether it is a terminal.
---@param when "auto"|"always"|"never"|nil
---@param getenv fun(name: string): string?
---@param terminal boolean
---@return boolean
function M.use_color(when, getenv, terminal)
  local function set(name)
    local text = getenv(name)
    return text ~= nil and text ~= "" and text ~= "0"
  end
  if when == "always" or when == "never" then
    return when == "always"
  elseif (getenv("NO_COLOR") or "") ~= "" then
    return false
  elseif set("CLICOLOR_FORCE") or set("FORCE_COLOR") then
    return true
  end
  return terminal and getenv("TERM") ~= "dumb"
end

--- Exit code of an error that reading a script gave.
local function script_code(err)
  local of_the_world = err.code and err.code >= "W610" and err.code <= "W619"
  return err.no_input and EXIT.NO_INPUT or of_the_world and EXIT.FAILED or EXIT.SCRIPT
end

-- ── reading scripts ─────────────────────────────────────────────────────────────────────────────

--- Names the options of a script that the command line gives to all commands.
local function load_fields(run, name)
  local options = run.options
  local fields = {
    native = run.native, name = name, params = options.params, allow = options.allow,
    trace = options.trace, strict = options.strict, format = options.format,
    verify_locks = options.command == "run", runs = options.command == "run",
    state = options.state, collects = options.command == "check",
  }
  if name == "-" then
    fields.name, fields.text, fields.directory = "stdin", io.read("a"), "."
  elseif options.text then
    fields.name, fields.text, fields.directory = "-e", options.text, "."
    if options.text:find("^%s*:") then
      local one_liner = require("weir.one_liner")
      local before = "return input"
      fields.text, fields.bytes_before = before .. options.text, #before
      fields.globals = function(made)
        return { input = one_liner.input(made, options.words, one_liner.options(options.read)) }
      end
      fields.after = one_liner.show
    end
  end
  return fields
end

--- The first `-p` that the script does not declare, and the parameter that it may mean.
local function undeclared(run, made)
  for _, name in ipairs(cli.names_of(run.options.params)) do
    if not made.params[name] then
      return name, require("weir.suggest").nearest(name, made:param_names())
    end
  end
  return nil
end

--- A `-p` that the script does not declare is a usage error.
local function check_params(run, made)
  local name, near = undeclared(run, made)
  if name then
    local names = made:param_names()
    cli.fail(("-p %s: the script declares no parameter `%s`"):format(name, name),
      near and ("did you mean `-p %s=…`?"):format(near)
        or (#names > 0 and "parameters: " .. table.concat(names, ", ")
          or "`weir.params \"name type\"` declares one"))
  end
end

--- The same of a script that has an error, which may come of it: a path that is the default one is
--- not there. What lies behind the error may declare more.
local function check_params_so_far(run, failed)
  local name, near = undeclared(run, failed)
  if near then
    check_params(run, failed)
  elseif name and #failed:param_names() > 0 then
    run.err(("note: -p %s: the script declares no parameter `%s` before its error\n"):format(name,
      name))
  end
end

--- Reads the script of a run, check or explain.
---@return table? script, integer? exit_code, table? err
local function read_script(run, name, writes_needed)
  local made, err, failed = require("weir.load").script(load_fields(run, name))
  if not made then
    if failed then
      check_params_so_far(run, failed)
    end
    for _, each in ipairs(failed and failed.errors or {}) do
      show(run, each)
    end
    if not (failed and failed.errors and failed.errors[1]) then
      show(run, err)
    end
    return nil, script_code(err), err
  end
  check_params(run, made)
  err = made:check_writes()
  if err then
    err.severity = writes_needed and "error" or "warning"
    err.located = { file = run.options.text and "-e" or name, line = 1, col = 1, caret_len = 0 }
    show(run, err)
    if writes_needed then
      return nil, EXIT.SCRIPT
    end
  end
  if telling.lints(run, made) then
    return nil, EXIT.SCRIPT
  end
  return made
end

local function one_script(run)
  local words = run.options.words
  if run.options.text then
    if #words > 0 and not run.options.text:find("^%s*:") then
      cli.fail("-e and a script are given both", "files go with an -e text that begins with `:`")
    end
    return nil
  elseif #words ~= 1 then
    cli.fail(#words == 0 and "no script is named" or "one script at a time",
      "usage: " .. cli.COMMANDS[run.options.command].usage)
  end
  return words[1]
end

-- ── commands ────────────────────────────────────────────────────────────────────────────────────
local COMMANDS = {}

--- The format of `--rejects FILE`, by its name as of `write`; a pipe or a device gets NDJSON.
local function rejects_format(path)
  if path == nil or path == "-" or path:find("^/dev/") then
    return path and "ndjson"
  end
  local name, message, _, is_unknown = require("weir.places").format_of_path(path, "writes")
  if not name then
    cli.fail(("--rejects %s: %s"):format(path, message), ("%sformats: %s"):format(
      is_unknown and "a name as rejects.ndjson or rejects.csv.gz says it; " or "",
      table.concat(require("weir.formats").names("writes"), ", ")))
  end
  return name
end

--- Options of a run: flags first, then the script's settings.
local function run_options(run, made)
  local options, settings = run.options, made.settings
  local function pick(name)
    if options[name] ~= nil then
      return options[name]
    end
    return settings[name]
  end
  local until_rows, until_us = cli.until_of(options["until"], settings.timezone)
  local state = pick("state")
  return {
    batch_rows = options.batch_rows, limit = options.limit,
    until_rows = until_rows, until_us = until_us,
    drains = (options.drain or not state) and 1 or 0,
    rejects = options.rejects, rejects_format = rejects_format(options.rejects),
    max_bad = pick("max_bad"), color = run.out_color,
    state = state, progress = options.progress or "auto",
    memory = settings.memory, on_error = settings.on_error or "reject",
    columns = run.terminal.columns, workers = pick("workers"),
    shards = options.shards,
    shard_seed = options.shard_seed, stop_after = options.stop_after,
    spill_bytes = options.spill_bytes,
    quarantine = settings.quarantine == false and 0 or 1,
    seed = settings.seed or 0, checkpoint = settings.checkpoint,
    allow_rebuild = options.allow_rebuild and 1 or 0, from = options.from,
  }
end

local function end_of_run(run, made, summary, options)
  local report, max_bad = require("weir.report"), options.max_bad
  if summary.was_complete then
    run.err(("note: state %s is of a run that was complete: nothing more was read\n"
      .. "help: to begin anew, use another --state or remove that directory\n")
      :format(options.state))
  end
  if summary.has_reached then
    run.err(("note: stopped at --until %s; without it the run goes on from state %s\n"):format(
      run.options["until"], options.state))
  end
  if options.stop_after and not summary.interrupted and not summary.was_complete then
    run.err(("note: the run ended in step %d: --stop-after %d did not come to stop it\n"):format(
      summary.steps, options.stop_after))
  end
  summary.has_state = options.state ~= nil
  if summary.cut_off then
    run.err(("note: it was %s; %s\n"):format(summary.cut_off,
      options.state and "what came behind the last checkpoint is read again by the next run"
      or "what had not been committed is not written"))
  end
  local kept = run.options.rejects ~= nil or made:reads_rejects()
  for _, line in ipairs(report.rejects(summary, kept)) do
    run.err(line .. "\n")
  end
  run.err(report.line(summary) .. "\n")
  local bad = summary.rejected_total or report.total(summary.rejected or {})
  if summary.interrupted then
    return 128 + summary.interrupted
  elseif max_bad and bad > max_bad then
    show(run, diag.new({}, {
      code = "W604", help = "`--max-bad N` says how many are allowed",
      message = ("%s bad %s, more than %s"):format(report.number(bad), bad == 1 and "row" or "rows",
        report.number(max_bad or 0)),
    }))
    return EXIT.BAD_ROWS
  end
  return EXIT.DONE
end

function COMMANDS.run(run)
  rejects_format(run.options.rejects) -- before anything is read
  local made, code = read_script(run, one_script(run), true)
  if not made then
    return code
  elseif run.options.dry_run then
    run.err(("%s reads without an error; nothing was run\n"):format(made.name))
    return EXIT.DONE
  end
  local options = run_options(run, made)
  if options.rejects and made:replayed()[options.rejects] then
    cli.fail(("--rejects %s: the script reads it again"):format(options.rejects),
      "what is rejected once more goes to another file")
  end
  if run.options.drain and not run.options["until"] then
    cli.fail("--drain goes with --until", "weir run SCRIPT --until 1000rows --drain")
  elseif options.from and not options.state then
    cli.fail("--from goes with --state", "weir run SCRIPT --state DIR --from SAVEPOINT")
  end
  options.tell = function(told) -- where there was a state
    run.err(require("weir.changes").note(told, options.allow_rebuild == 1))
  end
  local summary, err = run.native.run(made:plan(), options)
  if not summary and err.interrupted then
    run.err(("interrupted: %s\n"):format(err.message))
    return 128 + err.interrupted
  elseif not summary then
    show(run, require("weir.load").as_diagnostic(err, made.name))
    return err.no_input and EXIT.NO_INPUT or err.code == "W604" and EXIT.BAD_ROWS or EXIT.FAILED
  end
  return end_of_run(run, made, summary, options)
end

--- `plan SCRIPT [--state DIR] [--from SAVEPOINT]`: exit code 0 where `weir run` would go on without
--- --allow-rebuild.
function COMMANDS.plan(run)
  rejects_format(run.options.rejects)
  local made, code = read_script(run, one_script(run), true)
  if not made then
    return code
  end
  local options, told = run_options(run, made), nil
  if not options.state and not options.from then
    cli.fail("no state is named", "weir plan SCRIPT --state DIR, or --from SAVEPOINT")
  end
  options.tell = function(changes)
    told = changes
  end
  local ok, err = run.native.compare(made:plan(), options)
  if not ok then
    show(run, require("weir.load").as_diagnostic(err, made.name))
    return EXIT.FAILED
  end
  told = told or { state = options.state or options.from, checkpoint = 0, loses = 0, refused = 0 }
  local changes = require("weir.changes")
  run.out(run.options.json and changes.json(told) .. "\n" or changes.text(told))
  return told.loses + told.refused > 0 and EXIT.FAILED or EXIT.DONE
end

--- `state ACTION DIR …`: see weir.state.
function COMMANDS.state(run)
  return require("weir.state").run({
    run = run, words = run.options.words, temporary = os.tmpname,
    script = function(name)
      return read_script(run, name, true)
    end,
    options = function(made)
      local options = run_options(run, made)
      options.state = run.options.words[2]
      return options
    end,
    fail = function(err)
      show(run, require("weir.load").as_diagnostic(err, ""))
      return EXIT.FAILED
    end,
    -- Runs a text as `-e` would. `tell(err)` gives what is shown where that failed, and a note.
    query = function(text, tell)
      local asked = run.options
      run.options = setmetatable({ text = text, params = {} }, { __index = asked })
      local function failed(err, code)
        local told, note = require("weir.load").as_diagnostic(err, ""), ""
        if tell then
          told, note = tell(told)
        end
        show(run, told)
        run.err(note)
        return code
      end
      local function all()
        local made, err = require("weir.load").script(load_fields(run, nil))
        if not made then
          return failed(err, script_code(err))
        end
        local options = run_options(run, made)
        options.state, options.progress = nil, "off"
        local summary
        summary, err = run.native.run(made:plan(), options)
        return summary and EXIT.DONE or failed(err, EXIT.FAILED)
      end
      local code = all()
      run.options = asked
      return code
    end,
  })
end

--- The plan of a script as data; nil where that failed, which is shown.
local function plan_of(run, made)
  local plan, err = run.native.explain(made:plan())
  if not plan then
    show(run, require("weir.load").as_diagnostic(err, made.name))
  end
  return plan
end

--- A script that was read, and its plan; or nil, nil and the exit code.
local function read_plan(run, name, writes_needed)
  local made, code = read_script(run, name, writes_needed)
  local plan = made and plan_of(run, made)
  if not plan then
    return nil, nil, code or EXIT.FAILED
  end
  return made, plan
end

--- The least `memory` of a script in bytes; nil where it has less, which is shown.
local function least_memory(run, made)
  local options = run_options(run, made)
  options.state, options.rejects, options.from, options.progress = nil, nil, nil, "off"
  local least, err = run.native.least_memory(made:plan(), options)
  if not least then
    show(run, require("weir.load").as_diagnostic(err, made.name))
  end
  return least
end

--- Reads one script, and says what is promised of its sinks: as text, or into `list`.
local function check_one(run, name, list)
  run.told = {}
  local about = { script = run.options.text and "-e" or name, diagnostics = run.told }
  list[#list + 1] = about
  local made, plan, code = read_plan(run, name, true)
  if not plan then
    return code
  end
  local least = least_memory(run, made)
  if not least then
    return EXIT.FAILED
  end
  local promises = require("weir.promises")
  local rows = promises.of_plan(plan)
  if run.options.json then
    about.script, about.state, about.sinks = made.name, made.settings.state, rows
  else
    run.out(promises.text(rows, made.settings.state))
    if made.settings.memory then
      run.out(("memory: %d KB, of which a run takes %d KB before its first row\n"):format(
        made.settings.memory >> 10, (least >> 10) + 1))
    end
  end
  return EXIT.DONE
end

--- `sim SCRIPT`: see weir.sim.
function COMMANDS.sim(run)
  return require("weir.sim").run({
    run = run,
    script = function()
      return read_script(run, one_script(run), true)
    end,
    options = run_options,
    fail = function(err, name)
      show(run, require("weir.load").as_diagnostic(err, name))
      return err.no_input and EXIT.NO_INPUT or EXIT.FAILED
    end,
  })
end

function COMMANDS.check(run)
  local words, worst, list = run.options.words, EXIT.DONE, {}
  if run.options.text then
    worst = check_one(run, one_script(run), list)
  elseif #words == 0 then
    cli.fail("no script is named", "usage: " .. cli.COMMANDS.check.usage)
  else
    for _, name in ipairs(words) do
      worst = math.max(worst, check_one(run, name, list))
    end
  end
  if run.options.json then
    run.out(require("weir.promises").json(list) .. "\n")
  end
  return worst
end

--- Runs a script whose plan was explained, and adds what was measured; or shows what failed.
local function analyze(run, made, plan)
  local options = run_options(run, made)
  options.measures, options.state, options.progress = 1, nil, "off"
  local summary, err = run.native.run(made:plan(), options)
  if not summary then
    show(run, require("weir.load").as_diagnostic(err, made.name))
    return err.no_input and EXIT.NO_INPUT or EXIT.FAILED
  end
  require("weir.explain").add_measured(plan, summary)
  return nil
end

--- `--limit` and the like say how a script runs, which without `--analyze` it does not.
local function check_explain_flags(options)
  for _, name in ipairs({ "limit", "batch_rows", "shards" }) do
    if options[name] and not options.analyze then
      cli.fail(("--%s is for `weir explain --analyze`"):format((name:gsub("_", "-"))))
    end
  end
end

function COMMANDS.explain(run)
  check_explain_flags(run.options)
  local made, plan, code = read_plan(run, one_script(run), run.options.analyze)
  if not plan then
    return code
  end
  local explain = require("weir.explain")
  code = run.options.analyze and analyze(run, made, plan)
  if code then
    return code
  end
  explain.name_functions(plan, made:function_places())
  explain.add_written(plan, made.nodes)
  explain.add_promises(plan, made.settings.state)
  if run.options.json then
    run.out(require("weir.json").encode(explain.as_data(plan), "") .. "\n")
  else
    run.out(explain.text(plan))
  end
  return EXIT.DONE
end

function COMMANDS.version(run)
  run.out(("weir %s\n"):format(run.native.version))
  return EXIT.DONE
end

function COMMANDS.help(run)
  local help = require("weir.help")
  local text, missing = help.text(run.options.words, run.native, run.options)
  if not text then
    cli.fail(missing.message, missing.help)
  end
  run.out(text)
  return EXIT.DONE
end

function COMMANDS.test(run)
  return require("weir.test_runner").run(run)
end

--- `schema pull SCRIPT`: writes what its sources are into the lock file beside it.
function COMMANDS.schema(run)
  local words = run.options.words
  if words[1] ~= "pull" or #words ~= 2 then
    cli.fail("`weir schema` knows `pull`", "usage: " .. cli.COMMANDS.schema.usage)
  end
  local name = words[2]
  local load, lock = require("weir.load"), require("weir.lock")
  local fields = load_fields(run, name)
  fields.no_locks, fields.sources_only = true, true
  local made, err = load.script(fields)
  if not made then
    show(run, err)
    return script_code(err)
  end
  local sources, seen = {}, {}
  for _, source in ipairs(made.sources) do
    if source.open and not seen[source.name] then
      seen[source.name] = true
      sources[#sources + 1] = source
    end
  end
  local path = load.lock_path(name)
  local ok, message = load.replace_file(path, lock.text(name, sources))
  if not ok then
    run.err(("weir: %s\n"):format(message))
    return EXIT.FAILED
  end
  run.err(("%s: %d %s\n"):format(path, #sources, #sources == 1 and "source" or "sources"))
  return EXIT.DONE
end

-- ── the program ─────────────────────────────────────────────────────────────────────────────────
local function make_run(native, host)
  host = host or {}
  local getenv = host.getenv or os.getenv
  local terminal = native.terminal and native.terminal() or { stdout = false, stderr = false }
  local run = {
    native = native, terminal = terminal, getenv = getenv, options = {}, all_told = {},
    err = host.err or function(text)
      io.stderr:write(text)
    end,
    color = M.use_color(nil, getenv, terminal.stderr),
  }
  function run.out(text)
    run.has_shown = true
    if host.out then
      return host.out(text)
    end
    io.stdout:write(text)
  end
  return run
end

--- Runs a command line.
---@param argv string[] without the program's name
---@param native table? the native module, `require("weir.native")` by default
---@param host { out: function?, err: function?, getenv: function? }? for tests
---@return integer exit_code
function M.main(argv, native, host)
  local run = make_run(native or require("weir.native"), host)
  local ok, result = xpcall(function()
    run.options = cli.read(argv)
    local options = run.options
    run.color = M.use_color(options.color, run.getenv, run.terminal.stderr)
    run.out_color = M.use_color(options.color, run.getenv, run.terminal.stdout)
    if options.help then -- of the program, where no command is named
      local is_named = options.command ~= "help" or argv[1] == "help"
      options.words = is_named and { "command", options.command } or {}
      return COMMANDS.help(run)
    end
    return COMMANDS[options.command](run)
  end, function(err)
    if type(err) == "table" then
      return err
    end
    return debug.traceback(tostring(err), 2)
  end)
  local code = ok and result or EXIT.FAILED
  if not ok and cli.is_usage(result) then
    telling.usage(run, result)
    code = EXIT.USAGE
  elseif not ok and diag.is(result) then
    show(run, require("weir.load").locate(result))
    code = EXIT.SCRIPT
  elseif not ok then
    run.err(("weir: a bug in weir: %s\n"):format(tostring(result)))
  end
  return telling.close(run, argv, code)
end

return M
