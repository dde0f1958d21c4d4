--- `weir test`: runs `*_spec.lua` files with busted inside the program, so that specs see what the
--- program has. Exit codes: 0 passed, 1 failed, 6 no tests.
local cli = require("weir.cli")
local M = {}

--- What specs see as `weir`: the scenario harness and typed values.
local function spec_globals()
  local test, value = require("weir.test"), require("weir.value")
  local function read(kind)
    return function(text)
      local x = require("weir.params").read({ kind = kind }, text)
      return x or error(("%q is no %s"):format(tostring(text), kind), 2)
    end
  end
  return {
    test = test.new, timestamp = read("timestamp"), date = read("date"),
    duration = read("duration"), decimal = value.decimal,
  }
end

--- Counts what busted tells.
local function count_events(busted)
  local counts = { passed = 0, failed = 0, errors = 0, pending = 0 }
  busted.subscribe({ "test", "end" }, function(_, _, status)
    if status == "success" then
      counts.passed = counts.passed + 1
    elseif status == "failure" then
      counts.failed = counts.failed + 1
    elseif status == "error" then
      counts.errors = counts.errors + 1
    else
      counts.pending = counts.pending + 1
    end
    return nil, true
  end)
  busted.subscribe({ "error" }, function(element, _, message)
    if tostring(message):find("^No test files found") then
      return nil, false -- told by the exit code; busted shows no error
    elseif element.descriptor ~= "it" then
      counts.errors = counts.errors + 1
    end
    return nil, true
  end, { priority = 1 })
  return counts
end

local function load_busted(run)
  local ok, core = pcall(require, "busted.core")
  if not ok then
    run.err("weir: busted is not installed, which runs specs: `apt-get install lua-busted`\n")
    return nil
  end
  return core()
end

local function configure(busted, run)
  local options = run.options
  require("busted")(busted)
  busted.randomseed = options.seed or 1
  busted.sort, busted.randomize = not options.seed, options.seed ~= nil
  local output = run.terminal.stdout and "utfTerminal" or "plainTerminal"
  require("busted.modules.output_handler_loader")()(busted, output, {
    defaultOutput = output, verbose = false, suppressPending = false, language = "en",
    deferPrint = false, arguments = {},
  })
  require("busted.modules.filter_loader")()(busted, {
    tags = {}, excludeTags = {}, filter = options.filter and { options.filter } or {},
    filterOut = {}, list = options.list, nokeepgoing = false, suppressPending = false,
  })
end

--- Refuses a path that is not there, and a file that is no spec: a script, mostly.
local function check_paths(paths)
  for _, path in ipairs(paths) do
    local handle = io.open(path, "rb")
    if not handle then
      cli.fail(("no such file or directory: %s"):format(path), "specs are files `*_spec.lua`; "
        .. "`weir test` without a path runs all below the working directory")
    end
    local _, _, directory = handle:read(0) -- of a directory nothing can be read
    handle:close()
    if not directory and not path:find("_spec%.lua$") then
      cli.fail(("%s is no spec: specs are files `*_spec.lua`"):format(path),
        ("`weir run %s` runs a script; `weir help tests` shows a spec of one"):format(path))
    end
  end
end

--- Runs the specs of a command line.
---@param run table of `weir.main`
---@return integer exit_code
function M.run(run)
  if run.options.update and (run.getenv("CI") or "") ~= "" then
    cli.fail("--update is refused where CI is set", "rewrite golden files on your machine")
  end
  check_paths(run.options.words)
  local busted = load_busted(run)
  if not busted then
    return 1
  end
  require("weir.test").update = run.options.update or false
  rawset(_G, "weir", spec_globals())
  configure(busted, run)
  local counts = count_events(busted)
  local paths = #run.options.words > 0 and run.options.words or { "." }
  require("busted.modules.test_file_loader")(busted, { "lua" })(paths, { "_spec" }, {
    excludes = {}, verbose = false, recursive = true,
  })
  require("busted.execute")(busted)(1, { seed = run.options.seed, sort = true })
  busted.publish({ "exit" })
  local failed = counts.failed + counts.errors
  run.out(("%d passed, %d failed%s\n"):format(counts.passed, failed,
    counts.pending > 0 and (", %d skipped"):format(counts.pending) or ""))
  if failed > 0 then
    return 1
  elseif counts.passed + counts.pending == 0 and not run.options.list then
    run.err("weir: no tests were found; they stand in files `*_spec.lua`\n")
    return 6
  end
  return 0
end

return M
