--- What is said of errors: on stderr, for a person; and where `--json` is given and a command has
--- nothing else to show, as JSON on stdout.
local M = {}

local function note(run, err, place)
  local facts = require("weir.errors").facts(err, place)
  run.all_told[#run.all_told + 1] = facts
  if run.told then
    run.told[#run.told + 1] = facts
  end
end

--- An error or warning in the form that was asked for.
function M.show(run, err)
  local errors = require("weir.errors")
  if not err.help and err.code and err.code:find("^W[46]") then
    err.help = (errors.lookup(err.code) or {}).help -- what the world did is the same everywhere
  end
  note(run, err, err.located)
  local form = run.options.error_format or "text"
  run.err(errors.render(err, err.located, { color = run.color, format = form }) .. "\n")
end

--- Whether warnings of a script are errors, and there were some.
function M.lints(run, made)
  for _, lint in ipairs(made.lints) do
    M.show(run, require("weir.load").locate(lint))
  end
  return run.options.deny_warnings and #made.lints > 0
end

--- What is wrong with a command line.
function M.usage(run, err)
  note(run, err)
  run.err(("weir: %s\n"):format(err.message))
  if err.help then
    run.err(("help: %s\n"):format(err.help))
  end
end

--- Whether an argument asks for JSON, also of a command line that cannot be read.
local function asks_for_json(argv)
  for _, each in ipairs(argv) do
    if each == "--json" then
      return true
    elseif each == "--" then
      return false
    end
  end
  return false
end

--- At the end of a command that failed: what was told, as JSON, where nothing else was.
function M.close(run, argv, code)
  if code ~= 0 and not run.has_shown and run.all_told[1] and asks_for_json(argv) then
    run.out(require("weir.json").encode({ diagnostics = run.all_told }, "") .. "\n")
  end
  return code
end

return M
