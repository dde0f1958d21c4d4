-- The first hour: what those write who come from pandas, SQL, Flink or jq, and what each is told.
local load = require("weir.load")
local loader = require("weir.loader")
local scripts = require("spec.support.scripts")

-- The text behind `local s = weir.read "x.csv"` (user, amount, ts), where it is wrong, and what the
-- message or its help must say.
local MISTAKES = {
  -- words
  { "s:filter 'user == True':print()", "2:19 W103", "`True` is written `true`" },
  { "s:filter 'user == FALSE':print()", "2:19 W103", "`FALSE` is written `false`" },
  { "s:filter 'user == None':print()", "2:19 W004", "`None` is written `nil`" },
  { "s:filter 'user == NULL':print()", "2:19 W004", "`NULL` is written `nil`" },
  { "s:filter 'amount ~= NaN':print()", "2:21 W103", "`is_nan(x)`" },
  { "s:filter 'user == ok':print()", "2:19 W103", "did you mean the text `'ok'`?" },
  { "s:filter 'user ~= ok and amount > 1'", "2:19 W103", "did you mean the text `'ok'`?" },
  { "s:filter 'user in (ok, new)':print()", "2:20 W103", "did you mean the text `'ok'`?" },
  { "s:filter 'amount > low':print()", "2:20 W103", "`$low`, by `{ low = low }`" },
  { "s:filter 'amount > ?':print()", "2:20 W001", "a parameter is written `$name`" },
  { "s:filter 'select user where amount > 1'", "2:18 W001", "each clause of SQL is a stage" },
  -- names
  { "s:filter 'user name == 1':print()", "2:16 W001", "`` `user name` ``" },
  { "s:rename '`Total Amount` = amount':filter 'Total Amount > 3'", "2:44 W001",
    "write `` `Total Amount` ``" },
  { "s:rename '`Total-Amount` = amount':filter 'Total-Amount > 3'", "2:44 W103",
    "write `` `Total-Amount` ``" },
  { "s:rename '`Total Amount` = amount':select 'user, Total Amount'", "2:50 W010",
    "write `` `Total Amount` ``" },
  { "s:rename 'amount = betrag'", "2:20 W103", "first: write `betrag = amount`" },
  { "s:rename 'betrag = amuont'", "2:20 W103", "did you mean `amount`?" },
  { "s:rename 'amount as betrag'", "2:18 W010", "a name comes first: `name = expression`" },
  { "s:derive 'x = .amount'", "2:15 W001", "a column is written by its name alone" },
  { "s:derive 'x += 1'", "2:13 W001", "write `x = x + …`" },
  -- lists
  { "s:sort('amount', { descending = true })", "2:20 W202", ":sort \"amount desc\"" },
  { "s:sort('amount', { ascending = false })", "2:20 W202", ":sort \"amount desc\"" },
  { "s:sort { 'amount' }", "2:8 W203", "write `:sort \"amount\"`" },
  { "s:sort('amount', 'DESC')", "2:18 W203", "write `:sort \"amount desc\"`" },
  { "s:sort 'amount descending'", "2:16 W001", "write `desc`" },
  { "s:select '*'", "2:11 W001", "all columns are there without `select`" },
  { "s:select { 'user', 'amount' }", "2:10 W203", "write `:select \"user, amount\"`" },
  { "s:select('user', 'amount')", "2:18 W203", "write `:select \"user, amount\"`" },
  { "s:drop { 'user' }", "2:8 W203", "write `:drop \"user\"`" },
  { "s:distinct { 'user' }", "2:12 W203", "write `:distinct \"user\"`" },
  { "s:group_by { 'user' }:agg 'n = count()'", "2:12 W203", "write `:group_by \"user\"`" },
  { "s:group_by('user', 'ts'):agg 'n = count()'", "2:20 W203", "write `:group_by \"user, ts\"`" },
  { "s:agg { n = 'count()' }", "2:7 W203", "write `:agg \"n = count()\"`" },
  { "s:derive { u = 'upper(user)' }", "2:10 W203", "write `:derive \"u = upper(user)\"`" },
  { "s:derive('u', 'upper(user)')", "2:15 W203", "write `:derive \"u = upper(user)\"`" },
  { "s:union({ s, s })", "2:9 W210", ":union(a, b)" },
  { "s:limit '10'", "2:9 W203", "a number stands without quotes: `10`" },
  { "s:filter \"user in ['a']\"", "2:19 W001", "round brackets" },
  { "s:filter \"user in {'a'}\"", "2:19 W001", "round brackets" },
  { "s:select 'user amount'", "2:16 W010", "a comma is missing: `user, amount`" },
  { "s:select 'distinct user'", "2:20 W010", "`:distinct \"user\"` is a stage" },
  { "s:sort 'amount nulls last'", "2:16 W001", "nil comes last in every order" },
  { "s:event_time('ts', '5s')", "2:20 W203", ":event_time(\"ts\", { max_delay = \"5s\" })" },
  { "s:expect { amount = '> 0' }", "2:10 W203", ":expect(\"positive = amount > 0\"" },
  { "s:filter(true)", "2:10 W203", "write `:filter \"amount > 100\"`" },
  { "s:filter 'e.amount > 3'", "2:11 W103", "by its name alone: `amount`" },
  { "s:filter \"row['amount'] > 3\"", "2:11 W103", "by its name alone: `amount`" },
  { "s:agg('n = count()', 'm = sum(amount)')", "2:22 W203",
    "write `:agg \"n = count(), m = sum(amount)\"`" },
  { "s:derive('a = 1', 'b = a + 1')", "2:19 W203", "write `:derive \"a = 1, b = a + 1\"`" },
  { "s:top(3, { 'amount' })", "2:10 W203", "write `\"amount\"`" },
  { "s:top(3, 'amount dsc')", "2:18 W001", "did you mean `desc`?" },
  { "s:sort 'amount decs'", "2:16 W001", "did you mean `desc`?" },
  { "s:filter 'amount > 1 adn amount < 3'", "2:22 W001", "did you mean `and`?" },
  { "s:agg 'n = count() filter (where amount > 5)'", "2:20 W010", "`count(where c)`" },
  { "s:select 'user, a = amount, *'", "2:29 W001", "`derive` adds columns" },
  { "s:pivot('user', { 'tea', 'big mug' }, 'sum(amount)')", "2:17 W203",
    "`:pivot(\"user\", \"sum(x)\", \"tea = 'tea', `big mug` = 'big mug'\")`" },
  { "s:pivot('user', 'sum(amount)', { 'tea', 'mug' })", "2:32 W203",
    "write `\"tea = 'tea', mug = 'mug'\"`" },
  { "s:pivot('user', 'sum(amount)', 'tea, mug')", "2:33 W001", "`\"tea = 'tea', mug = 'mug'\"`" },
  { "s:pivot('user', 'sum(amount)', [['tea', 'mug']])", "2:34 W009",
    "`tea = 'tea', mug = 'mug'`" },
  { "s:group_by 'user':match { pattern = 'a !b c' }", "2:40 W001", "`a x* c`" },
  -- methods
  { "s:filter 'user.isin([1])'", "2:21 W001", "`x in (1, 2)`" },
  { "s:derive 'x = user.str.lower()'", "2:29 W001", "write `user:lower(…)`, with a colon" },
  -- groups
  { "s:agg 'n = count()':group_by 'user'", "2:31 W103", "`group_by` stands before its `agg`" },
  { "s:select 'user':filter 'amount > 1'", "2:25 W103", "`select` does not keep `amount`" },
  { "s:group_by 'user':print()", "2:19 W207", ", and `print` is none" },
  { "s:group_by 'user':filter 'amount > 1'", "2:19 W207", "put `filter` before it" },
  { "s:group_by 'user':sum()", "2:19 W201", "`sum` is an aggregate: `:agg \"n = sum(x)\"`" },
  -- two sides
  { "s:lookup(weir.read 'side.csv', { on = 'user = name' })", "2:40 W005", "\"user == name\"" },
  { "s:lookup(weir.read 'side.csv':drop 'user', { on = 'name == user' })", "2:52 W103",
    "write `user == name`" },
  { "s:lookup(weir.read 'side.csv':drop 'user', { on = 'user' })", "2:52 W103",
    "where names differ: `user == …`  columns: name" },
  { "s:lookup(weir.read 'side.csv', { on = 'user == side.user' })", "2:48 W103", "write `user`" },
  { "s:lookup(weir.read 'side.csv', { on = { 'user' } })", "2:39 W203", "write `on = \"user\"`" },
  { "s:lookup(weir.read 'side.csv', { by = 'user' })", "2:34 W202", "weir calls it `on`" },
  { "s:left_join(s, { on = 'user' })", "2:3 W201", "how = \"left\"" },
  { "s:anti_join(s, { on = 'user' })", "2:3 W201", "how = \"anti\"" },
  { "s:full_outer_join(s, { on = 'user' })", "2:3 W201", "how = \"full\"" },
  { "s:join(s, { on = 'user', how = 'outer' })", "2:32 W203", "weir calls it \"full\"" },
  { "s:join(s, { on = 'user', how = 'left_anti' })", "2:32 W203", "weir calls it \"anti\"" },
  { "s:join(s, { on = 'user', how = 'Left Outer' })", "2:32 W203", "weir calls it \"left\"" },
  { "s:join(s, { on = 'user', within = { 0, '30m' } })", "2:35 W203", "`\"0s\"`" },
  -- time
  { "s:event_time('ts', { delay = '5s' })", "2:22 W202", "weir calls it `max_delay`" },
  -- places
  { "weir.read('x.csv', { sep = ';' })", "2:22 W202", "weir calls it `delimiter`" },
  { "weir.read('nowhere.xyz', {})", "2:11 W401", "no such file" },
  { "s:write('out.csv', { if_exists = 'append' })", "2:22 W202", "mode = \"append\"" },
  { "s:write('out.db')", "2:9 W402", "a database is \"sqlite:out.db\"" },
  { "weir:read('x.csv')", "2:6 W203", "write `weir.read(…)`, with a dot" },
  { "weir.agg 'n = count()'", "2:6 W201", "`:agg` is a stage of a stream" },
  { "s:window(weir.tumbling('1h', { allowed_lateness = '1h' }))", "2:32 W202",
    "that is an option of the stage" },
  { "s:window(weir.session('1h', { allowed_lateness = '1h' }))", "2:31 W202",
    "`:window(…, { allowed_lateness = \"1h\" })`" },
  { "s:event_time('ts', { allowed_lateness = '1h' })", "2:22 W202",
    "that is an option of `window`" },
  { "s:drop 'user, amout'", "2:15 W103", "did you mean `amount`?" },
  { "s:write('o.csv', { mode = 'overwrite' })", "2:27 W203", "weir calls it \"replace\"" },
  { "weir.from 'x.csv'", "2:6 W201", "weir calls it `weir.read`" },
  { "s:merge(s, 'user')", "2:3 W201", "weir calls it `join`" },
  { "s:event_time('ts'):tumbling('1h')", "2:20 W201", "a window stands in its stage: `:window(" },
  -- Lua
  { "read 'x.csv'", "2:1 W511", "write `weir.read`" },
  { "print(None)", "2:1 W511", "Lua writes `nil`" },
  { "s:filter(s.amount > 1)", "2:1 W201", "`amount` is a column" },
  { "for row in s do print(row) end", "2:1 W201", "a stream has no rows" },
  { "s:filter(lambda e: e.amount > 3)", "2:17 W001", "`function(e) return … end`" },
  { "s:filter(e => e.amount > 3)", "2:12 W001", "`function(e) return … end`" },
  { "s:filter(function(e) e.amount > 3 end)", "2:31 W001", "by `return`" },
  { "s | filter 'amount > 1'", "2:3 W001", "stages follow each other by `:`" },
  { "# a comment\ns:print()", "2:1 W001", "a comment begins with `--`" },
  { "// a comment\ns:print()", "2:1 W001", "a comment begins with `--`" },
  { "s:limit 5", "2:9 W001", "write `limit(5)`" },
  { "let x = 1", "2:5 W001", "a variable is declared by `local`" },
}

-- What only the program's own binder tells; the columns are user, amount, ts.
local BOUND = {
  { "weir.rejects():agg 'n = count()':print()\nweir.read('in/', { follow = true, format = 'csv', "
    .. "schema = 'a int64' }):print()", "2:16 W303", "call `weir.rejects()` behind the streams" },
  { "s:derive 'x = user.lower()'", "2:15 W101", "write `user:lower(…)`, with a colon" },
  { "s:derive 'x = amount.fillna(0)'", "2:15 W101", "weir writes `x ?? 0`" },
  { "s:filter 'amount.isin(1)'", "2:11 W101", "weir writes `x in (1, 2)`" },
  { "s:derive 'x = ts.date'", "2:15 W104", "write `ts:date(…)`, with a colon" },
  { "s:sort 'amount, desc'", "2:17 W103", "`desc` stands behind its column" },
  { "s:derive 'x = user.length'", "2:15 W104", "write `len(user)` of a text" },
  { "s:derive 'x = ts + 30'", "2:15 W104", "write `duration'30s'`" },
  { "s:derive 'x = 1.5 - ts'", "2:15 W104", "write `duration'30s'`" },
  { "s:filter 'ts - ts > 30'", "2:11 W104", "a number has no unit" },
  { "s:filter 'ts > 1700000000'", "2:11 W104", "write `timestamp(n, 's')`" },
  { "s:derive 'x = date(ts) + 0.5'", "2:15 W104", "a date takes whole days" },
  { "s:filter 'ts > date(ts)'", "2:11 W104", "`timestamp(d)` makes both one type" },
  { "s:derive 'x = (amount > 1) + 1'", "2:15 W104", "`case(c, 1, 0)`" },
  { "s:filter [[user == 'a' and not amount < 5]]", "2:28 W104",
    "`not` binds closer than `<`: write `not (amount < 5)`" },
  { "s:filter 'user > 5'", "2:11 W104", "write `decimal(x)`, `float64(x)` or" },
  { "s:filter 'user > ts'", "2:11 W104", "write `timestamp'…'` or `timestamp(x)`" },
  { "s:filter 'user == true'", "2:11 W104", "write `true`, `false` or `bool(x)`" },
  { "s:derive 'd = decimal(1)':filter 'd > 10.5'", "2:35 W104", "write `decimal'10.5'`" },
  { "s:derive 'd = decimal(1)':filter '-.5 < d'", "2:35 W104", "write `decimal'-.5'`" },
  { "s:derive 'd = decimal(1), x = d * 1.19'", "2:31 W104", "write `decimal'1.19'`" },
  { "s:derive 'd = decimal(1), x = d * amount'", "2:31 W104", "write `decimal(x)` or" },
  { "s:derive 'd = decimal(1)':filter 'd in (1.5, 2)'", "2:41 W104", "write `decimal'1.5'`" },
  { "s:agg 'n = cnt()'", "2:12 W101", "weir calls it `count`" },
  { "s:derive 'x = running_sum(amount)'", "2:15 W101", "`sum(x), in a derive behind group_by`" },
  { "s:derive 'x = dateiff(ts, ts)'", "2:15 W101", "did you mean `diff`?" },
  { "s:group_by 'user':agg 'n'", "2:24 W103", "columns: user, amount, ts" },
  { "s:event_time 'ts':window(weir.tumbling '1h'):group_by 'user':agg 'n = count()'"
    .. ":window(weir.tumbling '1h'):top(1, 'n')", "2:107 W205",
    "`:group_by \"window_start, window_end\"` in place of `:window`" },
  { "s:event_time 'ts':window(weir.tumbling '1h'):agg 'n = count()'"
    .. ":window(weir.tumbling '1h'):distinct()", "2:91 W205", "leave `:window` out" },
  { "s:event_time 'ts':window(weir.tumbling '1h', { allowed_lateness = '1h' })"
    .. ":agg 'n = count()':write 'o.csv'", "2:93 W306", "`allowed_lateness` corrects results" },
  { "s:emit 'update':agg 'n = count()':write 'o.csv'", "2:35 W306", "`:changes()` before it" },
  { "s:emit 'update':agg 'n = count()':write('sqlite:o.db', { table = 't' })", "2:41 W404",
    "`key = \"column, …\"` names the key; or" },
  { "s:emit 'update':agg 'n = count()':write('sqlite:o.db', { table = 't', mode = 'replace' })",
    "2:78 W404", "updates need a key" },
  { "s:emit 'update':agg 'n = count()':write('sqlite:o.db', { table = 't', mode = 'append' })",
    "2:78 W306", "leave `mode` out" },
  { "s:lookup(s:group_by 'user':emit 'update':agg 'n = count()', { on = 'user' })", "2:10 W210",
    "`:join` takes it" },
  { "s:derive 'x = format_time(ts, [[HH:mm]])'", "2:31 W115", "as strftime has it: `%H:%M`" },
  { "s:derive 'x = format_time(ts, [[dd.MM.yyyy]])'", "2:31 W115", "`%d.%m.%Y`" },
  { "s:derive 'x = format_time(ts, [[at noon]])'", "2:31 W115", "`%Y-%m-%d %H:%M:%S`" },
  { "s:derive 'x = parse_time(user, [[YYYY-MM-DD]])'", "2:32 W115", "`%Y-%m-%d`" },
  { "s:derive 'x = int(amount)'", "2:15 W101", "weir calls it `int64`" },
  { "s:derive 'x = sum(amount)'", "2:15 W109", "write `:agg \"n = count()\"`" },
  { "s:rename 'a = amuont'", "2:15 W103", "did you mean `amount`?" },
  { "s:agg 'n = approx_distinct(user)'", "2:12 W101", "weir calls it `approx_count_distinct`" },
  { "s:group_by('user'):count()", "2:20 W201", ":agg \"n = count()\"" },
  { "s:agg 'n = histogram(amount)'", "2:12 W102", "histogram(x number, width const number)" },
  { "s:agg 'n = histogram(amount, 0)'", "2:30 W102", "a width is greater than 0" },
  { "s:agg 'n = count() over 3'", "2:12 W112", "keeps each row" },
  { "s:agg 'ts = max(ts)':event_time 'ts'", "2:22 W302", "put it before `:agg`" },
  { "weir.read 'spec/newcomer_spec.lau'", "2:11 W401", "did you mean `spec/newcomer_spec.lua`?" },
  { "weir.read 'spec/newcomer_spec.lua'", "2:11 W402", "say it: `{ format = \"csv\" }`" },
}
local FIRST = "local s = weir.rows('user string, amount float64, ts timestamp', {})\n"

describe("a mistake of the first hour", function()
  for _, each in ipairs(MISTAKES) do
    local text, at, said = each[1], each[2], each[3]
    it(text:gsub("\n", " ") .. " is told what to write", function()
      local found, err = scripts.err(text)
      assert.equal(at, found)
      local whole = err.message .. "\n" .. (err.help or "")
      assert.truthy(whole:find(said, 1, true), whole)
    end)
  end
  for _, each in ipairs(BOUND) do
    it(each[1] .. " is told what to write, by the program", function()
      local has_native, native = pcall(require, "weir.native")
      if not has_native then
        pending("needs the program: weir test")
        return
      end
      loader.reset()
      local made, err = load.script({ native = native, name = "t.lua", directory = ".",
        text = FIRST .. each[1] })
      assert.is_nil(made)
      assert.equal(each[2], ("%d:%d %s"):format(err.located.line, err.located.col, err.code))
      local whole = err.message .. "\n" .. (err.help or "")
      assert.truthy(whole:find(each[3], 1, true), whole)
    end)
  end
  it("in a row function that only the run can see is told by the rejects", function()
    if not pcall(require, "weir.native") then
      pending("needs the program: weir test")
      return
    end
    local t = require("weir.test").new("t.lua", { text = "weir.read('x.ndjson', { schema = "
      .. "'amount int64' }):filter(function(e) return amount > 3 end):print() "
      .. "if false then amount = 1 end" })
    t:feed("x.ndjson", { { amount = 1 } }):finish()
    assert.equal("`amount` is not defined: a column is `e.amount`", t:rejects()[1].detail)
  end)
  it("has no help for a stage or option that this version does not have", function()
    local foreign = require("weir.foreign")
    local stages, functions = require("weir.stream").stages(), require("weir").functions()
    for stage, options in pairs(foreign.OPTIONS) do
      local descriptor = stages[stage] or functions[stage:match("[%w_]+$")]
      local ours_here = descriptor.options or {}
      for name, help in pairs(options) do
        assert.is_nil(ours_here[name], name)
        local ours = help:match("^weir calls it `(.-)`")
        assert.truthy(not ours or ours_here[ours] or ours == "delimiter"
          or ours == "null", help)
      end
    end
  end)
end)
