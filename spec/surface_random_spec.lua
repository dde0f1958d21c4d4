-- Random calls of every stage and every function of `weir`: whatever a script passes, it gets a
-- plan or an error with a code and a place in the script, never an error of the library itself.
local random = require("spec.support.random") -- reads WEIR_RANDOM_SECONDS
local scripts = require("spec.support.scripts")
local stream = require("weir.stream")

local TEXTS = {
  "amount > 1", "user", "a = amount", "amount desc", "", " ", "a b", "1h", "-5m", "64MB", "x.csv",
  "out.csv", "-", "sqlite:o.db", "a string, b int64", "a = $min", "$min", "out/$min.csv", "first",
  "update", "user == name", "`", "[[", "\255", "count()", "a =", "W103", "csv", "kafka://a:b@c/d",
  "f(x int64) int64", "f(", "o.dat", "stdout:", "local h = user, b = h", "--", "n int64 = 3",
}
local OPTIONS = { "name", "max_delay", "idle", "on", "how", "prefix", "many", "key", "mode",
  "table", "format", "rows", "columns", "every", "offset", "schema", "min", "follow", "null",
  "on_fail", "partition_by", "audit", "watermark", "source", "delimiter", "timezone", "state",
  "nope", "seed" }

local function pick(list)
  return list[math.random(#list)]
end

--- A random argument as the text of a script.
local function argument(depth)
  local kind = math.random(12)
  if kind <= 5 then
    return ("%q"):format(pick(TEXTS)):gsub("\\\n", "\\n")
  elseif kind == 6 then
    return pick({ "nil", "true", "false", "0", "-1", "1.5", "1e300", "math.huge", "1 << 62" })
  elseif kind == 7 then
    return pick({ "s", "t", "s.schema", "s.columns", "weir", "s:filter 'amount > 1'" })
  elseif kind == 8 then
    return pick({ "function(e) return e.amount end", "function() end", "type", "tostring",
      "function(e, f) return e == f end", "function(x) return x end" })
  elseif kind == 9 then
    return pick({ "weir.tumbling '1h'", "weir.csv {}", "weir.file 'o.csv'", "weir.secret 'x'",
      "weir.params 'min int64 = 1'", "weir.blackhole()", "weir.hopping('1h', { every = '1m' })" })
  elseif depth > 2 then
    return "{}"
  end
  local items = {}
  for i = 1, math.random(0, 3) do
    items[i] = math.random(4) > 1 and pick(OPTIONS) .. " = " .. argument(depth + 1)
      or argument(depth + 1)
  end
  return "{ " .. table.concat(items, ", ") .. " }"
end

local function call(name)
  local args = {}
  for i = 1, math.random(0, 3) do
    args[i] = argument(0)
  end
  return ("%s(%s)"):format(name, table.concat(args, ", "))
end

local function random_script()
  local names, functions = stream.names(), {}
  for name in pairs(require("weir").functions()) do
    functions[#functions + 1] = name
  end
  table.sort(functions)
  local lines = { "local t = weir.read 'side.csv'" }
  for i = 2, math.random(2, 5) do
    if math.random(4) == 1 then
      lines[i] = "local x" .. i .. " = " .. call("weir." .. pick(functions))
    else
      local chain = { "s" }
      for j = 2, math.random(2, 4) do
        chain[j] = call((math.random(20) == 1 and ":nothing" or ":" .. pick(names)))
      end
      lines[i] = "local x" .. i .. " = " .. table.concat(chain)
    end
  end
  return table.concat(lines, "\n")
end

describe("any call of the surface", function()
  it(("gives a plan or an error of the script (WEIR_SEED=%d)"):format(random.seed), function()
    local count, refused = 0, 0
    for _ in random.rounds(1) do
      local text = random_script()
      local made, err = scripts.read(text)
      count = count + 1
      if not made then
        refused = refused + 1
        assert.truthy(err.code and err.code:find("^W%d%d%d$"), text)
        assert.falsy(err.code == "W511" and not err.message:find("not defined", 1, true),
          tostring(err) .. "\n" .. text)
        assert.truthy(err.located, tostring(err) .. "\n" .. text)
        assert.equal("t.lua", err.located.file, tostring(err) .. "\n" .. text)
      end
    end
    assert.truthy(refused > count / 4 and refused < count, count .. " " .. refused)
  end)
end)
