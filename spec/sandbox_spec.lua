-- What scripts can do and what they cannot: the environment, its limits, and that functions mean
-- what they mean in strings. Runs inside the program only: Lua's own has no watchdog.
local ok, native = pcall(require, "weir.native")

--- Processor time of one script here, and how much later it may end. Most end within 50 ms; one
--- concatenation that fills the memory of a script is a single step, and takes some 70 ms. Under
--- the thread sanitizer a program is slower by WEIR_SLOWER.
local SLOWER = tonumber(os.getenv("WEIR_SLOWER") or "") or 1
local BUDGET_S, LATE_S = 0.1 * SLOWER, 0.15 * SLOWER
local TOO_LONG = ("W701: ran longer than %.0f ms"):format(BUDGET_S * 1e3)

--- Runs a text as a script. Gives true and its results, or false and the message.
local function run(text)
  local env = setmetatable(native.sandbox({}), {
    __index = function(_, name)
      return native.library(name) or error("no " .. name, 2)
    end,
  })
  local chunk = assert(load(text, "@bomb.lua", "t", env))
  return native.call_user(chunk, nil, math.floor(BUDGET_S * 1e6))
end

local function value(text)
  local done, x = run("return " .. text)
  assert(done, x)
  return x
end

local function message(text)
  local done, x = run(text)
  assert.is_false(done)
  return tostring(x)
end

if not ok then
  describe("the sandbox", function()
    pending("is inside the program")
  end)
  return
end

describe("nil in scripts", function()
  it("passes through operators, calls and paths, and is less than nothing", function()
    assert.same("nil", value [[tostring(nil + 1) ]])
    for _, text in ipairs({ "nil + 1", "1 - nil", "-(nil)", "nil // 0", "nil .. 'a'", "'a' .. nil",
      "#nil", "(nil).a.b", "(nil)(1)", "(nil):lower()", "nil & 1", "~(nil)" }) do
      assert.is_nil(value(text), text)
    end
    for _, text in ipairs({ "nil < 5", "5 < nil", "nil <= 5", "5 >= nil", "nil > 'a'" }) do
      assert.is_false(value(text), text)
    end
    assert.is_true(value "not (nil < 5)")
  end)
  it("passes through Lua's own functions and those of the library", function()
    for _, text in ipairs({ "('x'):rep(nil)", "string.lower(nil)", "math.floor(nil)",
      "math.max(1, nil)", "math.max(nil, 1)", "('x'):find(nil)", "table.concat(nil)",
      "url_host(nil)", "string.format('%d', nil)", "round(nil)" }) do
      assert.is_nil(value(text), text)
    end
    assert.equal(3, value "coalesce(nil, 3)")
    assert.equal("nil", value "('%s'):format(nil)")
  end)
  it("cannot be given fields", function()
    assert.truthy(message("local x x.a = 1"):find("attempt to index a nil value", 1, true))
  end)
end)

describe("types in scripts", function()
  it("have the functions of the library as methods", function()
    assert.equal(2.35, value "(2.345678):round(2)")
    assert.equal("b.c", value "('http://b.c/d'):url_host()")
    assert.equal("ABC", value "('abc'):upper()")
    assert.equal("12", value "string(12)")
    assert.is_true(value "timestamp '2024-01-01T10:00:00Z' < timestamp '2024-01-01T10:00:01Z'")
    assert.equal("2024-01-01T00:00:00Z",
      value "tostring(timestamp '2024-01-01T10:00:00Z':trunc 'day')")
    assert.is_true(value "decimal '1.05' + decimal '0.20' == decimal '1.25'")
    assert.is_true(value "decimal '1.5' > 1 and decimal '2.0' == decimal '2.00'")
    assert.is_nil(value "timestamp '2024-01-01T10:00:00Z' + nil")
  end)
  it("are not converted by arithmetic", function()
    assert.truthy(message("return '10' + 1"):find("attempt to perform arithmetic", 1, true))
    assert.truthy(message("return 1 < '2'"):find("attempt to compare", 1, true))
  end)
  it("say so when a method is nothing", function()
    assert.truthy(message("return ('a'):foo()"):find("a string has no `foo`", 1, true))
    assert.truthy(message("return (1):foo()"):find("a number has no `foo`", 1, true))
    assert.truthy(message("return math.foo"):find("`math` has no `foo`", 1, true))
  end)
  it("leave the standard library as it was", function()
    run "return 1"
    assert.error(function()
      return (nil).a
    end)
    assert.equal(11, "10" + 1)
    assert.is_table(getmetatable(""))
  end)
end)

describe("a script cannot", function()
  it("change what others have", function()
    for _, name in ipairs({ "string", "table", "math", "utf8", "coroutine" }) do
      assert.truthy(message(name .. ".x = 1"):find(("`%s` cannot be changed"):format(name),
        1, true))
      assert.truthy(message("setmetatable(" .. name .. ", {})"):find("protected metatable",
        1, true))
    end
    assert.is_false(value "getmetatable('')")
    assert.is_false(value "getmetatable(nil)")
    assert.is_false(value "getmetatable(1)")
    assert.is_false(value "getmetatable(string)")
    run "lower = 1"
    assert.equal("a", value "lower 'A'")
  end)
  it("let Lua run code by itself", function()
    for _, name in ipairs({ "__gc", "__close", "__mode" }) do
      assert.truthy(message(("setmetatable({}, { %s = 1 })"):format(name)):find("W703", 1, true))
      assert.truthy(message(("local m = {} setmetatable({}, m) m.%s = 1"):format(name)):find(
        "W703", 1, true))
    end
  end)
  it("reach what leads out of it", function()
    for _, name in ipairs({ "io", "os", "debug", "package", "load", "loadstring", "loadfile",
      "dofile", "collectgarbage", "rawset", "xpcall", "warn" }) do
      assert.truthy(message("return " .. name):find("no " .. name, 1, true))
    end
    assert.truthy(message("return string.dump"):find("has no `dump`", 1, true))
  end)
  it("see addresses, or the order of a hash table", function()
    assert.equal("table function thread table", value [[("%s %s %s %s"):format({}, tostring,
      coroutine.create(tostring), setmetatable({}, {}))]])
    assert.truthy(message("return ('%p'):format({})"):find("W703", 1, true))
    local text = [[(function()
      local t, out = { b = 1, a = 2, [10] = 3, [2.5] = 4, [true] = 5, 6 }, {}
      for k in pairs(t) do out[#out + 1] = tostring(k) end
      local k = nil
      repeat k = next(t, k) out[#out + 1] = tostring(k) until k == nil
      return table.concat(out, " ")
    end)()]]
    assert.equal("1 2.5 10 a b true 1 2.5 10 a b true nil", value(text))
    assert.equal(value "math.random(1000000)", value "math.random(1000000)")
  end)
  it("be longer than 1 MiB", function()
    local loader = require("weir.loader")
    local _, err = loader.load((" "):rep(loader.SCRIPT_BYTES_MAX + 1), "x.lua", {})
    assert.equal("a script of 1048577 bytes, expected at most 1048576", err.message)
    assert.is_function(loader.load((" "):rep(loader.SCRIPT_BYTES_MAX), "x.lua", {}))
  end)
  it("load a chunk that is no text", function()
    local loader = require("weir.loader")
    local chunk, err = loader.load(string.dump(load("return 1")), "x.lua", {})
    assert.is_nil(chunk)
    assert.equal("W001", err.code)
  end)
end)

describe("own functions of the sandbox", function()
  it("give what Lua's own give", function()
    local texts = {
      "('a,b,,c'):find(',', 3)", "('abc'):find('b', 1, true)", "('abc'):find('')",
        "('x'):find('x', 9)",
      "('key = 1'):match('(%w+)%s*=%s*(%d+)')", "('abc'):match('()b()')", "('abc'):gsub('', '-')",
      "('hello world'):gsub('o', { o = '0' })", "('abc'):gsub('%w', '%0%0', 2)",
      "('abc'):gsub('(b)', function(x) return x:byte() end)", "('abc'):gsub('^a', 'x')",
      "table.concat({ 1, 2, 3 }, ', ', 2)", "table.unpack({ 1, 2, 3 }, 2)", "select('#', "
        .. "table.unpack({}, 1, 3))",
      "('x'):rep(3, '-')", "('%5.1f|%-5s|%q'):format(1.25, 'a', 'b\\n')", "('abc'):byte(1, -1)",
      "table.concat(table.move({ 1, 2, 3 }, 1, 3, 2), ' ')", "table.pack(1, nil, 3).n",
      "(function() local t = {} for w in ('one two'):gmatch('%a+') do t[#t + 1] = w end "
        .. "return table.concat(t, '|') end)()",
      "(function() local t = { 3, 1, 2 } table.sort(t) return table.concat(t, ' ') end)()",
      "(function() local t = { 3, 1, 2 } table.sort(t, function(a, b) return a > b end) "
        .. "return table.concat(t, ' ') end)()",
      "(function() local t = { 1, 2, 3 } table.insert(t, 2, 9) return table.remove(t, 1), "
        .. "table.concat(t, ' ') end)()",
      "(function() local f = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) "
        .. "return b * 2 end) return f(1), f(5) end)()",
      "(function() local co = coroutine.create(function() error('x', 0) end) return "
        .. "coroutine.resume(co) end)()",
      "(function() local co = coroutine.create(function() return pcall(coroutine.yield, 7) "
        .. "end) local _, x = coroutine.resume(co) return x, coroutine.resume(co, 8) end)()",
      "pcall(error, 'x')", "pcall(function() return 1, 2 end)", "utf8.char(228, 8364)",
        "utf8.len('äß')",
      "math.type(1), math.type(1.0), math.floor(2.7), math.huge, math.ult(1, -1)",
    }
    for _, text in ipairs(texts) do
      local own = table.pack(load("return " .. text)())
      local got = table.pack(run("return " .. text))
      assert.is_true(got[1], text)
      assert.same(own, table.pack(table.unpack(got, 2, got.n)), text)
    end
  end)
  it("sort stably, whatever the order function does", function()
    assert.equal("a1 a2 a3 b1 b2", value [[(function()
      local t = { "b1", "a1", "a2", "b2", "a3" }
      table.sort(t, function(x, y) return x:sub(1, 1) < y:sub(1, 1) end)
      return table.concat(t, " ") end)()]])
    assert.equal(3, value [[(function()
      local t = { 1, 2, 3 } table.sort(t, function() return true end) return #t end)()]])
  end)
end)

describe("bombs", function()
  local huge = "setmetatable({}, { __len = function() return 1 << 62 end })"
  local bombs = {
    ["a loop"] = { "while true do end", "W701" },
    ["a loop that swallows errors"] = { "while true do pcall(function() while true do end "
      .. "end) end", "W701" },
    ["errors in errors"] = { "while true do pcall(pcall, error) end", "W701" },
    ["a loop in a coroutine"] = { "coroutine.wrap(function() while true do end end)()", "W701" },
    ["a loop in nested coroutines"] = { [[local function f(n)
      if n == 0 then while true do end end coroutine.wrap(f)(n - 1) end f(20)]], "W701" },
    ["short coroutines"] = { "while true do coroutine.wrap(function() local x = 1 end)() "
      .. "end", "W701" },
    ["a coroutine that is resumed again and again"] = {
      "local f = coroutine.wrap(function() while true do coroutine.yield() end end) while "
        .. "true do f() end", "W701" },
    ["rep of much"] = { "return ('x'):rep(1 << 40)", "too large" },
    ["move of much"] = { "table.move({}, 1, 1 << 40, 2)", "too many elements" },
    ["move through metamethods"] = { [[local t = setmetatable({}, { __index = function()
      return 1 end,
      __newindex = function() end }) table.move(t, 1, 1 << 26, 2)]], "W701" },
    ["insert with a length"] = { "table.insert(" .. huge .. ", 1, 1)", "too long" },
    ["remove with a length"] = { "table.remove(" .. huge .. ", 1)", "too long" },
    ["sort with a length"] = { "table.sort(" .. huge .. ")", "too long" },
    ["concat with a length"] = { "table.concat(" .. huge .. ")", "too long" },
    ["unpack of much"] = { "return table.unpack({}, 1, 1e8)", "too many results" },
    ["sort that never ends"] = { [[local t = {} for i = 1, 1e6 do t[i] = i end
      table.sort(t, function(a, b) for i = 1, 1e3 do end return a < b end)]], "W701" },
    ["lazy quantifiers"] = { "return ('a'):rep(200):find(('.-'):rep(8) .. 'b')", "too many steps" },
    ["greedy quantifiers"] = { "return ('a'):rep(60):find(('a*'):rep(12) .. 'b')", "too many "
      .. "steps" },
    ["optional items"] = { "return ('a'):rep(26):find(('a?'):rep(26) .. ('a'):rep(26) .. "
      .. "'b')", "too many steps" },
    ["balanced brackets"] = { "return ('('):rep(200000):find('%b()')", "too many steps" },
    ["recursion"] = { "local function f() return 1 + f() end f()", "W70[12]" },
    ["recursion in coroutines"] = { "local function f() return coroutine.wrap(f)() end f()",
      "stack overflow" },
    ["a loop of __index"] = { "local t = {} setmetatable(t, { __index = function(x, k) return "
      .. "x[k .. 1] end }) return t.a", "" },
    ["a chain of __index"] = { "local t = {} setmetatable(t, { __index = t }) return t.a", "loop" },
    ["an endless __index"] = { "local t = setmetatable({}, { __index = function() while true "
      .. "do end end }) return t.a", "W701" },
    ["a text of an error"] = { "error(setmetatable({}, { __tostring = function() while true "
      .. "do end end }))", "W701" },
    ["a table that grows"] = { "local t = {} for i = 1, math.huge do t[i] = i .. 'x' end",
      "W70[12]" },
    ["a string that grows"] = { "local s = 'x' while true do s = s .. s end", "W702" },
    ["a huge concat"] = { "local s = ('x'):rep(40 << 20) return s .. s .. s", "W70[12]" },
    ["many upvalues of memory"] = { "local t while true do t = { t, ('x'):rep(1 << 20) .. #(t "
      .. "or '') } end", "W70[12]" },
    ["gsub that grows"] = { "return ('x'):rep(1 << 20):gsub('x', ('y'):rep(1 << 10))", "W70[12]" },
    ["gmatch over nothing"] = { "while true do for _ in ('x'):rep(100):gmatch('') do end "
      .. "end", "W701" },
    ["pairs over much"] = { "local t = {} for i = 1, 1e5 do t['k' .. i] = i end while true do "
      .. "for _ in pairs(t) do end end", "W70[12]" },
    ["next over much"] = { "local t = {} for i = 1, 1e5 do t['k' .. i] = i end local k = "
      .. "next(t) while k do k = next(t, k) end", "W701" },
    ["a library function in a loop"] = { "while true do url_host('http://a.b/c') end", "W701" },
    ["a long format"] = { "return ('%99.99f'):rep(1000):format(table.unpack({}, 1, 1000))", "" },
  }
  for name, bomb in pairs(bombs) do
    it(name .. " ends in time", function()
      collectgarbage()
      local from = os.clock()
      local done, err = run(bomb[1])
      local spent = os.clock() - from
      if bomb[2] ~= "" then
        assert.is_false(done)
        assert.truthy(tostring(err):find(bomb[2]), tostring(err))
      end
      assert.truthy(spent <= BUDGET_S + LATE_S, ("%.3f s"):format(spent))
    end)
  end
  it("end in time however often a stack was full", function()
    for _ = 1, 10 do
      local from = os.clock()
      local text = message "local function f() return 1 + f() end f()"
      local spent = os.clock() - from
      assert.truthy(text:find("^bomb.lua:1: W70[12]: ") or text == TOO_LONG
        or text == "bomb.lua:1: stack overflow", text)
      assert.truthy(spent <= SLOWER, ("%.3f s"):format(spent)) -- to leave so many frames takes time
    end
  end)
  it("leave the state usable, and its memory free", function()
    run "local s = 'x' while true do s = s .. s end"
    collectgarbage()
    assert.equal(4, value "2 + 2")
    assert.truthy(collectgarbage("count") < 200 * 1024)
  end)
  it("name their place", function()
    assert.equal("bomb.lua:3: " .. TOO_LONG, message("\nlocal x = 1\nwhile "
      .. "true do x = x + 1 end"))
    assert.truthy(message("\n\nlocal s = 'x' while true do s = s .. s "
      .. "end"):find("^bomb.lua:3: W702: "))
  end)
end)

describe("row functions", function()
  local expr = require("weir.grammar.expr")

  --- One row through `derive`: by a string, or by a function that gives `type`. The cell and its
  --- type; or nil and the code of the reject or the error.
  local function derive(spec, f)
    local plan = native.plan({ timezone = "UTC", directory = ".", source_name = "x.lua" })
    local source = assert(plan:add({ op = "read", options = {},
      endpoint = { kind = "rows", rows = { { 1 } } },
      schema = { { name = "i", type = { kind = "int64" } } } }))
    if f then
      plan:set_function(1, f, "derive")
    end
    spec.op, spec.inputs = "derive", { source }
    local id, info = plan:add(spec)
    if not id then
      return nil, info.code, info
    end
    local sink = assert(plan:add({ op = "print", inputs = { id },
      endpoint = { kind = "print", options = {} } }))
    local made, err = native.harness(plan, { start = 0, seed = 1 })
    assert(made, err and err.message)
    local done
    done, err = made:feed(source, { { 1 } })
    if done ~= nil or err == nil then
      done, err = made:finish()
    end
    if done == nil and err then
      return nil, err.code, err
    end
    local rejected = made:rejects().rows[1]
    if rejected then
      return nil, rejected[3], rejected
    end
    return { made:rows(sink).rows[1][2] }, info.schema[2].type
  end

  local function by_string(text)
    return derive({ items = assert(expr.parse_list("r = " .. text)) })
  end

  local function by_function(f, kind)
    return derive({ fn = { id = 1, reads = "all", outputs = { { name = "r", type = kind } } } }, f)
  end

  local function compiled(text)
    local env = setmetatable(native.sandbox({}), { __index = function(_, name)
      return native.library(name) or error("no " .. name, 2)
    end })
    return load("return function(e) return " .. text .. " end", "@x.lua", "t", env)
  end

  it("that use up their time stop the run, with their place", function()
    local f = compiled([[(function()
      while true do pcall(function() while true do end end) end end)()]])()
    local cell, code, err = by_function(f, { kind = "int64" })
    assert.is_nil(cell)
    assert.equal("W701", code)
    assert.equal("ran longer than 250 ms", err.message)
    assert.same({ "x.lua", 2 }, { err.file, err.line })
  end)
  it("that use up their memory stop the run", function()
    local f = compiled("(function() local s = 'x' while true do s = s .. s end end)()")()
    assert.equal("W702", select(2, by_function(f, { kind = "int64" })))
  end)
  it("that fail reject their row, by the code of the function that failed", function()
    local int64 = { kind = "int64" }
    assert.equal("W511", select(2, by_function(compiled("error 'no'")(), int64)))
    local code = select(2, by_string("int64('x' .. i)"))
    assert.truthy(code:find("^W50"))
    assert.equal(code, select(2, by_function(compiled("int64('x' .. e.i)")(), int64)))
    local texts = { ["1 // (@i - @i)"] = "W503", ["1 % (@i - @i)"] = "W503",
      ["parse_json('\"x\"') + 1"] = "W505", ["parse_json('[1]') < 1"] = "W505",
      ["timestamp'9999-12-31T00:00:00Z' + duration'2000000w' * @i * 10"] = "W504" }
    for text, want in pairs(texts) do
      assert.equal(want, select(2, by_string((text:gsub("@", "")))), text)
      local f = compiled((text:gsub("@", "e.")))()
      assert.equal(want, select(2, by_function(f, int64)), text)
    end
  end)
  -- In Lua json is a table, which has no order of members and no null, and a list is no json; its
  -- own functions mean what they mean in Lua.
  local LUA_DIFFERS = {
    ["math.floor(1e300)"] = true, ["utf8.char(55296)"] = true, json_type = true, get = true,
    keys = true, values = true, parse_json = true, merge_json = true, zip = true,
  }
  it("give what strings give: each example of the library", function()
    local compared, skipped, differ = 0, {}, {}
    for _, f in ipairs(native.functions()) do
      for _, example in ipairs(f.examples) do
        local text = example.text
        local chunk = compiled(text)
        local cell, kind
        if not f.flags.lua then
          cell, kind = by_string(text)
        end
        if not chunk or f.flags.lua or LUA_DIFFERS[text] or LUA_DIFFERS[f.name]
          or f.name == "event_time" then
          skipped[#skipped + 1] = text
        else
          local got, code, why = by_function(chunk(), cell and kind or { kind = "json" })
          local same = not cell and not got
          if cell and got then
            same = cell[1] ~= cell[1] or pcall(assert.same, cell[1], got[1])
          end
          if not same then
            differ[#differ + 1] = ("%s: %s, not %s %s %s"):format(text, tostring(cell and cell[1]),
              tostring(got and got[1]), tostring(code),
              tostring(type(why) == "table" and (why.message or why[4]) or ""))
          end
          compared = compared + 1
        end
      end
    end
    assert.same({}, differ)
    assert.truthy(compared > 400, compared .. " compared; no Lua: " .. table.concat(skipped, "; "))
  end)
  it("that take a function: each example, and what is wrong", function()
    local json = { kind = "json" }
    local ran = 0
    for _, f in ipairs(native.functions()) do
      for _, example in ipairs(f.flags.lua and f.examples or {}) do
        local got, code = by_function(compiled(example.text)(), json)
        local text = got and (got[1] == nil and "nil" or got[1]) or "fails " .. code
        assert.equal(example.result, text, example.text)
        ran = ran + 1
      end
    end
    assert.equal(4, ran)
    local texts = {
      ["list_filter({ 1, 2 }, function(n) return n end)"] = "W505",
      ["list_filter({ a = 1 }, function() return true end)"] = "W505",
      ["list_map('x', function() return true end)"] = "W505", ["list_map({ 1 })"] = "W505",
      ["list_map({ 1 }, function() error 'no' end)"] = "W511",
      ["list_map({ 1 }, function() return 1 // 0 end)"] = "W503",
    }
    for text, want in pairs(texts) do
      assert.equal(want, select(2, by_function(compiled(text)(), json)), text)
    end
    local holes = "list_map({ 1, nil, 3 }, function(n) return n or 0 end)"
    assert.equal("[1,0,3]", by_function(compiled(holes)(), json)[1])
    holes = "list_filter({ 1, nil, 3 }, function(n) return n ~= 1 end)"
    assert.equal("[null,3]", by_function(compiled(holes)(), json)[1])
    local nested = "list_map({ { 1, 2 }, {} }, "
      .. "function(l) return list_filter(l, function(n) return n > 1 end) end)"
    assert.equal("[[2],[]]", by_function(compiled(nested)(), json)[1])
  end)
  it("that take a function stop with the run", function()
    for _, inner in ipairs { "while true do end", "return list_map(t, g)" } do
      local f = compiled(([[(function() local t = {} for i = 1, 1e5 do t[i] = i end
        local g g = function() %s end
        return list_map(t, function() pcall(list_map, t, g) end) end)()]]):format(inner))()
      local _, code = by_function(f, { kind = "json" })
      assert.truthy(code == "W701" or code == "W511", code)
    end
  end)
end)
