--- `weir sim`: runs a script many times in a simulated world. Each seed draws how rows come in
--- batches, how shards work, when checkpoints are, and what goes wrong; what it leaves is compared
--- with what an undisturbed run leaves. Nothing of the machine is written.
--- Exit codes: 0 all the same, 1 a seed differs, 3 an error in the script, 6 no input.
local cli = require("weir.cli")
local report = require("weir.report")
local M = {}

local SEEDS_DEFAULT = 100
local STATE_DEFAULT = "weir-sim.state" -- on the simulated disk
local VIOLATIONS_SHOWN_MAX = 10
local READS_A_COLLECTION = 50

--- `--faults kill,power` as bits; nil: all of them.
---@param text string?
---@param known table[] `native.sim_faults()`
---@return integer bits
function M.faults(text, known)
  local bit_of, words, all = {}, {}, 0
  for i, fault in ipairs(known) do
    bit_of[fault.word], words[i] = 1 << (i - 1), fault.word
    all = all | 1 << (i - 1)
  end
  if text == nil or text == "all" then
    return all
  end
  local bits = 0
  for word in text:gmatch("[^,%s]+") do
    if word ~= "none" then
      if not bit_of[word] then
        local near = require("weir.suggest").nearest(word, words)
        cli.fail(("--faults: there is no `%s`"):format(word), near
          and ("did you mean `%s`?"):format(near) or "there are: " .. table.concat(words, ", "))
      end
      bits = bits | bit_of[word]
    end
  end
  return bits
end

--- The words of bits, as `--faults` takes them.
local function words_of(bits, known)
  local words = {}
  for i, fault in ipairs(known) do
    if bits & 1 << (i - 1) ~= 0 then
      words[#words + 1] = fault.word
    end
  end
  return #words > 0 and table.concat(words, ",") or "none"
end

--- The line that plays a seed again.
local function again(host, seed, faults, known, all)
  local options, words = host.run.options, { "weir sim" }
  words[2] = options.text and "-e …" or options.words[1]
  for _, name in ipairs(cli.names_of(options.params)) do
    words[#words + 1] = ("-p %s=%s"):format(name, options.params[name])
  end
  if options.sql then
    words[#words + 1] = "--sql " .. options.sql
  end
  if options.limit then
    words[#words + 1] = ("--limit %d"):format(options.limit)
  end
  words[#words + 1] = ("--seed %d"):format(seed)
  if faults ~= all then
    words[#words + 1] = "--faults " .. words_of(faults, known)
  end
  words[#words + 1] = "--trace"
  return table.concat(words, " ")
end

-- ── a simulation ────────────────────────────────────────────────────────────────────────────────
local Simulation = {}
Simulation.__index = Simulation

--- Reads the script in the simulated world, and makes its plan ready.
---@return boolean? ok, integer? code
function Simulation:read()
  local made, code = self.sim:inside(self.host.script)
  if not made then
    return nil, code
  end
  local options = self.host.options(self.host.run, made)
  self.made, self.options = made, options
  self.name = made.name
  local plan = made:plan()
  local facts, err = self.sim:inside(self.sim.prepare, self.sim, plan, {
    rejects = options.rejects, rejects_format = options.rejects_format,
  })
  if not facts then
    return nil, self.host.fail(err, made.name)
  end
  self.plan, self.has_functions = plan, facts.has_functions or #made.functions > 0
  return true
end

--- A life of a script whose functions may keep something begins with reading it.
function Simulation:refresh()
  if not self.has_functions then
    return true
  end
  self.reads = (self.reads or 0) + 1
  if self.reads % READS_A_COLLECTION == 0 then
    collectgarbage() -- of what a plan takes Lua sees little
  end
  return self:read()
end

--- The undisturbed run.
---@return table? counts, integer? code
function Simulation:reference()
  local ok, code, counts, err
  if self.host.run.options.sql then
    ok, err = self.sim:sql(self.host.run.options.sql)
    if not ok then
      return nil, self.host.fail(err, self.host.run.options.sql)
    end
  end
  ok, code = self:read()
  if not ok then
    return nil, code
  end
  local options = self.options
  ok, err = self.sim:set({
    state = options.state or STATE_DEFAULT, checkpoint = options.checkpoint or 1000000,
    limit = options.limit, memory = options.memory, seed = options.seed,
    fail_on_error = options.on_error == "fail", steps = self.host.run.options.steps,
  })
  if ok then
    counts, err = self.sim:reference(self.plan)
  end
  if not counts then
    return nil, self.host.fail(err, self.name)
  end
  return counts
end

--- Writes what the undisturbed run left: each behind a line `== NAME`.
---@return boolean? ok, integer? code
function Simulation:write_left(path)
  local file, message = io.open(path, "w")
  if not file then
    return nil, self.host.fail({ message = message, code = "W610" }, path)
  end
  for _, item in ipairs(self.sim:left()) do
    file:write("== ", item.name, "\n", item.bytes, "\n")
  end
  return file:close()
end

--- One seed. Raises what makes the simulation impossible.
---@return table verdict
function Simulation:seed(seed, faults, tells)
  local ok, err = self.sim:begin(seed, faults, tells)
  local verdict
  while ok and not verdict do
    ok = self:refresh()
    if not ok then
      error(("%s: it could not be read again"):format(self.name), 0)
    end
    verdict, err = self.sim:live(self.plan)
    if verdict == nil then
      error(err, 0)
    end
  end
  if not ok then
    error(err, 0)
  end
  verdict.seed = seed
  return verdict
end

-- ── what is told ────────────────────────────────────────────────────────────────────────────────

--- The sinks whose rows depend on more than the input, by what the plan says of itself.
local function not_repeatable(native, plan)
  local names, seen = {}, {}
  local explained = native.explain(plan)
  for _, node in ipairs(explained and explained.nodes or {}) do
    local is_sink = node.op == "write" or node.op == "print"
    if is_sink and node.repeatable == false and not seen[node.name] then
      names[#names + 1], seen[node.name] = node.name, true
    end
  end
  return names
end

--- What is said of a difference that comes without any fault.
local WITHOUT_FAULT = "it differs without any fault: what is left depends on how rows come in "
  .. "batches, on the order of shards, or on the time at which they come"

local function violation_lines(self, verdict)
  local lines = { ("seed %d: %s"):format(verdict.seed, verdict.violation) }
  if verdict.expected or verdict.found then
    lines[#lines + 1] = "  undisturbed: " .. (verdict.expected or "")
    lines[#lines + 1] = "  this seed:   " .. (verdict.found or "")
  end
  if verdict.without_fault then
    lines[#lines + 1] = "  " .. WITHOUT_FAULT
  end
  if #self.not_repeatable > 0 then
    lines[#lines + 1] = ("  %s: its rows depend on a clock, on chance or on a lookup "
      .. "(`weir explain` says where)"):format(table.concat(self.not_repeatable, ", "))
  end
  lines[#lines + 1] = "  again: " .. verdict.again
  return lines
end

local function totals_line(totals, known)
  local parts = {}
  for _, fault in ipairs(known) do
    local count = totals.hit[fault.word]
    if count > 0 then
      parts[#parts + 1] = ("%s %s"):format(fault.word, report.number(count))
    end
  end
  return #parts > 0 and table.concat(parts, ", ") or "no faults"
end

local function add(totals, verdict)
  totals.seeds, totals.lives = totals.seeds + 1, totals.lives + verdict.lives
  totals.steps = totals.steps + verdict.steps
  for word, count in pairs(verdict.hit) do
    totals.hit[word] = (totals.hit[word] or 0) + count
  end
end

local function print_end(self, totals, counts, known)
  local seeds = ("%s seed%s"):format(report.number(totals.seeds), totals.seeds == 1 and "" or "s")
  local bad = #totals.violations
  self.host.run.out(("%s: %s, %s\n"):format(self.name, seeds, bad == 0
    and (totals.seeds == 1 and "it leaves" or "each leaves") .. " what an undisturbed run leaves"
    or ("%s differ%s"):format(report.number(totals.bad), totals.bad == 1 and "s" or "")))
  io.stdout:flush()
  self.host.run.err(("%s rows in, %s rejected, %s late; %s lives in %s steps; %s; %.1f s, %s "
    .. "seeds a second\n"):format(report.number(counts.rows_in), report.number(counts.rejected),
    report.number(counts.late), report.number(totals.lives), report.number(totals.steps),
    totals_line(totals, known), totals.seconds,
    report.number(math.floor(totals.seeds / math.max(totals.seconds, 0.001)))))
end

local function as_json(self, totals, counts)
  local violations = {}
  for i, each in ipairs(totals.violations) do
    violations[i] = {
      seed = each.seed, violation = each.violation, expected = each.expected, found = each.found,
      again = each.again, without_fault = each.without_fault or false,
      print = ("%016x"):format(each.print),
    }
  end
  return require("weir.json").encode({
    script = self.name, seeds = totals.seeds, lives = totals.lives, steps = totals.steps,
    violations = violations, violation_count = totals.bad, faults = totals.hit,
    seconds = totals.seconds, rows_in = counts.rows_in, rejected = counts.rejected,
    late = counts.late, not_repeatable = self.not_repeatable,
    print = ("%016x"):format(totals.print),
  }) .. "\n"
end

--- Plays one seed; where it differs, says so and how it is played again.
local function play(self, seed, faults, totals, known, all)
  local options = self.host.run.options
  local verdict = self:seed(seed, faults, options.trace and not options.json)
  add(totals, verdict)
  totals.print = (totals.print * 31 + verdict.print) & math.maxinteger
  if not verdict.violation then
    return true
  end
  totals.bad = totals.bad + 1
  verdict.again = again(self.host, seed, faults, known, all)
  if faults ~= 0 then
    verdict.without_fault = self:seed(seed, 0, false).violation ~= nil
    if verdict.without_fault then
      verdict.again = again(self.host, seed, 0, known, all)
    end
  else
    verdict.without_fault = true
  end
  if #totals.violations < VIOLATIONS_SHOWN_MAX then
    totals.violations[#totals.violations + 1] = verdict
    if not options.json then
      self.host.run.out(table.concat(violation_lines(self, verdict), "\n") .. "\n")
    end
  end
  return options.keep_going
end

--- Runs the command.
---@param host table run (of `weir.main`), script(), options(run, made), fail(err, name)
---@return integer exit_code
function M.run(host)
  local options, native = host.run.options, host.run.native
  local known = native.sim_faults()
  local all = M.faults(nil, known)
  local faults = M.faults(options.faults, known)
  local sim, err = native.sim()
  if not sim then
    return host.fail(err, "sim")
  end
  local self = setmetatable({ host = host, sim = sim }, Simulation)
  local counts, code = self:reference()
  if not counts then
    return code
  end
  if options.left then
    local written
    written, code = self:write_left(options.left)
    if not written then
      return code
    end
  end
  if self.has_functions then -- Lua's own allocations are not the same each time
    faults = faults & ~M.faults("memory", known)
    all = all & ~M.faults("memory", known)
  end
  self.not_repeatable = not_repeatable(native, self.plan)
  local first = options.seed or 1
  local last = first + (options.seeds or options.seed and 1 or SEEDS_DEFAULT) - 1
  local totals = { seeds = 0, lives = 0, steps = 0, bad = 0, hit = {}, violations = {}, print = 0 }
  local began = os.clock()
  for seed = first, last do
    if not play(self, seed, faults, totals, known, all) then
      break
    end
    if options.time_limit and os.clock() - began >= options.time_limit then
      break
    end
  end
  totals.seconds = os.clock() - began
  for _, fault in ipairs(known) do
    totals.hit[fault.word] = totals.hit[fault.word] or 0
  end
  if options.json then
    host.run.out(as_json(self, totals, counts))
  else
    print_end(self, totals, counts, known)
  end
  sim:close()
  return totals.bad > 0 and 1 or 0
end

return M
