local expr = require("weir.grammar.expr")
local lex = require("weir.grammar.lex")
local loader = require("weir.loader")
local lua = require("weir.grammar.lua")
local duration = require("weir.duration")
local schema_text = require("weir.schema_text")
local size = require("weir.size")
local scripts = require("spec.support.trial")

-- What the first argument of a stage is, and what options hold.
local LIST, EXPR, ORDER, COLUMNS =
  expr.parse_list, expr.parse_expr, expr.parse_order, expr.parse_columns
local SUBJECTS = {
  filter = EXPR, derive = LIST, select = LIST, agg = LIST, group_by = LIST, expect = LIST,
  event_time = LIST, fill = LIST, dedup = COLUMNS, as_table = COLUMNS, sort = ORDER,
}
local OPTIONS = {
  partition_by = LIST, audit = LIST, define = LIST, measures = LIST, key = COLUMNS, at = EXPR,
  schema = schema_text.parse, max_delay = duration.parse, checkpoint = duration.parse,
  idle = duration.parse, max_age = duration.parse, stop_after = duration.parse,
  allowed_lateness = duration.parse, wait = duration.parse, ttl = duration.parse,
  freshness = duration.parse, memory = size.parse,
}
local CALLS = {
  schema = schema_text.parse, params = schema_text.params, tumbling = duration.parse,
  hopping = duration.parse, session = duration.parse,
}

--- Every text of a script that a grammar has to read, as {parser, text, options}.
local function texts(script)
  local found = {}
  local function add(parser, node, options)
    if parser and node and node.k == "string" then
      local text = assert(lex.decode(script:sub(node.from, node.to)))
      found[#found + 1] = { parser, text, options }
    end
  end
  lua.walk(assert(lua.parse(script)), function(node)
    if node.k == "method" then
      add(SUBJECTS[node.name], node.args[1])
      if node.name == "top" then
        add(ORDER, node.args[2])
      end
    elseif node.k == "call" and node.a.k == "field" then
      add(CALLS[node.a.name], node.args[1])
    elseif node.k == "table" then
      for _, item in ipairs(node.items) do
        add(OPTIONS[item.name or ""], item.value)
        if item.name == "on" then
          add(LIST, item.value, { unnamed = true })
        elseif item.name == "within" and item.value.k == "table" then
          for _, bound in ipairs(item.value.items) do
            add(EXPR, bound.value)
          end
        end
      end
    end
  end)
  return found
end

describe("the trial scripts", function()
  it("load with marks", function()
    for _, script in ipairs(scripts) do
      loader.reset()
      local chunk, err = loader.load(script, "trial.lua", {})
      assert(chunk, err and err.message)
      assert.is_true(loader.files()[1].marked)
    end
  end)
  it("have strings that the grammars read, every one", function()
    local count = 0
    for _, script in ipairs(scripts) do
      for _, case in ipairs(texts(script)) do
        local ast, err = case[1](case[2], case[3])
        assert(ast, ("%q: %s"):format(case[2], err and err.message))
        count = count + 1
      end
    end
    assert.equal(155, count)
  end)
end)
