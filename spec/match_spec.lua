-- match: patterns as text, what a script may say, and what a match is, by the program's own binder
-- and scheduler. Random patterns are in tests/random/row_patterns.py.
local timed = require("spec.support.timed")
local pattern = require("weir.grammar.row_pattern")
local test = require("weir.test")

local READ = timed.READ:gsub("\n$", ":event_time(\"ts\", { max_delay = \"5s\" })")
local ENDLESS = 'weir.generate { columns = "n = i" }:event_time("ts = timestamp(n, \'s\')")'

--- The steps of a program in one line.
local function steps(text)
  local program, names = pattern.compile(assert(pattern.parse(text)))
  local parts = {}
  for i, step in ipairs(program) do
    parts[i] = step.op == "row" and names[step.variable + 1] or step.op == "jump" and ">" .. step.to
      or ("%d|%d"):format(step.first, step.second)
  end
  return table.concat(parts, " ")
end

local function wrong(text)
  local tree, err = pattern.parse(text)
  assert.is_nil(tree)
  return ("%s %d-%d %s"):format(err.code, err.from, err.to, err.message), err.help
end

describe("a row pattern", function()
  it("is a program that prefers more rows, or with a second ? fewer", function()
    assert.equal("a b 1|3", steps("a b+"))
    assert.equal("0: a b 3|1", "0: " .. steps("a b+?"))
    assert.equal("1|3 a >0 b", steps("a* b"))
    assert.equal("3|1 a >0 b", steps("a*? b"))
    assert.equal("1|2 a b", steps("a? b"))
    assert.equal("a a 3|6 a 5|6 a", steps("a{2,4}"))
    assert.equal("a a 1|3", steps("a{2,}"))
    assert.equal("1|4 a 3|4 a b", steps("a{,2} b"))
  end)
  it("takes the left alternative first", function()
    assert.equal("1|3 a >4 b c", steps("(a | b) c"))
    assert.equal("1|3 a >7 4|6 b >7 c", steps("a | b | c"))
  end)
  it("has odd names, comments and any row", function()
    assert.equal("the end _", steps("`the end` -- the last one\n _"))
  end)
  it("is refused at the byte that is wrong", function()
    assert.equal("W008 1-2 empty pattern", (wrong("  ")))
    assert.equal("W001 3-3 `(` is not closed", (wrong("a (b | c")))
    assert.equal("W001 4-4 unexpected `)`, expected a name or `(`", (wrong("a b)")))
    assert.equal("W001 4-4 unexpected `|`, expected a name or `(`", (wrong("a ||b")))
    assert.equal("W203 2-6 at most 1 of at least 3 rows", (wrong("a{3,1}")))
    assert.equal("W203 2-4 at most 0 of at least 0 rows", (wrong("a{0}")))
    assert.equal("W203 2-7 more than 1000 times", (wrong("a{1001}")))
    assert.truthy(wrong("a{1000} b{10}"):find("^W203 1%-13 the pattern has 3030 steps"))
    assert.truthy(wrong(("("):rep(101) .. "a" .. (")"):rep(101)):find("^W001"))
  end)
  it("is refused where it would match no row", function()
    for _, text in ipairs({ "a*", "a? b?", "a{0,3}", "(a | b*)", "(a*)+" }) do
      assert.equal(("W203 1-%d the pattern matches no row at all"):format(#text), (wrong(text)))
    end
  end)
  it("says what weir has for what others write", function()
    assert.truthy(select(2, wrong("a, b")):find("without commas"))
    assert.truthy(select(2, wrong("a -> b")):find("side by side"))
    assert.truthy(select(2, wrong("a+* b")):find("one quantifier"))
    assert.truthy(select(2, wrong("a {- b -}")):find("not in this version"))
    assert.truthy(select(2, wrong("^a")):find("anchors"))
  end)
end)

local function refused(options, place, code, message, read)
  timed.refused((read or READ) .. "\n:match { " .. options .. " }:print()", code, place, message)
end

local COUNTED = ', measures = "n = count()"'

describe("match refuses", function()
  it("what is not there, and options by other names", function()
    refused('measures = "n = count()"', "2:2", "W203", "`match` needs `pattern`")
    refused('pattern = "a b"', "2:2", "W203", "`match` needs `measures`, or `rows = \"all\"`")
    refused('pattern = "a (b"' .. COUNTED, "2:23", "W001", "`(` is not closed")
    refused('pattern = "a", order_by = "ts"' .. COUNTED, "2:25", "W202",
      "unknown option `order_by` of `match`")
    refused('pattern = "a", after = "first b"' .. COUNTED, "2:40", "W103", "unknown variable `b`")
    refused('pattern = "a", after = "here"' .. COUNTED, "2:33", "W203",
      "option `after` of `match` must be")
    refused('pattern = "a", rows = "some"' .. COUNTED, "2:32", "W203",
      "option `rows` of `match` must be")
  end)
  it("conditions that it cannot ask, where they stand", function()
    refused('pattern = "a", define = "b = v > 1"' .. COUNTED, "2:35", "W103",
      "unknown variable `b`")
    refused('pattern = "a _", define = "_ = v > 1"' .. COUNTED, "2:37", "W203", "`_` is any row")
    refused('pattern = "a", define = "a = w > 1"' .. COUNTED, "2:39", "W103",
      "unknown column `w`")
    refused('pattern = "a", define = "a = a > 1"' .. COUNTED, "2:39", "W103",
      "`a` is a variable of the pattern")
    refused('pattern = "a b", define = "b = a.w > 1"' .. COUNTED, "2:41", "W103",
      "unknown column `w`")
    refused('pattern = "a", define = "a = v"' .. COUNTED, "2:39", "W107",
      "a condition must be bool")
    refused('pattern = "a", define = "a = k > 1"' .. COUNTED, "2:39", "W104", "")
    refused('pattern = "a b", define = "b = lag(a.v) > 1"' .. COUNTED, "2:45", "W110",
      "`lag` is of columns of the current row")
    refused('pattern = "a", define = "a = lag(v, 0) > 1"' .. COUNTED, "2:46", "W203",
      "`lag` looks back a whole number of rows")
    refused('pattern = "a", define = "a = avg(count(a)) > 1"' .. COUNTED, "2:43", "W110",
      "aggregate inside an aggregate")
    refused('pattern = "a b", define = "b = sum(a.v + b.v) > 1"' .. COUNTED, "2:51", "W203",
      "the columns of one `sum` are of one variable")
    refused('pattern = "a b", define = "b = max(a.k) > \'x\'"' .. COUNTED, "2:41", "W203",
      "`max` of this type is not in this version in `define`")
    refused('pattern = "a", define = "a = prev(v) > 1"' .. COUNTED, "2:39", "W101",
      "unknown function `prev`")
    refused('pattern = "a", define = "a = match_number() > 1"' .. COUNTED, "2:39", "W203",
      "`match_number` stands in `measures`")
  end)
  it("measures that it cannot take, where they stand", function()
    refused('pattern = "a", measures = "lag(v)"', "2:37", "W009", "this item needs a name")
    refused('pattern = "a", measures = "x = lag(v)"', "2:41", "W203", "`lag` stands in `define`")
    refused('pattern = "a", rows = "all", measures = "v = a.v"', "2:51", "W205",
      "`match` adds a column `v`")
    refused('pattern = "a", measures = "k = a.v"', "2:37", "W105", "duplicate name `k`",
      READ .. ':group_by "k"')
    refused('pattern = "a", measures = "x = first(a.v, 1)"', "2:41", "W102",
      "`first` takes 1 argument, got 2")
  end)
  it("an input without time, without end, or that changes", function()
    refused('pattern = "a"' .. COUNTED, "2:2", "W301", "no event time",
      'weir.rows("v int64", { { v = 1 } })')
    refused('pattern = "a"' .. COUNTED, "2:2", "W304", "state grows without bound", ENDLESS)
    refused('pattern = "a"' .. COUNTED, "2:2", "W305", "`match` does not take updates",
      READ .. ':emit "update":agg "n = count()"')
    refused('pattern = "a"' .. COUNTED, "2:2", "W201", "`match` after `window`",
      READ .. ':window(weir.tumbling "1s")')
  end)
end)

--- The rows that `match` gives for rows {k, v, second}, as "x y z" of some columns.
local function found(options, rows, columns, group)
  local stages = (group or ':group_by "k"') .. ":match { " .. options .. " }"
  return timed.lines(timed.run(stages, rows), columns)
end

--- One group, a row a second.
local function series(...)
  local rows = {}
  for i = 1, select("#", ...) do
    rows[i] = { "g", (select(i, ...)), i }
  end
  return rows
end

describe("match", function()
  local ENDS = ', measures = "a = first(v), z = last(v), n = count()"'
  it("begins as early as it can, and takes what the pattern prefers", function()
    local rows = series(1, 2, 3, 9, 4, 9)
    assert.same({ "1 9 6" }, found('pattern = "a+ b", define = "b = v == 9"' .. ENDS, rows,
      { "a", "z", "n" }))
    assert.same({ "1 9 4", "4 9 2" }, found('pattern = "a+? b", define = "b = v == 9"' .. ENDS,
      rows, { "a", "z", "n" }))
    assert.same({ "1 1 1", "2 3 2", "9 9 1" }, found('pattern = "x | y z | w", define = "x = v == '
      .. '1, y = v == 2, w = v == 9"' .. ENDS, series(1, 2, 3, 9), { "a", "z", "n" }))
  end)
  it("takes rows in the order of event time, and equal times as they came", function()
    local rows = { { "g", 1, 5 }, { "g", 2, 3 }, { "g", 3, 5 }, { "g", 4, 4 } }
    assert.same({ "2 4 1 3" }, found('pattern = "a b c d", measures = "a = a.v, b = b.v, c = c.v, '
      .. 'd = d.v"', rows, { "a", "b", "c", "d" }))
  end)
  it("within: the last row is nearer to the first than that", function()
    local rows = { { "g", 1, 0 }, { "g", 2, 9 }, { "g", 3, 10 } }
    assert.same({ "1 2 2" }, found('pattern = "a+ b", within = "10s"' .. ENDS, rows,
      { "a", "z", "n" }))
    assert.same({ "2 3 2" }, found('pattern = "a b", within = "9s"' .. ENDS, rows,
      { "a", "z", "n" }))
  end)
  it("within ends attempts at their times at the end of the input too", function()
    local rows = { { "b", 1, 1 }, { "a", 2, 2 }, { "c", 3, 3 } }
    assert.same({ "b", "a", "c" }, found('pattern = "a b?", within = "10s"' .. ENDS, rows, { "k" }))
    assert.same({ "a", "b", "c" }, found('pattern = "a b?"' .. ENDS, rows, { "k" }))
  end)
  it("goes on behind the last row, or where `after` says", function()
    local rows = series(1, 2, 3, 4, 5)
    local function after(x)
      return found('pattern = "a b c?", after = "' .. x .. '"' .. ENDS, rows, { "a", "z" })
    end
    assert.same({ "1 3", "4 5" }, after("past last"))
    assert.same({ "1 3", "2 4", "3 5", "4 5" }, after("next"))
    assert.same({ "1 3", "2 4", "3 5", "4 5" }, after("first b"))
    assert.same({ "1 3", "3 5" }, after("last c"))
    assert.same({ "1 3", "4 5" }, after("SKIP PAST LAST ROW"))
    assert.same({ "1 3", "2 4", "3 5", "4 5" }, after("TO NEXT ROW"))
  end)
  it("rejects a match behind which none could begin, and tries the next row", function()
    assert.same({}, found('pattern = "a b", after = "first a"' .. ENDS, series(1, 2, 3), { "a" }))
    assert.same({ "1 3" }, found('pattern = "a b c?", after = "last c"' .. ENDS, series(1, 2, 3),
      { "a", "z" }))
  end)
  it("sees the row before in the group, whatever it was", function()
    assert.same({ "7" }, found('pattern = "a", define = "a = v > lag(v, 2)", measures = "v = v"',
      { { "g", 5, 1 }, { "h", 9, 2 }, { "g", 1, 3 }, { "h", 1, 4 }, { "g", 7, 5 } }, { "v" }))
    assert.same({ "g 1", "h 2" }, found('pattern = "a", define = "a = lag(v) == nil", '
      .. 'measures = "v = v"', { { "g", 1, 1 }, { "h", 2, 2 }, { "g", 3, 3 } }, { "k", "v" }))
  end)
  it("sees what it has taken, with the current row", function()
    assert.same({ "1 3 3" }, found('pattern = "a+ b", define = "a = sum(a.v) < 7"' .. ENDS,
      series(1, 2, 3), { "a", "z", "n" })) -- 1 + 2 + 3 < 7: but b must take one
    assert.same({ "5 4 3" }, found('pattern = "a b+", define = "b = v < a.v and count(b) <= 2"'
      .. ENDS, series(5, 3, 4, 1), { "a", "z", "n" }))
    assert.same({ "2 8 3" }, found('pattern = "a b* c", define = "b = v > last(b.v) or count(b) == '
      .. '1, c = v > 2 * first(b.v)"' .. ENDS, series(2, 3, 8), { "a", "z", "n" }))
  end)
  it("nil is what a row without value has, and what no row has", function()
    assert.same({ "nil 1 nil" }, found('pattern = "a b c?", measures = "a = a.v, b = b.v, c = c.v"',
      series(nil, 1), { "a", "b", "c" }))
  end)
  it("all rows have the measures so far, and say as what they were taken", function()
    assert.same({ "5 start nil 1", "3 down 3 2", "4 up 3 3" }, found('pattern = "start down+ up", '
      .. 'define = "down = v < lag(v), up = v > lag(v)", measures = "class = classifier(), '
      .. 'low = last(down.v), so_far = count()", rows = "all"', series(5, 3, 4),
      { "v", "class", "low", "so_far" }))
  end)
  it("rejects a match once whose measure fails", function()
    local t = timed.run(':group_by "k":match { pattern = "a b", '
      .. 'measures = "n = sum(int64(a.k))" }', { { "x", 1, 1 }, { "x", 2, 2 } })
    t:expect_rejects { code = "W501", n = 1 }
  end)
  it("numbers the matches of each group", function()
    assert.same({ "g 1", "h 1", "g 2" }, found('pattern = "a", measures = "n = match_number()"',
      { { "g", 1, 1 }, { "h", 1, 2 }, { "g", 1, 3 } }, { "k", "n" }))
  end)
  it("without groups is of all rows", function()
    assert.same({ "1 2" }, found('pattern = "a b", measures = "a = a.v, b = b.v"',
      { { "g", 1, 1 }, { "h", 2, 2 } }, { "a", "b" }, ""))
  end)
  it("leaves as soon as no row can change it", function()
    local t = test.new("x.lua", { text = READ .. ':group_by "k":match { pattern = "a b+", define = '
      .. '"b = v > a.v", measures = "n = count()", within = "10s" }:write(weir.file("out.csv"))' })
    local function feed(v, second)
      t:feed("in", { { k = "g", v = v, ts = ("2024-01-01T00:00:%02dZ"):format(second) } })
      return #t:rows("out.csv")
    end
    assert.equal(0, feed(1, 0)) -- rows count when the frontier, 5 s behind, has passed them
    assert.equal(0, feed(2, 1))
    assert.equal(0, feed(3, 14)) -- the frontier is at 9 s: a row of 9 s may still come
    assert.equal(1, feed(0, 15))
    t:finish()
    assert.same({ 2 }, { t:rows("out.csv")[1].n })
  end)
  it("refuses rows behind their frontier", function()
    local rows = { { "g", 1, 10 }, { "g", 2, 5 }, { "g", 3, 4 } }
    assert.same({ "2", "1" }, found('pattern = "a", measures = "v = v"', rows, { "v" }))
    assert.same({ "3" }, found('pattern = "a", measures = "v = v" }:late():print { rows = 9', rows,
      { "v" }))
  end)
  it("rejects an attempt with more ways than it can follow", function()
    local t = test.new("x.lua", { text = READ .. ':match { pattern = "(a | b)+ c", define = "a = '
      .. 'sum(a.v) >= 0, b = sum(b.v) >= 0, c = v < 0", measures = "n = count()" }'
      .. ':write(weir.file("out.csv"))' })
    local rows = {}
    for i = 1, 14 do
      rows[i] = { k = "g", v = 2 ^ i // 1 | 0, ts = ("2024-01-01T00:00:%02dZ"):format(i) }
    end
    t:feed("in", rows)
    t:finish()
    t:expect_rejects { code = "W513", n = 6 }
    assert.same({}, t:rows("out.csv"))
  end)
end)
