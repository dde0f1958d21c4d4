local loader = require("weir.loader")
local lua = require("weir.grammar.lua")
local marks = require("weir.marks")

--- A script run with a stream whose stages note the mark of their call. Returns what they noted.
local function run(text, name, extra)
  local noted = {}
  local stream = {}
  stream.__index = function(_, stage)
    return function(_, subject, options)
      noted[#noted + 1] = {
        stage = stage, mark = loader.take_mark(), subject = subject, options = options,
      }
      return setmetatable({}, stream)
    end
  end
  stream.__call = function(_, subject)
    noted[#noted + 1] = { stage = "()", mark = loader.take_mark(), subject = subject }
    return setmetatable({}, stream)
  end
  local env = {
    s = setmetatable({}, stream), ipairs = ipairs, pcall = pcall, pairs = pairs,
    weir = {
      secret = function(x)
        return { loader.take_mark(), x }
      end,
    },
    note = function(x)
      noted[#noted + 1] = x
    end,
  }
  for key, x in pairs(extra or {}) do
    env[key] = x
  end
  local chunk, err = loader.load(text, name or "s.lua", env)
  assert(chunk, err and err.message)
  chunk()
  return noted, env
end

--- The place of a noted call as "line:col characters under the caret", and its notes.
local function under(noted, what)
  local place = loader.locate(noted.mark, what)
  local first = utf8.offset(place.source_line, place.col)
  local past = utf8.offset(place.source_line, place.col + place.caret_len)
  local text = place.source_line:sub(first, past and past - 1 or #place.source_line)
  return ("%d:%d %s"):format(place.line, place.col, text), place.notes
end

local function word_in(noted, word, arg)
  local from, to = noted.subject:find(word, 1, true)
  return under(noted, { arg = arg or "1", content = noted.subject, from = from, to = to })
end

before_each(function()
  loader.reset()
end)

describe("loader.load", function()
  it("blanks a BOM and a `#!` line and keeps lines and columns", function()
    local noted = run("\xef\xbb\xbf#!/usr/bin/env weir\ns:filter 'a > b'")
    assert.equal("2:15 b", (word_in(noted[1], "b")))
    noted = run("\xef\xbb\xbfs:filter 'a > b'")
    assert.equal("1:15 b", (word_in(noted[1], "b")))
  end)
  it("gives a script what it gives without marks", function()
    local text = [[
      local t = { f = function(self, ...) return select("#", ...), ... end }
      local function none() end
      local function two() return 1, 2 end
      local a = { t:f() }
      local b = { t:f(none()) }
      local c = { t:f(two()) }
      local d = { t:f(two(), two()) }
      local e = { t:f((two())) }
      local f = { t:f "x" }
      local g = { t:f { 1 } }
      local h = { t.f(t, nil, nil) }
      local function vararg(...) return t:f(...) end
      local i = { vararg(nil, 1, nil) }
      local j = { pcall(error, "x", 0) }
      return { a, b, c, d, e, f, { g[1], g[2][1] }, h, i, j }
    ]]
    local marked = assert(loader.load(text, "s.lua", setmetatable({}, { __index = _G })))
    assert.is_true(loader.files()[1].marked)
    assert.same(assert(load(text))(), marked())
  end)
  it("keeps tail calls, recursion and goto", function()
    local text = [[
      local function down(n) if n == 0 then return "done" end return down(n - 1) end
      local sum = 0
      for i = 1, 3 do
        if i == 2 then goto continue end
        local function add() sum = sum + i end
        add()
        ::continue::
      end
      return down(100000), sum
    ]]
    local chunk = assert(loader.load(text, "s.lua", setmetatable({}, { __index = _G })))
    assert.same({ "done", 4 }, { chunk() })
  end)
  it("marks every call and function, and moves no line", function()
    local text = 'f()\ng "x"\n  h\n  {\n1}\nlocal function k() end\nfunction a.b:c() end\n'
      .. "x = function(...) return f(...) end y(f(1), function() end)"
    local block = assert(lua.parse(text))
    local marked, nodes = marks.insert(text, block, 1)
    assert.equal('f(__c(1))\ng (__c(2,"x"))\n  h\n  (__c(3,{\n1}))\n'
      .. "local function k() end; __f(4,k);\n"
      .. "function a.b:c() end; __f(5,a.b.c);\nx = __f(6,function(...) return f(__c(7,...)) end) "
      .. "y(__c(8,f(__c(9,1)), __f(10,function() end)))", marked)
    assert.equal(10, #nodes)
  end)
  it("reads scripts that Lua reads: this library, run from its marked copy", function()
    local loaded = {}
    local env = setmetatable({}, { __index = _G })
    function env.require(name)
      if not name:find("^weir") then
        return require(name)
      elseif not loaded[name] then
        local path = ("stdlib/%s.lua"):format(name:gsub("%.", "/"))
        local file = assert(io.open(path, "rb"))
        local chunk = assert(loader.load(file:read("a"), path, env))
        file:close()
        loaded[name] = chunk(name)
      end
      return loaded[name]
    end
    local marked, plain = env.require("weir.grammar.expr"), require("weir.grammar.expr")
    assert.are_not.equal(marked, plain)
    local text = "a = f(x where y) over '1h' + 2 ^ -1\nb = c in (1, 2)"
    assert.same(plain.parse_list(text), marked.parse_list(text))
    assert.same({ plain.parse_list("a !") }, { marked.parse_list("a !") })
    for _, file in ipairs(loader.files()) do
      assert.is_true(file.marked, file.name)
    end
  end)
  it("records what it loaded, with a hash of the bytes", function()
    run("local x = 1", "one.lua")
    run("local x = 2", "two.lua")
    local list = loader.files()
    assert.same({ "one.lua", "two.lua" }, { list[1].name, list[2].name })
    assert.equal("cbf29ce484222325", loader.hash(""))
    assert.equal("85944171f73967e8", loader.hash("foobar"))
    assert.are_not.equal(list[1].hash, list[2].hash)
  end)
  it("refuses the names that marks and the sandbox need", function()
    for text, name in pairs({
      ["local _ENV = {}"] = "_ENV", ["x = _ENV.y"] = "_ENV", ["__c(1)"] = "__c",
      ["function __f() end"] = "__f", ["for __c = 1, 2 do end"] = "__c",
      ["local function __c() end"] = "__c", ["f(function(_ENV) end)"] = "_ENV",
    }) do
      local chunk, err = loader.load(text, "s.lua", {})
      assert.is_nil(chunk)
      assert.same({ "W703", (text:find(name, 1, true)) }, { err.code, err.located.col })
      assert(err.message:find(name, 1, true))
    end
    assert.is_function(loader.load("local x = { __c = 1 } x.__f = '_ENV'", "s.lua", {}))
  end)
  it("takes chains of any length", function()
    local chain = ("1 + "):rep(30000) .. "1"
    local noted = run("note(function(e) return " .. chain .. " end)")
    assert.is_true(loader.files()[1].marked)
    assert.is_nil(loader.check_row_function(noted[1]))
    assert.equal(30001, loader.recompile(noted[1])({}))
  end)
  it("refuses a compiled chunk", function()
    local chunk, err = loader.load(string.dump(function() end), "s.lua", {})
    assert.is_nil(chunk)
    assert.matches("binary", err.message)
  end)
end)

describe("loader.locate", function()
  it("finds strings in helpers, loops and branches above which equal text stands", function()
    local noted = run([[
local unused = "amount > 1"
local function big(t) return t:filter "amount > 1" end
if false then s:filter "amount > 1" end
for _ = 1, 2 do s:filter "amount > 1" end
s:filter "amount > 1":filter("amount > 1")
]])
    assert.equal("4:27 amount", (word_in(noted[1], "amount")))
    assert.equal("4:27 amount", (word_in(noted[2], "amount")))
    assert.equal("5:11 amount", (word_in(noted[3], "amount")))
    assert.equal("5:31 amount", (word_in(noted[4], "amount")))
  end)
  it("tells equal strings of one call apart by argument and option", function()
    local noted = run([[s:join("a", { on = "a", ["key"] = "a", within = { "a", "b" } }, "a")]])[1]
    local function col(arg, content)
      return loader.locate(noted.mark, { arg = arg, content = content, from = 1, to = 1 }).col
    end
    assert.same({ 9, 21, 36, 52, 57, 66 },
      { col("1", "a"), col("on", "a"), col("key", "a"), col("within.1", "a"), col("within.2", "b"),
        col(3, "a") })
  end)
  it("maps decoded bytes through escapes, long strings, CRLF, tabs and UTF-8", function()
    local noted = run("s:filter '\\tx \\u{e4}\\z\n   y == \\'q\\''")
    assert.equal("2:4 y", (word_in(noted[1], "y")))
    assert.equal("1:13 x", (word_in(noted[1], "x")))
    assert.equal("1:15 \\u{e4}", (under(noted[1], { arg = "1", content = noted[1].subject,
      from = 4, to = 5 })))
    noted = run("s:derive [[\r\n  größe = 1\r\n\tb = größe + x]]")
    assert.equal("  größe = 1\n\tb = größe + x", noted[1].subject)
    assert.equal("3:14 x", (word_in(noted[1], "x")))
    local place = loader.locate(noted[1].mark, { arg = "1", content = noted[1].subject, from = 16 })
    assert.equal("\tb = größe + x]]", place.source_line)
    noted = run("local x = 'größe' s:filter 'ä'")
    assert.equal("1:29 ä", (word_in(noted[1], "ä")))
  end)
  it("puts the caret behind the text when the text ends too early", function()
    local noted = run("s:filter 'a >'")[1]
    assert.equal("1:14 '", (under(noted, { arg = "1", content = "a >", from = 4, to = 4 })))
    noted = run("s:filter ''")[1]
    assert.equal("1:11 '", (under(noted, { arg = "1", content = "", from = 1, to = 1 })))
  end)
  it("points at the method for a string made at run time, and at its only source", function()
    local noted = run([[
local where = "amount > 1"
s:filter(where)
s:filter("a" .. " > 1")
]])
    local at, notes = word_in(noted[1], "amount")
    assert.equal("2:3 filter", at)
    assert.equal("in a string made at run time", notes[1].text)
    assert.same({ 1, 16, 6 }, { notes[2].line, notes[2].col, notes[2].caret_len })
    at, notes = word_in(noted[2], "a")
    assert.same({ "3:3 filter", 1 }, { at, #notes })
  end)
  it("points at the method, an option's key, an option's value", function()
    local noted = run('s:filter("a", { mim = 1, ["x y"] = 2 })')[1]
    assert.equal("1:3 filter", (under(noted)))
    assert.equal("1:17 mim", (under(noted, { key = "mim" })))
    assert.equal("1:27 \"x y\"", (under(noted, { key = "x y" })))
    assert.equal("1:23 1", (under(noted, { arg = "mim" })))
    assert.equal("1:3 filter", (under(noted, { arg = "other" })))
  end)
  it("keeps the mark of a call whose arguments call too", function()
    local noted = run('s:write("out", { password = weir.secret "x" }):filter "y"')
    assert.equal("1:3 write", (under(noted[1])))
    assert.equal("1:48 filter", (under(noted[2])))
  end)
  it("says who called when one call is reached from several places", function()
    local noted = run([[
local function big(t)
  return t:filter "a"
end
local function twice(t)
  local u = t:derive "b = 1"
  return u
end
big(s)
twice(s)
]])
    local at, notes = under(noted[1])
    assert.same({ "2:12 filter", 1 }, { at, #notes })
    assert.same({ "called from", 8 }, { notes[1].text, notes[1].line })
    at, notes = under(noted[2])
    assert.same({ "5:15 derive", 1 }, { at, #notes })
    assert.same({ "called from", 9 }, { notes[1].text, notes[1].line })
    noted = run("for _ = 1, 2 do s:filter 'a' end")
    assert.equal(noted[1].mark, noted[2].mark)
    assert.same({}, (select(2, under(noted[1]))))
  end)
  it("knows the line of a call that something else makes for the script", function()
    local noted = run("-- x\neach(s.filter, s, 'a b')", "s.lua", {
      each = function(f, ...)
        loader.take_mark()
        return f(...), nil
      end,
    })
    assert.equal("2:20 a b", (under(noted[1], { arg = "1", content = "a b", from = 1, to = 3 })))
    assert.equal("2:1 each(s.filter, s, 'a b')", (under(noted[1])))
  end)
  it("takes each mark once", function()
    local noted = run('s:filter "a"')
    assert.is_number(noted[1].mark)
    assert.is_nil(loader.take_mark())
  end)
  it("sees streams that are called, as `weir.read 'a' { … }`", function()
    local noted = run("s:filter 'a' 'b'\ns:write 'x' { table = 't' }")
    assert.same({ "filter", "()", "write", "()" },
      { noted[1].stage, noted[2].stage, noted[3].stage, noted[4].stage })
    assert.equal("1:14 'b'", (under(noted[2], { arg = "1" })))
    assert.equal("2:13 {", (under(noted[4])))
    noted = run("s:filter 'a'\n(s):derive 'b'")
    assert.same({ "filter", "()", "derive" }, { noted[1].stage, noted[2].stage, noted[3].stage })
  end)
end)

describe("loader fallback", function()
  local function wide()
    local lines = {}
    for i = 1, 120 do
      lines[i] = ("local v%d = %d"):format(i, i)
    end
    lines[#lines + 1] = "local t = { " .. ("f(1), "):rep(10) .. " }"
    local call = ("f("):rep(110) .. "1" .. (")"):rep(110)
    lines[#lines + 1] = "local u = " .. call
    lines[#lines + 1] = "s:filter 'amount > 1'"
    lines[#lines + 1] = "s:filter('a' .. v1)"
    return table.concat(lines, "\n")
  end
  it("runs the original with positions by line when marks do not fit Lua's limits", function()
    local noted = run(wide(), "s.lua", { f = function(x) return x end })
    assert.is_false(loader.files()[1].marked)
    assert.equal("123:11 amount", (word_in(noted[1], "amount")))
    local place = loader.locate(noted[2].mark, { arg = "1", content = "a1", from = 1, to = 1 })
    assert.same({ 124, 1, "s:filter('a' .. v1)" }, { place.line, place.col, place.source_line })
  end)
end)

describe("loader syntax errors", function()
  local function refused(text)
    local chunk, err = loader.load(text, "s.lua", {})
    assert.is_nil(chunk)
    local place = err.located
    return ("%d:%d"):format(place.line, place.col), err.code, err.message, err.help or ""
  end
  it("come from stock Lua, with the exact token", function()
    for text, want in pairs({
      ["x = = 1"] = { "1:5", "W001", "unexpected symbol near `=`" },
      ["x = 1 = 2"] = { "1:7", "W001", "near `=`" },
      ["f(1, 2\ng()"] = { "2:1", "W001", "')' expected" },
      ["if x then\ny = 1\n"] = { "2:5", "W001", "'end' expected" },
      ["x = 'abc\n"] = { "1:5", "W007", "not closed" },
      ["x = '\\q'"] = { "1:5", "W001", "invalid escape" },
      ["x = 3..2"] = { "1:5", "W001", "malformed number" },
      ["x = größe"] = { "1:7", "W001", "near `ö`" },
      ["f(“x”)"] = { "1:3", "W001", "near `“`" },
      ["goto x"] = { "1:1", "W001", "no visible label" },
      ["break"] = { "1:1", "W001", "break outside" },
    }) do
      local at, code, message = refused(text)
      assert.same({ text, want[1], want[2] }, { text, at, code })
      assert(message:find(want[3], 1, true), message)
    end
  end)
  it("are found quickly in texts that nobody writes", function()
    local started = os.clock()
    refused(("[["):rep(200000))
    refused("x = " .. ("= "):rep(100000))
    local _, code, message = refused(("f(\n"):rep(50000))
    assert.same({ "W001", 1 }, { code, (message:find("brackets or blocks inside")) })
    assert.is_true(os.clock() - started < 4)
  end)
  it("say where a chain broke", function()
    local at, _, _, help = refused("local a = s\n  :filter 'x';\n  :write 'y'")
    assert.equal("2:14", at)
    assert.matches("ends the chain", help)
    at, _, _, help = refused("f(s\n  :filter 'x',\n  :write 'y')")
    assert.equal("2:14", at)
    assert.matches("ends the chain", help)
  end)
  it("say what `]]` did", function()
    local at, _, _, help = refused("s:derive [[ x = tags[idx[1]] + 1 ]]")
    assert.equal("1:30", at)
    assert.matches("[=[ … ]=]", help, 1, true)
  end)
  it("say how keywords are reached as fields", function()
    local at, _, _, help = refused("f(function(e) return e.end end)")
    assert.equal("1:24", at)
    assert.matches('["end"]', help, 1, true)
  end)
end)

describe("loader functions", function()
  local function made(text)
    local noted, env = run(text, "s.lua", { math = math, error = error, tostring = tostring })
    return noted[1], env
  end
  it("are known by their exact text and line", function()
    local func = made("-- x\nnote(function(e) return e.a > 1 end)")
    local info = loader.function_info(func)
    assert.same({ "function(e) return e.a > 1 end", 2 }, { info.text, info.line })
    assert.equal(info.text, loader.function_text(loader.function_mark(func)))
    assert.is_nil(loader.function_mark(print))
    local named = made("local function f(e) return e end\nnote(f)")
    assert.equal("(e) return e end", loader.function_text(loader.function_mark(named)))
  end)
  it("are compiled again without marks, with the same upvalues, lines and globals", function()
    local func, env = made([[
local a, b = 1, 2
local LIMIT <const> = 60 * 60
local HALF <const> = LIMIT // 2
local function helper(x) return x + a end
note(function(e)
  b = b + 1
  return helper(e) + LIMIT + HALF + b + (g or 0)
end)
note(function() return b end)
]])
    local plain = loader.recompile(func)
    assert.are_not.equal(func, plain)
    assert.equal(1 + 5 + 3600 + 1800 + 3, plain(5))
    env.g = 10
    assert.equal(1 + 5 + 3600 + 1800 + 4 + 10, func(5))
    assert.same({ 5, 8 },
      { debug.getinfo(plain, "S").linedefined, debug.getinfo(plain, "S").lastlinedefined })
    assert.equal("@s.lua", debug.getinfo(plain, "S").source)
    assert.equal(print, loader.recompile(print))
  end)
  it("are compiled again when they are methods or call themselves", function()
    local func, env = made([[
local M = { n = 3 }
function M:scale(x, ...) return self.n * x + select("#", ...) end
note(M.scale)
]])
    env.select = select
    assert.equal(7, loader.recompile(func)({ n = 3 }, 2, nil))
    local _
    _, env = run("local function fact(n) if n < 2 then return 1 end return n * fact(n - 1) end "
      .. "f = fact")
    assert.equal(120, loader.recompile(env.f)(5))
  end)
  it("that assign to what lies outside of them are refused", function()
    local func = made("local n = 0\nnote(function(e) n = n + 1 return n end)")
    local err = loader.check_row_function(func)
    assert.same({ "W705", 2, 18 }, { err.code, err.located.line, err.located.col })
    assert.matches("`n`", err.message)
    err = loader.check_row_function(made("note(function(e) total = 1 end)"))
    assert.matches("`total`", err.message)
    err = loader.check_row_function(made("note(function(e) local f = function() x = 1 end end)"))
    assert.matches("`x`", err.message)
    err = loader.check_row_function(made("note(function(e) function g() end end)"))
    assert.matches("`g`", err.message)
    assert.is_nil(loader.check_row_function(made([[
      local k = 2
      note(function(e) local n = k for i = 1, 2 do n = n + i end n = 1 return n end)]])))
  end)
end)

describe("loader.row_function_hints", function()
  it("names what the script assigns more than once", function()
    local noted = run([[
local a, b, c = 1, 2, 3
c = 4
local function later() b = 5 end
note(function(e) local d = 1 d = 2 return e.x + a + b + c + b + d end)
]])
    local hints = loader.row_function_hints(noted[1])
    assert.equal(2, #hints)
    assert.same({ "W910", 4, 53 }, { hints[1].code, hints[1].located.line, hints[1].located.col })
    assert.matches("`b`", hints[1].message)
    assert.matches("`c`", hints[2].message)
    assert.same({}, loader.row_function_hints(print))
  end)
end)

describe("loader.place_of_line", function()
  it("shows the line that a message of Lua names", function()
    local long = ("d/"):rep(50) .. "s.lua"
    run("-- x\n  f = 1", long)
    local _, message = pcall(assert(load("error('x')", "@" .. long)))
    local place = loader.place_of_line(message:match("^(.-):"), 2)
    assert.same({ long, 2, 3, "  f = 1" },
      { place.file, place.line, place.col, place.source_line })
    assert.same({ 9, "" }, { loader.place_of_line(long, 9).line,
      loader.place_of_line(long, 9).source_line })
    assert.is_nil(loader.place_of_line("other.lua", 1))
  end)
end)

describe("loader modules", function()
  local files = {
    ["dir/clean.lua"] = "local M = {}\nfunction M.f(t) return t:filter 'a b' end\nreturn M",
    ["dir/a/b.lua"] = "return { name = ... }",
    ["dir/none.lua"] = "note(1)",
    ["dir/bad.lua"] = "x = = 1",
    ["dir/one.lua"] = 'return require "two"',
    ["dir/two.lua"] = 'return require "one"',
  }
  local hooks = {
    read = function(path)
      return files[path], path .. ": No such file or directory"
    end,
  }
  local function with_require(text)
    local require_module
    local extra = {
      require = function(name)
        return require_module(name)
      end,
    }
    local noted = {}
    extra.note = function(x)
      noted[#noted + 1] = x
    end
    extra.s = setmetatable({}, { __index = function()
      return function()
        noted[#noted + 1] = { mark = loader.take_mark() }
      end
    end })
    local env = extra
    require_module = loader.requirer("dir", env, hooks)
    local chunk = assert(loader.load(text, "dir/s.lua", env))
    local ok, err = pcall(chunk)
    return noted, not ok and err or nil
  end
  it("stand beside the script, are marked, and run once", function()
    local noted, err = with_require([[
local clean = require "clean"
clean.f(s)
note(require "a.b".name)
require "none" note(require "none")
note(clean == require "clean")
]])
    assert.is_nil(err)
    local place = loader.locate(noted[1].mark, { arg = "1", content = "a b", from = 3, to = 3 })
    assert.same({ "dir/clean.lua", 2, 36 }, { place.file, place.line, place.col })
    assert.same({ "called from", "dir/s.lua", 2 },
      { place.notes[1].text, place.notes[1].file, place.notes[1].line })
    assert.same({ "a.b", 1, true, true }, table.move(noted, 2, 5, 1, {}))
    local names = {}
    for i, file in ipairs(loader.files()) do
      names[i] = ("%s %s"):format(file.name, file.module or "-")
    end
    assert.same({
      "dir/s.lua -", "dir/clean.lua clean", "dir/a/b.lua a.b", "dir/none.lua none",
    }, names)
  end)
  it("that are not there, have odd names or require themselves are refused", function()
    for text, words in pairs({
      ['require "nope"'] = "no module `nope`", ['require "../x"'] = "no module `../x`",
      ['require "a..b"'] = "no module `a..b`", ['require ".a"'] = "no module `.a`",
      ['require "Clean"'] = "no module `Clean`", ['require(1)'] = "no module `1`",
      ['require "one"'] = "no module `one`",
    }) do
      local _, err = with_require(text)
      assert.same({ text, "W704" }, { text, err and err.code })
      assert(err.message:find(words, 1, true), err.message)
      assert.is_true(loader.locate(err.mark, err).line == 1)
    end
    local _, err = with_require('require "bad"')
    assert.same({ "W001", "dir/bad.lua" }, { err.code, err.located.file })
  end)
end)
