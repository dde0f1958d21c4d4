local expr = require("weir.grammar.expr")
local lua = require("weir.grammar.lua")
local random = require("spec.support.random") -- reads WEIR_RANDOM_SECONDS
local scope = require("weir.grammar.scope")

--- A tree of either grammar as text with brackets around everything.
local function bracketed(node, text)
  if node.k == "un" then
    return ("(%s %s)"):format(node.op, bracketed(node.a, text))
  elseif node.k == "bin" then
    return ("(%s %s %s)"):format(bracketed(node.a, text), node.op, bracketed(node.b, text))
  elseif node.k == "paren" then
    return bracketed(node.a, text)
  end
  return text:sub(node.from, node.to)
end

local OPERATORS = {
  "or", "and", "==", "~=", "<", "<=", ">", ">=", "|", "~", "&", "<<", ">>", "..", "+", "-", "*",
  "/", "//", "%", "^",
}
local OPERANDS = { "1", "2", "7", "0.5", "a", "b", "nil", "true", "false", "'x'" }
local PREFIXES = { "not ", "- ", "~ ", "# " }

local function random_text(depth)
  local parts = {}
  for i = 1, math.random(1, 6) do
    if i > 1 then
      parts[#parts + 1] = OPERATORS[math.random(#OPERATORS)]
    end
    local prefix = math.random(5) == 1 and PREFIXES[math.random(#PREFIXES)] or ""
    if depth > 0 and math.random(4) == 1 then
      parts[#parts + 1] = prefix .. "(" .. random_text(depth - 1) .. ")"
    else
      parts[#parts + 1] = prefix .. OPERANDS[math.random(#OPERANDS)]
    end
  end
  return table.concat(parts, " ")
end

local function value_of(text)
  local ok, value = pcall(assert(load("local a, b = 3, -4 return " .. text, "=e")))
  return ok and (value ~= value and "nan" or value) or "an error"
end

describe(("operators (WEIR_SEED=%d)"):format(random.seed), function()
  it("group in both grammars as in stock Lua", function()
    local compared, refused = 0, 0
    for _ in random.rounds(1) do
      local text = random_text(2)
      local want = value_of(text)
      local block = assert(lua.parse("return " .. text), text)
      assert.same({ text, want }, { text, value_of(bracketed(block[1].values[1],
        "return " .. text)) })
      local ast, err = expr.parse_expr(text)
      if ast then
        compared = compared + 1
        local inner = text:find("[()]") == nil
        if inner then -- brackets leave no node there
          assert.same({ text, want }, { text, value_of(bracketed(ast, text)) })
        end
      else
        refused = refused + 1
        assert.same({ text, "W012" }, { text, err.code })
      end
    end
    assert.is_true(compared > 50 and refused > 5)
  end)
end)

describe("grammar.lua.parse", function()
  --- The kinds of a block's statements.
  local function kinds(text)
    assert(load(text), text)
    local list = {}
    for i, node in ipairs(assert(lua.parse(text), text)) do
      list[i] = node.k
    end
    return table.concat(list, " ")
  end
  it("reads every statement", function()
    assert.equal("local assign callstat do while repeat if fornum forin funcstat localfunc goto "
      .. "label return", kinds([[
      local a <const>, b <close>, c = 1, nil;
      a1, t.x, t[1] = 1, 2
      ;f();
      do end
      while true do break end
      repeat local x until x
      if a then elseif b then else end
      for i = 1, 2, 3 do end
      for k, v in pairs({}) do end
      function t.a.b:c(x, ...) return ... end
      local function g() end
      goto done
      ::done::
      return a, b;
    ]]))
    assert.equal("return", kinds("return"))
    assert.equal("", kinds("-- nothing"))
    assert.equal("", kinds(";;"))
  end)
  it("says where names, arguments and functions stand", function()
    local text = 'x = a.b["c"]:d({ k = 1, [2] = 3; f "s" }, function(p, ...) end) { }'
    local call = assert(lua.parse(text))[1].values[1]
    assert.same({ "call", 65, nil }, { call.k, call.open, call.close })
    local method = call.a
    assert.same({ "method", "d", "(", ")" }, { method.k,
      text:sub(method.name_from, method.name_from), text:sub(method.open, method.open),
      text:sub(method.close, method.close) })
    local items = method.args[1].items
    assert.same({ "k", "k = 1", "[2] = 3", 'f "s"' }, { items[1].name,
      text:sub(items[1].from, items[1].to), text:sub(items[2].from, items[2].to),
      text:sub(items[3].from, items[3].to) })
    local func = method.args[2]
    assert.same({ "function(p, ...) end", "p", true, "(" }, { text:sub(func.from, func.to),
      func.params[1].name, func.is_vararg, text:sub(func.params_from, func.params_from) })
  end)
  it("reads what Lua reads at its limits", function()
    local nested = ("{"):rep(180) .. ("}"):rep(180)
    assert.is_table(lua.parse("x = " .. nested))
    assert.is_table(lua.parse("x = " .. ("("):rep(180) .. "1" .. (")"):rep(180)))
    assert.is_table(lua.parse("x = " .. ("1 + "):rep(20000) .. "1"))
    assert.is_table(lua.parse(("if a then b() else"):rep(3000) .. "if a then end"))
    assert.is_table(lua.parse(("do "):rep(180) .. ("end "):rep(180)))
    assert.is_table(lua.parse(("x = function() "):rep(180) .. ("end "):rep(180)))
    assert.is_table(lua.parse("x = s" .. (":f()"):rep(10000)))
  end)
  it("refuses what is no Lua", function()
    for _, text in ipairs({ "x = = 1", "f(", "if x then", "a.b", "1", "return 1 x = 2", "x = 'a",
      "f() = 1", "(a) = 1", "f(), g()" }) do
      assert.is_nil(lua.parse(text), text)
    end
  end)
end)

describe("grammar.lua.tokens", function()
  it("cover any text, right or wrong", function()
    local text = "x='a' --[[ c ]] ... 3..2 \xff if [==[ ]] ]==] 'open"
    local found = {}
    for i, token in ipairs(lua.tokens(text)) do
      found[i] = token.kind:sub(1, 2) .. ":" .. text:sub(token.from, token.past - 1)
    end
    assert.same({ "na:x", "sy:=", "st:'a'", "sy:...", "nu:3..2", "na:\xff", "ke:if",
      "st:[==[ ]] ]==]", "sy:'", "na:open" }, found)
  end)
end)

describe("grammar.scope", function()
  --- What each use of `name` means: the byte of its declaration, or "global".
  local function uses(text, name)
    local block = assert(lua.parse(text), text)
    scope.resolve(block)
    local list = {}
    lua.walk(block, function(node)
      if node.k == "name" and node.name == name then
        list[#list + 1] = { at = node.from, decl = node.decl and node.decl.from or "global" }
      end
    end)
    table.sort(list, function(a, b)
      return a.at < b.at
    end)
    for i, use in ipairs(list) do
      list[i] = use.decl
    end
    return list
  end
  it("follows Lua's rules of visibility", function()
    for text, want in pairs({
      ["local x = x f(x)"] = { "global", 7 },
      ["local function x() return x end x()"] = { 16, 16 },
      ["local x = function() return x end"] = { "global" },
      ["do local x end f(x)"] = { "global" },
      ["repeat local x until x"] = { 14 },
      ["for x = 1, x do f(x) end f(x)"] = { "global", 5, "global" },
      ["for x in x do f(x) end"] = { "global", 5 },
      ["local x local x f(x)"] = { 15 },
      ["f(function(x) return x end, x)"] = { 12, "global" },
      ["function t:f() return x end"] = { "global" },
      ["if a then local x elseif x then f(x) end"] = { "global", "global" },
      ["while x do local x f(x) end"] = { "global", 18 },
    }) do
      assert.same({ text, want }, { text, uses(text, "x") })
    end
    assert.same({ 15 }, uses("  function t:f() return self end", "self"))
  end)
end)
