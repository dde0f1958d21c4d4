local errors = require("weir.errors")
local expr = require("weir.grammar.expr")
local lex = require("weir.grammar.lex")
local loader = require("weir.loader")
local lua = require("weir.grammar.lua")
local marks = require("weir.marks")
local schema_text = require("weir.schema_text")
local random = require("spec.support.random") -- reads WEIR_RANDOM_SECONDS
local scripts = require("spec.support.trial")

-- What mutations put in.
local PIECES = {
  "(", ")", "[", "]", "[[", "]]", "'", '"', "`", "--", "--[[", "\n", "\r\n", " ", "\0", "\xff", "ö",
  "$", "=", "==", "~=", "!=", "&&", "..", "...", ":", "::", ";", ",", "?", "??", "<", ">", "^", "#",
  "5m", "1e", "0x", "99999999999999999999", "not", "in", "like", "where", "over", "order by",
  "limit", "nil", "null", "end", "if", "function", "local", "\\", "{", "}", "@", "key", "struct<",
  "decimal(",
}

--- A text with some bytes taken out, doubled or put in.
local function mutated(text)
  for _ = 1, math.random(4) do
    local at = math.random(0, #text)
    local kind = math.random(3)
    if kind == 1 then
      text = text:sub(1, at) .. text:sub(at + 1 + math.random(3))
    elseif kind == 2 then
      text = text:sub(1, at) .. PIECES[math.random(#PIECES)] .. text:sub(at + 1)
    else
      text = text:sub(1, at) .. text:sub(math.max(at - 5, 1))
    end
  end
  return text
end

local function check_error(text, err)
  assert(err.code:find("^W%d%d%d$") and err.message ~= "", err.message)
  assert(err.from >= 1 and err.from <= #text + 1, text)
  assert(err.to >= err.from and err.to <= math.max(#text, err.from), text)
  assert.is_string(errors.lookup(err.code).page)
end

describe(("mutated texts (WEIR_SEED=%d)"):format(random.seed), function()
  local texts = {}
  for _, script in ipairs(scripts) do
    lua.walk(assert(lua.parse(script)), function(node)
      if node.k == "string" then
        texts[#texts + 1] = lex.decode(script:sub(node.from, node.to))
      end
    end)
  end
  it("are read or refused with a place in them, never more", function()
    local refused = 0
    for _ in random.rounds(0.6) do
      local text = mutated(texts[math.random(#texts)])
      for _, parse in ipairs({
        expr.parse_list, expr.parse_expr, expr.parse_order, expr.parse_columns, schema_text.parse,
        schema_text.params, schema_text.names,
      }) do
        local ast, err = parse(text)
        if not ast then
          refused = refused + 1
          check_error(text, err)
        end
      end
    end
    assert.is_true(refused > 300)
  end)
  it("of scripts load, or are refused with a place that shows", function()
    local loaded, refused = 0, 0
    for _ in random.rounds(0.4) do
      local text = mutated(scripts[math.random(#scripts)])
      loader.reset()
      local chunk, err = loader.load(text, "s.lua", {})
      if chunk then
        loaded = loaded + 1
        assert.is_true(loader.files()[1].marked, text)
      else
        refused = refused + 1
        assert.matches("^s%.lua:%d+:%d+: error%[W%d+%]", errors.render(err, err.located))
      end
    end
    assert.is_true(loaded > 0 and refused > 0)
  end)
end)

describe("marks", function()
  --- Is `part` what remains of `whole` when bytes are taken out?
  local function remains(part, whole)
    local at = 1
    for i = 1, #part do
      at = whole:find(part:sub(i, i), at, true)
      if not at then
        return false
      end
      at = at + 1
    end
    return true
  end
  it("are only put into a text, line by line: this library", function()
    local count = 0
    for _, name in ipairs({
      "weir.grammar.expr", "weir.grammar.lua", "weir.grammar.lex", "weir.loader", "weir.source",
      "weir.schema_text", "weir.errors", "weir.error_codes.run",
    }) do
      local file = assert(io.open(("stdlib/%s.lua"):format(name:gsub("%.", "/")), "rb"))
      local text = file:read("a")
      file:close()
      local marked = marks.insert(text, assert(lua.parse(text)), 1)
      assert.is_function(load(marked))
      local lines = marked:gmatch("([^\n]*)\n")
      for line in text:gmatch("([^\n]*)\n") do
        assert(remains(line, lines()), line)
        count = count + 1
      end
      assert.is_nil(lines())
    end
    assert.is_true(count > 2000)
  end)
end)
