local expr = require("weir.grammar.expr")
local lex = require("weir.grammar.lex")
local loader = require("weir.loader")
local lua = require("weir.grammar.lua")
local scripts = require("spec.support.trial")

-- What the first argument of a stage is, and what options hold.
local LIST, EXPR, ORDER, COLUMNS = "parse_list", "parse_expr", "parse_order", "parse_columns"
local SUBJECTS = {
  filter = EXPR, derive = LIST, select = LIST, agg = LIST, group_by = LIST, expect = LIST,
  event_time = LIST, fill = LIST, dedup = COLUMNS, as_table = COLUMNS, sort = ORDER,
}
local OPTIONS = {
  partition_by = LIST, audit = LIST, define = LIST, measures = LIST, key = COLUMNS, at = EXPR,
}

--- Every text of a script that the grammar has to read, as {parser, text, options}.
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
  it("have strings that the grammar reads, every one", function()
    local count = 0
    for _, script in ipairs(scripts) do
      for _, case in ipairs(texts(script)) do
        local ast, err = expr[case[1]](case[2], case[3])
        assert(ast, ("%s %q: %s"):format(case[1], case[2], err and err.message))
        count = count + 1
      end
    end
    assert.equal(119, count)
  end)
end)
