local errors = require("weir.errors")
local expr = require("weir.grammar.expr")
local lex = require("weir.grammar.lex")
local lua = require("weir.grammar.lua")
local schema_text = require("weir.schema_text")

--- A place as the loader makes it.
local function place(line, col, length, source_line, notes)
  return {
    file = "clicks.lua", line = line, col = col, caret_len = length, source_line = source_line,
    notes = notes or {},
  }
end

local err = {
  code = "W103", message = "unknown column `amout`",
  help = "did you mean `amount`?  columns: user, url, amount",
}

describe("errors.render", function()
  it("shows the place, the line, a caret and the help", function()
    assert.equal([[
clicks.lua:8:12: error[W103]: unknown column `amout`
  8 |   :filter "amout > 100"
    |            ^~~~~
help: did you mean `amount`?  columns: user, url, amount]],
      errors.render(err, place(8, 12, 5, '  :filter "amout > 100"')))
  end)
  it("leaves out what is not known", function()
    assert.equal("error[W401]: no such file: x",
      errors.render({ code = "W401", message = "no such file: x" }))
    assert.equal("error: odd", errors.render({ message = "odd" }))
  end)
  it("copies tabs into the caret's line, and counts characters", function()
    local text = errors.render(err, place(10, 5, 3, "\tgrößer"))
    assert.equal("  10 | \tgrößer\n     | \t   ^~~", text:match("\n(.-\n.-)\n"))
    text = errors.render(err, place(1, 3, 2, "日本語e\u{301}x"))
    assert.equal("  1 | 日本語e\u{301}x\n    |     ^~~", text:match("\n(.-\n.-)\n"))
  end)
  it("keeps the caret behind the end of a line", function()
    local text = errors.render(err, place(1, 4, 1, "abc"))
    assert.equal("  1 | abc\n    |    ^", text:match("\n(.-\n.-)\n"))
  end)
  it("cuts wide lines around the caret", function()
    local line = ("x"):rep(500) .. "amout" .. ("y"):rep(500)
    local text = errors.render(err, place(1, 501, 5, line))
    local shown, caret = text:match("\n  1 | (.-)\n    | (.-)\n")
    assert.equal(100, utf8.len(shown))
    assert.matches("^…x+amouty+…$", shown)
    local from = #caret:match("^ *")
    assert.equal("amout", shown:sub(from + #"…", from + #"…" + 4))
    text = errors.render(err, place(1, 1, 1000, line))
    assert.equal(50, #text:match("\n    | (.-)\n"))
    text = errors.render(err, place(1, 1005, 1, line))
    assert.matches("^….*y$", text:match("\n  1 | (.-)\n"))
  end)
  it("lets no text reach the terminal that a terminal would obey", function()
    local text = errors.render({ code = "W103", message = "a\27[31mb", help = "c\0d\255" },
      place(1, 1, 1, "x\27]0;t\7y\xff"))
    assert.is_nil(text:find("[%z\1-\9\11-\31\127\255]"))
    assert.matches("a%?%[31mb", text)
  end)
  it("shows notes: callers, other places, text made at run time", function()
    local caller = place(12, 1, 6, "big(s)")
    caller.text = "called from"
    local other = place(1, 8, 3, 'local t = "abc"')
    other.text = "this text is written here"
    local notes = { { text = "in a string made at run time" }, other, caller }
    local text = errors.render({
      code = "W103", message = "unknown column `abc`", content = "x = 1\nabc", from = 7, to = 9,
    }, place(4, 3, 6, "s:filter(t)", notes))
    assert.equal([[
clicks.lua:4:3: error[W103]: unknown column `abc`
  4 | s:filter(t)
    |   ^~~~~~
note: in a string made at run time
    | abc
    | ^~~
note: this text is written here: clicks.lua:1:8
  1 | local t = "abc"
    |        ^~~
note: called from clicks.lua:12]], text)
  end)
  it("paints only where it is asked to", function()
    local at = place(8, 12, 5, '  :filter "amout > 100"')
    local text = errors.render(err, at, { color = true })
    assert.matches("\27%[1;31merror%[W103%]:\27%[0m", text)
    assert.equal(errors.render(err, at), (text:gsub("\27%[[%d;]*m", "")))
  end)
  it("calls hints warnings", function()
    assert.equal("warning[W902]: stream goes nowhere",
      errors.render({ code = "W902", message = "stream goes nowhere" }))
  end)
  it("writes one line of JSON", function()
    local caller = place(12, 1, 6, "big(s)")
    caller.text = "called from"
    assert.equal('{"file":"clicks.lua","line":8,"col":12,"end_col":17,"severity":"error",'
      .. '"code":"W103","message":"a \\"b\\" \\u0001\\n\u{fffd}",'
      .. '"notes":[{"text":"called from",'
      .. '"file":"clicks.lua","line":12,"col":1}]}',
      errors.render({ code = "W103", message = 'a "b" \1\n\xff' }, place(8, 12, 5, "", { caller }),
        { format = "json" }))
    assert.equal('{"severity":"error","message":"x"}',
      errors.render({ message = "x" }, nil, { format = "json" }))
  end)
  it("writes a command of GitHub Actions", function()
    local at = place(8, 12, 5, "")
    at.file = "a,b:c.lua"
    local odd = { code = "W103", message = "100% of: it", help = "no" }
    assert.equal("::error file=a%2Cb%3Ac.lua,line=8,col=12,endColumn=17,title=W103::"
      .. "100%25 of: it%0Ahelp: no", errors.render(odd, at, { format = "github" }))
    assert.equal("::warning title=W902::x",
      errors.render({ code = "W902", message = "x" }, nil, { format = "github" }))
  end)
end)

local CODES = [[
  W001 W002 W003 W004 W005 W006 W007 W008 W009 W010 W011 W012 W013 W014
  W101 W102 W103 W104 W105 W106 W107 W108 W109 W110 W111 W112 W113 W114 W115 W116
  W201 W202 W203 W204 W205 W206 W207 W208 W209 W210 W211 W212
  W301 W302 W303 W304 W305 W306 W307 W308 W309
  W401 W402 W403 W404 W405 W406 W407 W408 W410 W411
  W501 W502 W503 W504 W505 W506 W507 W508 W509 W510 W511 W512 W513 W514
  W601 W602 W603 W604 W607 W608 W609 W610 W611 W612 W613 W614 W615 W616 W617 W618
  W619 W620 W621 W622 W623 W624 W625 W626
  W701 W702 W703 W704 W705
  W901 W902 W903 W904 W905 W906 W907 W908 W910
]]

describe("errors.page", function()
  it("is there for every code, with what is wrong and what is right, in 80 columns", function()
    local listed = {}
    for code in CODES:gmatch("W%d+") do
      listed[#listed + 1] = code
      local page = errors.page(code)
      assert(page, code)
      assert.matches("wrong:\n    .+\nright:\n    ", page)
      assert.is_true(#errors.lookup(code).page > 60, code)
      assert.is_string(errors.family(code))
      for line in page:gmatch("[^\n]+") do
        assert(utf8.len(line) <= 80, code .. ": " .. line)
      end
    end
    assert.same(listed, errors.codes())
  end)
  it("offers the code that may be meant", function()
    local page, near = errors.page("w1033")
    assert.is_nil(page)
    assert.matches("^W103$", near)
    assert.is_string((errors.page("w103")))
  end)
end)

-- What reads the string of a stage.
local PARSERS = { filter = "parse_expr", derive = "parse_list", agg = "parse_list",
  select = "parse_list" }

--- The code that the grammar gives for the first stage of an example, or "none".
local function code_of(example)
  local block = assert(lua.parse("s" .. example), example)
  local code
  lua.walk(block, function(node)
    if node.k == "method" and node.args[1] and node.args[1].k == "string" then
      local text = lex.decode(("s" .. example):sub(node.args[1].from, node.args[1].to))
      local ast, failure = expr[PARSERS[node.name]](text)
      code = ast and "none" or failure.code
    end
  end)
  return code
end

describe("error examples", function()
  it("of W0 fail with their code, and what is right is right", function()
    for code in CODES:gmatch("W0%d+") do
      local row = errors.lookup(code)
      assert.same({ code, code, "none" }, { code, code_of(row.wrong), code_of(row.right) })
    end
  end)
  it("of schemas fail with their code", function()
    local row = errors.lookup("W116")
    local _, failure = schema_text.parse(row.wrong:match('"(.*)"'))
    assert.equal("W116", failure.code)
    assert.is_table(schema_text.parse(row.right:match('"(.*)"')))
  end)
  it("are Lua, where they are no rows, commands or options", function()
    local other = { W406 = true, W407 = true, W501 = true, W502 = true, W510 = true, W512 = true,
      W601 = true, W604 = true, W610 = true, W613 = true, W614 = true, W616 = true,
      W617 = true, W618 = true, W619 = true, W620 = true,
      W621 = true, W622 = true, W623 = true, W625 = true }
    for code in CODES:gmatch("W%d+") do
      local row = errors.lookup(code)
      for _, example in ipairs({ row.wrong, row.right }) do
        local text = example:find("^:") and "s" .. example
          or example:find("^weir%.[%a.]+ ?[\"{(]") and "local x = " .. example or example
        local ok, message = load(text)
        assert(ok or other[code], code .. ": " .. tostring(message))
      end
    end
  end)
end)
