-- The command line: words, flags, exit codes, and which stream gets what.
local cli = require("weir.cli")
local fake_native = require("spec.support.fake_native")
local loader = require("weir.loader")
local main = require("weir.main")
local scripts = require("spec.support.scripts")

local folder, native

--- Runs a command line; returns the exit code, stdout and stderr.
local function weir(...)
  loader.reset()
  local out, err = {}, {}
  local code = main.main({ ... }, native, {
    out = function(text)
      out[#out + 1] = text
    end,
    err = function(text)
      err[#err + 1] = text
    end,
    getenv = function()
      return nil
    end,
  })
  return code, table.concat(out), table.concat(err)
end

local function script(name, text)
  local path = folder .. "/" .. name
  local handle = assert(io.open(path, "wb"))
  handle:write(text)
  handle:close()
  return path
end

local function has(text, part)
  assert.truthy(text:find(part, 1, true), ("%q in %q"):format(part, text))
end

describe("weir", function()
  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
    native = fake_native.new({ ["x.csv"] = scripts.FILES["x.csv"],
      ["side.csv"] = scripts.FILES["side.csv"] })
  end)
  after_each(function()
    os.execute("rm -r " .. folder)
  end)

  it("SCRIPT is weir run SCRIPT, and ends with one line on stderr", function()
    local path = script("a.lua", "weir.read 'x.csv':print()")
    for _, argv in ipairs({ { path }, { "run", path } }) do
      local code, out, err = weir(table.unpack(argv))
      assert.equal(0, code)
      assert.equal("", out)
      assert.equal("3 in, 0 rejected, 0 late, 0.50 s\n", err)
    end
  end)
  it("takes flags anywhere, with = or a blank, and none behind --", function()
    local path = script("a.lua", "weir.params 'n int64'\nweir.read 'x.csv':print()")
    assert.equal(0, (weir("--limit=5", "run", "--batch-rows", "7", path, "-pn=3", "--max-bad", "9",
      "--rejects", "r.ndjson", "--format=csv", "--state", "d")))
    local options = native.ran.options
    assert.equal(5, options.limit)
    assert.equal(7, options.batch_rows)
    assert.equal(9, options.max_bad)
    assert.equal("r.ndjson", options.rejects)
    assert.equal("csv", native.plans[1].specs[2].format.name)
    assert.equal("d", options.state)
    assert.equal(3, (weir("run", "--", "--limit")))
  end)
  it("an error in a script exits with 3 and shows its place", function()
    local path = script("a.lua", "local s = weir.read 'x.csv'\ns:filter 'amout > 1':print()\n")
    local code, out, err = weir(path)
    assert.equal(3, code)
    assert.equal("", out)
    has(err, path .. ":2:11: error[W103]: unknown column `amout`")
    has(err, "s:filter 'amout > 1':print()")
    has(err, "^~~~~")
    code, out, err = weir("check", path, "--error-format", "json")
    assert.equal("", out)
    assert.equal(3, code)
    has(err, '"line":2,"col":11')
  end)
  it("check --json gives errors and warnings, also of a script that is refused", function()
    local bad = script("bad.lua", "local s = weir.read 'x.csv'\ns:filter 'amout > 1':print()\n")
    local lint = script("lint.lua",
      "local s = weir.read 'x.csv'\ns:filter 'amount > 1'\ns:print()\n")
    local code, out, err = weir("check", lint, bad, folder .. "/none.lua", "--json")
    assert.equal(3, code)
    has(err, bad .. ":2:11: error[W103]") -- for a person, as without
    has(err, lint .. ":2:3: warning[W902]")
    local at = 0
    for _, wanted in ipairs({
      '{\n  "scripts": [', '"diagnostics": [', '"code": "W902"', '"col": 3', '"end_col": 9',
      '"file": "' .. lint .. '"', '"help": "end it with', '"line": 2', '"message": "the stream of',
      '"severity": "warning"', '"script": "' .. lint .. '"', '"sinks": [',
      '"diagnostics": [', '"code": "W103"', '"col": 11', '"message": "unknown column `amout`"',
      '"severity": "error"', '"script": "' .. bad .. '"',
      '"diagnostics": [', '"code": "W401"', '"script": "' .. folder .. '/none.lua"',
    }) do
      local found = out:find(wanted, at + 1, true)
      assert.truthy(found, wanted .. " behind byte " .. at .. " of " .. out)
      at = found
    end
    assert.falsy(out:find('"sinks"', out:find('"W103"', 1, true), true), out)
    code, out = weir("check", script("a.lua", "weir.read 'x.csv':print()"), "--json")
    assert.equal(0, code)
    has(out, '"diagnostics": []')
  end)
  it("check tells all errors of a script that do not follow from one", function()
    local bad = script("bad.lua", "local s = weir.read 'x.csv'\ns:filter 'amout > 1':print()\n"
      .. "s:write('o.csv', { frmat = 'csv' })\n")
    local code, out, err = weir("check", bad, "--json")
    assert.equal(3, code)
    has(err, bad .. ":2:11: error[W103]")
    has(err, bad .. ":3:20: error[W202]")
    assert.truthy(out:find('"code": "W103".*"code": "W202"'), out)
    local of_run = select(3, weir("run", bad))
    assert.falsy(of_run:find("W202", 1, true), of_run)
  end)
  it("--json of a command that fails, or is not understood, gives what it says", function()
    local bad = script("bad.lua", "weir.read 'x.csv':filter 'amout > 1':print()\n")
    for _, case in ipairs({
      { 2, '"message": "unknown flag `--nope`"', "check", "--json", "--nope", bad },
      { 2, '"message": "no script is named"', "check", "--json" },
      { 2, '"help": "did you mean `--state`?"', "plan", bad, "--stat=x", "--json" },
      { 3, '"code": "W103"', "explain", "--json", bad },
    }) do
      local code, out, err = weir(table.unpack(case, 3))
      assert.equal(case[1], code)
      has(out, '{\n  "diagnostics": [\n    {')
      has(out, case[2])
      has(out, '"severity": "error"')
      assert.not_equal("", err)
    end
    local _, out = weir("check", "--nope", "--", "--json")
    assert.equal("", out)
  end)
  it("an error of Lua and a missing script exit with 3", function()
    local code, _, err = weir(script("a.lua", "local x = \nx:y("))
    assert.equal(3, code)
    has(err, "a.lua:2:")
    code, _, err = weir(script("b.lua", "\nlocal x = nowhere\n"))
    assert.equal(3, code)
    has(err, "b.lua:2:")
    code, _, err = weir("run", folder .. "/none.lua")
    assert.equal(3, code)
    has(err, "none.lua")
  end)
  it("wrong use exits with 2 and says what was meant", function()
    for _, case in ipairs({
      { "run" }, { "run", "a.lua", "b.lua" }, { "check" }, { "schema", "push", "a.lua" },
      { "run", "a.lua", "--limit" }, { "run", "a.lua", "--limit", "-1" },
      { "run", "a.lua", "--batch-rows", "0" }, { "run", "a.lua", "--format", "xml" },
      { "run", "a.lua", "-p", "x" }, { "version", "--limit", "3" },
      { "run", "a.lua", "--limit", "1", "--limit", "2" }, { "run", "a.lua", "-p", "a=1", "-pa=2" },
      { "run", "a.lua", "--dry-run=yes" },
    }) do
      local code, out = weir(table.unpack(case))
      assert.equal(2, code, table.concat(case, " "))
      assert.equal("", out)
    end
    local _, _, err = weir("run", "a.lua", "--batch-row", "3")
    has(err, "did you mean `--batch-rows`?")
    _, _, err = weir("rnu", "a.lua")
    has(err, "did you mean `weir run`?")
  end)
  it("a -p that the script does not declare exits with 2", function()
    local code, _, err = weir(script("a.lua", "weir.params 'min int64 = 1'\n"
      .. "weir.read 'x.csv':filter 'amount > $min':print()"), "-p", "mni=3")
    assert.equal(2, code)
    has(err, "did you mean `-p min=…`?")
  end)
  it("a mistyped -p is said before the file that is not there for it", function()
    local path = script("a.lua", "weir.params \"path string = 'nowhere.csv'\"\n"
      .. "weir.read '$path':print()")
    local code, _, err = weir(path, "-p", "pahth=x.csv")
    assert.equal(2, code)
    has(err, "did you mean `-p path=…`?")
    assert.falsy(err:find("W401", 1, true))
    code, _, err = weir(path, "-p", "file=x.csv")
    assert.equal(6, code)
    has(err, "note: -p file: the script declares no parameter `file` before its error\n")
    has(err, "W401")
    code, _, err = weir(path)
    assert.equal(6, code)
    assert.falsy(err:find("-p", 1, true))
    code, _, err = weir(script("b.lua", "weir.params 'path string'\nweir.read '$path':print()"),
      "-p", "pahth=x.csv")
    assert.equal(3, code)
    has(err, "no value for `$path`")
    has(err, "did you mean `-p path=…` by `-p pahth=…`?")
  end)
  it("a script that writes nothing is an error, for explain a warning", function()
    local path = script("a.lua", "weir.read 'x.csv'")
    local code, _, err = weir("run", path)
    assert.equal(3, code)
    has(err, "error[W206]")
    code, _, err = weir("explain", path)
    assert.equal(0, code)
    has(err, "warning[W206]")
  end)
  it("a stream that goes nowhere is a warning, and an error with --deny-warnings", function()
    local path = script("a.lua", "local s = weir.read 'x.csv'\ns:filter 'amount > 1'\ns:print()")
    local code, _, err = weir(path)
    assert.equal(0, code)
    has(err, "a.lua:2:3: warning[W902]")
    assert.equal(3, (weir("check", path, "--deny-warnings")))
  end)
  it("check names what can go another way than meant, and with --strict what may fail", function()
    local path = script("a.lua", "weir.rows('n int64, s string', {})"
      .. ":derive [[a = n > 1 and s or 'x', b = n * n]]:print()")
    local code, _, err = weir("check", path)
    assert.equal(0, code)
    has(err, "a.lua:1:49: warning[W901]")
    assert.is_nil(err:find("W906", 1, true))
    code, _, err = weir("check", path, "--strict")
    assert.equal(0, code)
    has(err, "warning[W906]")
  end)
  it("--dry-run reads and runs nothing", function()
    assert.equal(0, (weir(script("a.lua", "weir.read 'x.csv':print()"), "--dry-run")))
    assert.is_nil(native.ran)
  end)
  it("-e is a script; one that begins with : is applied to files", function()
    assert.equal(0, (weir("-e", "weir.read 'x.csv':print()")))
    assert.equal(0, (weir("-e", ":filter 'amount > 1'", "x.csv")))
    local specs = native.plans[2].specs
    assert.same({ "read", "filter", "print" }, { specs[1].op, specs[2].op, specs[3].op })
    assert.equal(0, (weir("x.csv", "side.csv", "-e", ":select 'user'")))
    specs = native.plans[3].specs
    assert.same({ "x.csv", "side.csv" }, specs[1].endpoint.files)
    assert.equal("select", specs[2].op)
    assert.equal(0, (weir("-e", ":select 'user':write 'o.csv'", "x.csv")))
    specs = native.plans[4].specs
    assert.equal("write", specs[#specs].op)
    assert.equal(0, (weir("-e", ":write 'o.csv':tap 'raw':filter 'amount > 1'", "x.csv")))
    specs = native.plans[5].specs
    assert.equal("print", specs[#specs].op) -- what stands behind was not written
    assert.equal(0, (weir("-e", ":write('out/', { partition_by = 'user', format = 'csv' })",
      "x.csv")))
    specs = native.plans[6].specs
    assert.equal("write", specs[#specs].op)
  end)
  it("--read gives options to the files of -e, typed as the option is", function()
    assert.equal(0, (weir("-e", ":filter 'amount > 1'", "x.csv", "side.csv", "--read", "null=NA",
      "--read", "schema=user string, amount int64", "--read", "header=false", "--read",
      "max_ratio=7", "--read", "delimiter=;")))
    local specs = native.plans[1].specs
    assert.equal("NA", specs[1].format.options.null)
    assert.is_false(specs[1].format.options.header)
    assert.equal(";", specs[1].format.options.delimiter)
    assert.equal(7, specs[1].endpoint.options.max_ratio)
    assert.equal("amount", specs[1].schema[2].name)
    local code, _, err = weir("-e", ":select 'user'", "x.csv", "--read", "nul=NA")
    assert.equal(3, code)
    has(err, "W202")
    code, _, err = weir("-e", "weir.read 'x.csv':print()", "--read", "null=NA")
    assert.equal(2, code)
    has(err, "begins with `:`")
    assert.equal(2, (weir("-e", ":select 'user'", "x.csv", "--read", "null")))
    assert.equal(2, (weir("-e", ":select 'user'", "--read", "null=A", "--read", "null=B")))
  end)
  it("-e shows places in the text that was given", function()
    local code, _, err = weir("-e", ":filter 'amuont > 1'", "x.csv")
    assert.equal(3, code)
    has(err, "-e:1:10: error[W103]")
    code, _, err = weir("-e", ":group_by 'user'", "x.csv")
    assert.equal(3, code)
    has(err, "nothing follows it")
    _, _, err = weir("-e", ":filter 'amount > 1'\n  :filter 'amuont > 1'", "x.csv")
    has(err, "-e:2:12: error[W103]")
    _, _, err = weir("-e", ":derive [[b = amount > 1 and user or 'x']]", "x.csv")
    has(err, "-e:1:15: warning[W901]")
    assert.is_nil(err:find("-e:2", 1, true))
    _, _, err = weir("-e", ":filter(nothing)", "x.csv")
    has(err, "-e:1:")
    _, _, err = weir("-e", ":filter(", "x.csv")
    has(err, "-e:1:")
    for _, spec in ipairs(native.plans[#native.plans].specs) do
      assert.is_nil((spec.script or ""):find("-e:2", 1, true))
    end
  end)
  it("--until is a number of rows or a time; without a state the input ends there", function()
    local path = script("a.lua", "weir.read 'x.csv':print()")
    local function ran(...)
      assert.equal(0, (weir(path, ...)))
        return native.ran.options
    end
    assert.equal(1000, ran("--until", "1000rows").until_rows)
    assert.equal(1, ran("--until", "1row").until_rows)
    assert.equal(1767225600000000, ran("--until", "2026-01-01").until_us)
    assert.equal(1, native.ran.options.drains)
    assert.equal(0, ran("--until", "5", "--state", "s").drains)
    assert.equal(1, ran("--until", "5", "--state", "s", "--drain").drains)
    for _, text in ipairs({ "0", "0rows", "tomorrow", "-5", "5 rows", "" }) do
      local code, _, err = weir(path, "--until=" .. text)
      assert.equal(2, code)
      has(err, "--until takes a number of rows or a timestamp")
    end
    local code, _, err = weir(path, "--drain")
    assert.equal(2, code)
    has(err, "--drain goes with --until")
    native.summary.has_reached = true
    _, _, err = weir(path, "--until", "5", "--state", "s")
    has(err, "stopped at --until 5; without it the run goes on from state s")
  end)
  it("a --stop-after that came too late is told", function()
    local path = script("a.lua", "weir.read 'x.csv':print()")
    local note = "note: the run ended in step 7: --stop-after 9 did not come to stop it\n"
    native.summary.steps = 7
    local _, _, err = weir(path, "--stop-after", "9")
    has(err, note)
    _, _, err = weir(path)
    assert.falsy(err:find("step", 1, true))
    native.summary.interrupted = 2
    _, _, err = weir(path, "--stop-after", "9")
    assert.falsy(err:find("note", 1, true))
    native.summary.interrupted, native.summary.was_complete = nil, true
    _, _, err = weir(path, "--stop-after", "9", "--state", "s")
    assert.falsy(err:find("--stop-after", 1, true))
  end)
  it("more bad rows than --max-bad exit with 4", function()
    local path = script("a.lua", "weir.read 'x.csv':print()")
    native.summary.rejected = { { code = "W501", n = 3, reason = "cannot parse" } }
    assert.equal(0, (weir(path, "--max-bad", "3")))
    local code, _, err = weir(path, "--max-bad", "2")
    assert.equal(4, code)
    has(err, "3 rows rejected")
    has(err, "W604")
    native.failure = { code = "W604", message = "more than 2 bad rows" }
    assert.equal(4, (weir(path)))
  end)
  it("rejects that the script reads are not listed", function()
    native.summary.rejected = { { code = "W501", n = 3, reason = "cannot parse" } }
    local _, _, err = weir(script("a.lua", "local s = weir.read 'x.csv'\ns:print()\n"
      .. "s:rejects():print()"))
    assert.falsy(err:find("--rejects FILE", 1, true))
  end)
  it("rejects that are kept are not listed", function()
    native.summary.rejected = { { code = "W501", n = 3, reason = "cannot parse" } }
    local _, _, err = weir(script("a.lua", "weir.read 'x.csv':print()"), "--rejects", "r.csv")
    assert.falsy(err:find("--rejects FILE", 1, true))
  end)
  it("rejects are written as the name of their file says", function()
    local path = script("a.lua", "weir.read 'x.csv':print()")
    for name, format in pairs({ ["r.csv"] = "csv", ["r.tsv.gz"] = "tsv", ["r.jsonl"] = "ndjson",
      ["-"] = "ndjson", ["/dev/null"] = "ndjson" }) do
      assert.equal(0, (weir(path, "--rejects", name)))
      assert.equal(format, native.ran.options.rejects_format)
    end
    for name, said in pairs({ ["r.xyz"] = 'the format of "r.xyz" is not known from its name',
      ["rejects"] = "formats: csv,", ["r.log"] = "format `lines` can only be read",
      ["r.parquet"] = "format `parquet` is not in this version" }) do
      local code, _, err = weir(path, "--rejects", name)
      assert.equal(2, code)
      has(err, "weir: --rejects " .. name .. ": ")
      has(err, said)
    end
  end)
  it("a run that was complete already says so, and how to begin anew", function()
    local path = script("a.lua", "weir.read 'x.csv':print()")
    local _, _, err = weir(path, "--state", "d")
    assert.falsy(err:find("complete", 1, true))
    native.summary.was_complete = true
    local code
    code, _, err = weir(path, "--state", "d")
    assert.equal(0, code)
    has(err, "note: state d is of a run that was complete: nothing more was read")
    has(err, "help: to begin anew, use another --state")
  end)
  it("a run that fails exits with 1, an interrupted one with 130", function()
    local path = script("a.lua", "weir.read 'x.csv':print()")
    native.summary.interrupted = 2
    assert.equal(130, (weir(path)))
    native.failure = { code = "W602", message = "memory budget `state` is used up", mark = 2 }
    local code, _, err = weir(path)
    assert.equal(1, code)
    has(err, "error[W602]")
    has(err, "a.lua:1:")
  end)
  it("a file to read that is not there, or a glob without a match, exits with 6", function()
    assert.equal(6, (weir(script("a.lua", "weir.read 'in/*.csv':print()"))))
    assert.equal(6, (weir(script("b.lua", "weir.read 'in.csv':print()"))))
    native.failure = { code = "W401", message = "no such file", no_input = true }
    assert.equal(6, (weir(script("c.lua", "weir.read 'x.csv':print()"))))
    native.failure = { code = "W401", message = "no such directory" }
    assert.equal(1, (weir(script("d.lua", "weir.read 'x.csv':print()"))))
  end)
  it("explain shows the plan, as JSON with --json", function()
    local path = script("a.lua", "weir.read 'x.csv':print()")
    local code, out = weir("explain", path)
    assert.equal(0, code)
    has(out, "columns: user string")
    code, out = weir("explain", path, "--json")
    assert.equal(0, code)
    has(out, '"op": "read"')
    has(out, '"inputs": [\n        1')
  end)
  it("schema pull writes the lock file, which runs then use and compare", function()
    local path = script("a.lua", "weir.read 'x.csv':print()\n"
      .. "weir.read('y.csv', { schema = 'a int64' }):print()")
    local code, out = weir("schema", "pull", path)
    assert.equal(0, code)
    assert.equal("", out)
    local handle = assert(io.open(folder .. "/a.schema"))
    local text = handle:read("a")
    handle:close()
    has(text, "[x.csv]\nuser string\namount float64\nts timestamp\n")
    assert.falsy(text:find("y.csv", 1, true))
    assert.equal(0, (weir(path)))
    assert.is_true(native.plans[2].specs[1].locked)
    native.files["x.csv"] = { { name = "user", type = { kind = "string" } } }
    local err
    code, out, err = weir(path)
    assert.equal(3, code)
    assert.equal("", out)
    has(err, "W407")
    has(err, "`amount` is missing")
    assert.equal(0, (weir("check", path)))
  end)
  it("version and help go to stdout", function()
    local code, out, err = weir("version")
    assert.same({ 0, "weir 0.0.0\n", "" }, { code, out, err })
    code, out = weir("--version")
    assert.same({ 0, "weir 0.0.0\n" }, { code, out })
    code, out = weir()
    assert.equal(0, code)
    has(out, "weir run")
    local _, all = weir("help")
    code, out = weir("--help")
    assert.same({ 0, all }, { code, out })
    code, out = weir("run", "--help")
    assert.equal(0, code)
    has(out, "--batch-rows")
  end)
  it("a script may use modules beside it", function()
    script("clean.lua", "return { big = function(s) return s:filter 'amount > 10' end }")
    assert.equal(0, (weir(script("a.lua",
      "local clean = require 'clean'\nweir.read 'x.csv':pipe(clean.big):print()"))))
    local code, _, err = weir(script("b.lua", "require 'clena'"))
    assert.equal(3, code)
    has(err, "W704")
  end)
  it("--allow lets a script see a variable", function()
    local path = script("a.lua", "local t = weir.env 'TOKEN'\nweir.read 'x.csv':print()")
    assert.equal(3, (weir(path)))
    assert.equal(0, (weir(path, "--allow", "env=TOKEN")))
  end)
end)

describe("colour", function()
  local function use(when, env, terminal)
    return main.use_color(when, function(name)
      return env[name]
    end, terminal)
  end
  it("is what the flag says, then the environment, then the terminal", function()
    assert.is_true(use("always", { NO_COLOR = "1" }, false))
    assert.is_false(use("never", { FORCE_COLOR = "1" }, true))
    assert.is_false(use("auto", { NO_COLOR = "1", FORCE_COLOR = "1" }, true))
    assert.is_true(use(nil, { NO_COLOR = "", CLICOLOR_FORCE = "1" }, false))
    assert.is_true(use(nil, { FORCE_COLOR = "0" }, true))
    assert.is_false(use(nil, { TERM = "dumb" }, true))
    assert.is_false(use("auto", {}, false))
  end)
end)

describe("the table of flags", function()
  it("has every flag of every command", function()
    for name, command in pairs(cli.COMMANDS) do
      for _, flag in ipairs(command.flags) do
        assert.truthy(cli.FLAGS[flag], name .. " " .. flag)
      end
    end
  end)
end)
