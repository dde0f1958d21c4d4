--- The command line as data: its words, their flags, and the reading of arguments.
--- Flags stand anywhere; `--` ends them; `--flag=value` and `--flag value` are the same.
local suggest = require("weir.suggest")
local M = {}

--- Flags by name. `value`: what it takes, for help; `many`: may be repeated; `count`: a number.
M.FLAGS = {
  ["-p"] = { value = "NAME=VALUE", many = true, key = "params", doc = "a parameter of the script" },
  ["-e"] = { value = "TEXT", key = "text",
    doc = "the script itself; one that begins with `:` is applied to the files named, or stdin" },
  ["--read"] = { value = "NAME=VALUE", many = true, key = "read",
    doc = "an option of `weir.read` for the files behind `-e ':…'`: null=NA, schema='n int64'" },
  ["--limit"] = { value = "N", count = 1,
    doc = "read at most N records of each source; bad ones count" },
  ["--until"] = { value = "PLACE",
    doc = "stop there: `1000rows` of each source, or when no row before an event time can come: "
      .. "`2026-01-31T10:00:00Z`; with --state the next run goes on" },
  ["--drain"] = { doc = "where --until stops, the input counts as ended: windows fire, files "
    .. "are complete; without --state it does anyway" },
  ["--dry-run"] = { doc = "read and check the script, run nothing" },
  ["--batch-rows"] = { value = "N", count = 1, max = 65536, doc = "rows of a batch at most" },
  ["--rejects"] = { value = "FILE",
    doc = "write rejected rows there, in the format that the name says: r.ndjson, r.csv.gz" },
  ["--max-bad"] = { value = "N", count = 0, doc = "more rejected rows end with exit code 4" },
  ["--format"] = { value = "NAME", of = { "table", "json", "ndjson", "csv", "tsv", "md" },
    doc = "how rows are shown" },
  ["--color"] = { value = "WHEN", of = { "auto", "always", "never" }, doc = "use of colour" },
  ["--state"] = { value = "DIR", doc = "keep state there, and go on from it" },
  ["--workers"] = { value = "N", count = 1, max = 256,
    doc = "threads that read and work on keyed stages (as many as there are processors); any "
      .. "number gives the same rows" },
  ["--from"] = { value = "DIR",
    doc = "begin a fresh --state where a copy (`weir state save`) of one stands" },
  ["--allow-rebuild"] = {
    doc = "go on with what is left of a state of another script; `weir plan` says what is lost" },
  ["--shards"] = { value = "N", count = 1, max = 64,
    doc = "instances of keyed stages; any number gives the same rows" },
  ["--shard-seed"] = { value = "N", count = 0,
    doc = "the order in which shards are stepped; any gives the same rows" },
  ["--stop-after"] = { value = "N", count = 1,
    doc = "stop after N steps, as a signal would; with --state the next run goes on" },
  ["--spill-bytes"] = { value = "N", count = 1,
    doc = "what a sort keeps in memory, and half of what tables do; any gives the same rows" },
  ["--json"] = { doc = "as JSON; of a command that fails or is not understood: "
    .. "`{\"diagnostics\": […]}`" },
  ["--analyze"] = { doc = "run it, and say what each stage took and kept; nothing is written" },
  ["--error-format"] = { value = "NAME", of = { "text", "json", "github" },
    doc = "form of errors" },
  ["--progress"] = { value = "WHEN", of = { "auto", "json", "off" }, doc = "progress on stderr" },
  ["--allow"] = { value = "env=NAME", many = true, doc = "let the script use a variable" },
  ["--deny-warnings"] = { doc = "a warning is an error" },
  ["--strict"] = { doc = "name also what may fail without `??` (W904) and int64 that may wrap" },
  ["--update"] = { doc = "rewrite golden files; refused where CI is set" },
  ["--timeout"] = { value = "DURATION",
    doc = "how long `state save` waits for a checkpoint of a run that holds the state (1m)" },
  ["--script"] = { value = "FILE",
    doc = "the script that wrote a state, where it is not where it was" },
  ["--yes"] = { doc = "throw it away" },
  ["--filter"] = { value = "TEXT", doc = "tests whose name has it" },
  ["--list"] = { doc = "list the tests, run none" },
  ["--seed"] = { value = "N", count = 0, doc = "of the order of tests; of `sim`: the first one" },
  ["--all"] = { doc = "everything, as one text" },
  ["--markdown"] = { doc = "the reference, or one chapter, as Markdown" },
  ["--trace"] = { doc = "Lua's stack with errors of the script; of `sim`: all that happens" },
  ["--seeds"] = { value = "N", count = 1, doc = "how many, from --seed on (100, from 1)" },
  ["--faults"] = { value = "LIST",
    doc = "what may go wrong: kill,power,io,memory,stop,second,clock,server; none (all)" },
  ["--steps"] = { value = "N", count = 1,
    doc = "a seed that makes more steps does not come to an end (64 times the undisturbed run)" },
  ["--sql"] = { value = "FILE",
    doc = "statements that make the tables of simulated PostgreSQL servers" },
  ["--left"] = { value = "FILE",
    doc = "writes there what the undisturbed run leaves, as it is compared" },
  ["--time-limit"] = { value = "SECONDS", count = 1, doc = "begin no seed behind so many seconds" },
  ["--keep-going"] = { doc = "go on with the other seeds when one differs" },
  ["--help"] = { doc = "this text" },
  ["-h"] = { same = "--help" },
  ["--version"] = { doc = "the version" },
}

local LOAD = { "-p", "--color", "--error-format", "--allow", "--deny-warnings", "--strict",
  "--trace" }
local RUN = {
  "-e", "--read", "--limit", "--until", "--drain", "--dry-run",
  "--batch-rows", "--rejects", "--max-bad", "--format",
  "--state", "--from", "--allow-rebuild", "--progress", "--workers", "--shards", "--shard-seed",
  "--stop-after", "--spill-bytes",
}

local function join(...)
  local all = {}
  for i = 1, select("#", ...) do
    for _, flag in ipairs((select(i, ...))) do
      all[#all + 1] = flag
    end
  end
  return all
end

--- The words. `flags`: what each takes; `more`: a paragraph of its page.
M.COMMANDS = {
  run = { usage = "weir run SCRIPT [FLAG…]", doc = "run a script (`weir SCRIPT` is the same)",
    flags = join(RUN, LOAD) },
  check = { usage = "weir check SCRIPT… [--json] [FLAG…]",
    doc = "say what is wrong in scripts, and what is promised of what they write; run none",
    more = "All errors of a script are told that do not follow from another one: behind a stage "
      .. "with an error those that would be there whatever it gave. --json gives `{\"scripts\": "
      .. "[…]}`, each with `script`, `sinks` (what is promised of them) and `diagnostics`: the "
      .. "errors and warnings, with `severity`, `code`, `message`, `help`, `file`, `line`, `col`, "
      .. "`end_col` (which count from 1) and `notes`, as far as they are known. A script that is "
      .. "refused has no `sinks`; stderr and the exit code are the same as without.",
    flags = join({ "--json", "-e", "--read" }, LOAD) },
  explain = { usage = "weir explain SCRIPT [--json] [--analyze]",
    doc = "show how a script would run, or with --analyze how it did",
    flags = join({ "--json", "--analyze", "-e", "--read", "--limit", "--batch-rows", "--shards" },
      LOAD) },
  plan = { usage = "weir plan SCRIPT [--state DIR] [--from DIR] [--json] [FLAG…]",
    doc = "say what becomes of a state, or a savepoint, when this script goes on with it",
    flags = join({ "--state", "--from", "--json", "-e", "--read", "--limit", "--rejects",
      "--shards" }, LOAD) },
  state = { usage = "weir state ls|show|query|export|verify|reset|save DIR […]",
    doc = "look into a state, copy it, throw it away",
    flags = join({ "--json", "--format", "--script", "--yes", "--timeout" }, LOAD) },
  test = { usage = "weir test [PATH…] [FLAG…]", doc = "run `*_spec.lua` files",
    flags = { "--filter", "--list", "--update", "--seed", "--color" } },
  sim = { usage = "weir sim SCRIPT [--seeds N | --seed S] [--faults LIST] [FLAG…]",
    doc = "run a script many times in a simulated world, and compare what it leaves",
    flags = join({ "--seeds", "--seed", "--faults", "--steps", "--time-limit", "--keep-going",
      "--json", "--limit", "--rejects", "--sql", "--left",
      "-e", "--read" }, LOAD) },
  schema = { usage = "weir schema pull SCRIPT", doc = "write the lock file of its sources",
    flags = LOAD },
  help = { usage = "weir help [NAME]", doc = "explain a stage, function, error, topic or word",
    flags = { "--all", "--markdown", "--color" } },
  version = { usage = "weir version", doc = "print the version", flags = {} },
}

--- Raised by `fail`; main shows it and exits with 2.
local Usage = {}
Usage.__index = Usage

function M.fail(message, help)
  error(setmetatable({ message = message, help = help }, Usage), 0)
end

---@return boolean
function M.is_usage(x)
  return getmetatable(x) == Usage
end

local function names_of(map)
  local names = {}
  for name in pairs(map) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end
M.names_of = names_of

--- "--batch-rows" → "batch_rows".
local function key_of(flag, spec)
  return spec.key or flag:gsub("^%-+", ""):gsub("%-", "_")
end

local function read_value(flag, spec, text)
  if spec.count then
    local n = text:find("^%d+$") and math.tointeger(tonumber(text))
    if not n or n < spec.count or n > (spec.max or math.maxinteger) then
      local range = spec.max and ("from %d to %d"):format(spec.count, spec.max)
        or ("at least %d"):format(spec.count)
      M.fail(("%s takes a whole number, %s, got `%s`"):format(flag, range, text))
    end
    return n
  elseif spec.of then
    for _, allowed in ipairs(spec.of) do
      if text == allowed then
        return text
      end
    end
    local near = suggest.nearest(text, spec.of)
    M.fail(("%s takes %s, got `%s`"):format(flag, table.concat(spec.of, ", "), text),
      near and ("did you mean `%s`?"):format(near))
  elseif spec.value == "NAME=VALUE" then
    local name, value = text:match("^([%a_][%w_]*)=(.*)$")
    if not name then
      M.fail(("%s takes name=value, got `%s`"):format(flag, text))
    end
    return { name = name, value = value }
  end
  return text
end

--- Splits arguments into words and flags, whatever their order.
---@return string[] words, table[] flags {flag=, spec=, value=}
local function split(argv)
  local words, flags, i = {}, {}, 1
  while i <= #argv do
    local text = argv[i]
    if text == "--" then
      for j = i + 1, #argv do
        words[#words + 1] = argv[j]
      end
      break
    elseif text:sub(1, 1) ~= "-" or text == "-" then
      words[#words + 1] = text
    else
      local flag, value = text:match("^(%-%-[%w-]+)=(.*)$")
      flag = flag or text
      if not M.FLAGS[flag] and text:find("^%-%a.") and M.FLAGS[text:sub(1, 2)]
        and M.FLAGS[text:sub(1, 2)].value then
        flag, value = text:sub(1, 2), text:sub(3) -- -pmin=5
      end
      local spec = M.FLAGS[flag]
      if not spec then
        local near = suggest.nearest(flag, names_of(M.FLAGS))
        M.fail(("unknown flag `%s`"):format(flag), near and ("did you mean `%s`?"):format(near)
          or "`weir help` lists commands and flags")
      end
      if spec.same then
        flag, spec = spec.same, M.FLAGS[spec.same]
      end
      if spec.value and value == nil then
        i = i + 1
        value = argv[i]
        if value == nil then
          M.fail(("%s takes a value: %s %s"):format(flag, flag, spec.value))
        end
      elseif not spec.value and value ~= nil then
        M.fail(("%s takes no value"):format(flag))
      end
      flags[#flags + 1] = { flag = flag, spec = spec, value = value }
    end
    i = i + 1
  end
  return words, flags
end

local function allowed(command, flag)
  for _, name in ipairs(M.COMMANDS[command].flags) do
    if name == flag then
      return true
    end
  end
  return flag == "--help"
end

--- Which command the words mean, and what is left of them.
local function find_command(words, flags)
  local first = words[1]
  local has_text = false
  for _, each in ipairs(flags) do
    if each.flag == "--version" then
      return "version", {}
    end
    has_text = has_text or each.flag == "-e"
  end
  if first == nil then
    return has_text and "run" or "help", {}
  elseif M.COMMANDS[first] then
    return first, table.move(words, 2, #words, 1, {})
  elseif has_text or first == "-" or first:find("[./]") then
    return "run", words
  end
  local near = suggest.nearest(first, names_of(M.COMMANDS))
  M.fail(("unknown command `%s`"):format(first), near and ("did you mean `weir %s`?"):format(near)
    or ("commands: %s; a script is named with its ending: `weir %s.lua`"):format(
      table.concat(names_of(M.COMMANDS), ", "), first))
end

--- Reads a command line. Raises a usage error (`is_usage`).
---@param argv string[] without the program's name
---@return table {command=, words=, params=, text=, limit= …}
function M.read(argv)
  local words, flags = split(argv)
  local command, rest = find_command(words, flags)
  local options = { command = command, words = rest, params = {}, allow = {}, read = {} }
  for _, each in ipairs(flags) do
    local key = key_of(each.flag, each.spec)
    if each.flag ~= "--version" and not allowed(command, each.flag) then
      M.fail(("`weir %s` takes no %s"):format(command, each.flag),
        "usage: " .. M.COMMANDS[command].usage)
    end
    local value = each.value == nil or read_value(each.flag, each.spec, each.value)
    if each.spec.value == "NAME=VALUE" then
      if options[key][value.name] ~= nil then
        M.fail(("%s %s is given twice"):format(each.flag, value.name))
      end
      options[key][value.name] = value.value
    elseif each.spec.many then
      options[key][value] = true
    elseif options[key] ~= nil and each.spec.value then
      M.fail(("%s is given twice"):format(each.flag))
    else
      options[key] = value
    end
  end
  if next(options.read) and not (options.text and options.text:find("^%s*:")) then
    M.fail("--read goes with an -e text that begins with `:`",
      "in a script: `weir.read(\"FILE\", { null = \"NA\" })`")
  end
  return options
end

--- What `--until` says: rows or an event time.
---@return integer? rows, integer? us
function M.until_of(text, zone)
  if text == nil then
    return nil
  end
  local digits = text:match("^(%d+)rows?$") or text:match("^(%d+)$")
  local rows = digits and math.tointeger(tonumber(digits))
  local at = not digits and require("weir.value").parse_timestamp(text, zone)
  if not (rows and rows > 0) and not at then
    M.fail(("--until takes a number of rows or a timestamp, got `%s`"):format(text),
      "`--until 1000rows`, `--until 2026-01-31T10:00:00Z`")
  end
  return rows or nil, at and at.v or nil
end

return M
