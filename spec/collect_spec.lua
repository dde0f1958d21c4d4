-- All errors of a script that do not follow from each other, as `weir check` tells them.
local load = require("weir.load")
local loader = require("weir.loader")

local FIRST = "local s = weir.rows('user string, n int64, ts timestamp', {})\n"

--- The errors of a script behind FIRST, each as "LINE:COL CODE".
local function errors_of(text)
  loader.reset()
  local made, err, failed = load.script({ native = require("weir.native"), name = "t.lua",
    directory = ".", text = FIRST .. text, collects = true })
  local found = {}
  for i, each in ipairs(failed and failed.errors or {}) do
    local at = each.located
    found[i] = ("%s %s"):format(at and ("%d:%d"):format(at.line, at.col) or "nowhere", each.code)
  end
  if not made and #found == 0 then
    found[1] = err.code
  end
  return table.concat(found, ", ")
end

describe("check tells", function()
  if not pcall(require, "weir.native") then
    it("all errors", function()
      pending("needs the program: weir test")
    end)
    return
  end
  it("errors of several stages of a chain, and of several chains", function()
    assert.equal("2:11 W103, 3:12 W103, 4:21 W202", errors_of("s:filter \"amout > 1\"\n"
      .. "  :filter \"usr == 'a'\"\n  :write('o.csv', { frmat = 'csv' })"))
    assert.equal("2:11 W103, 3:15 W101",
      errors_of("s:filter \"a > 1\":print()\ns:derive \"x = lenght(user)\":print()"))
    assert.equal("2:14 W001, 2:35 W201",
      errors_of("s:filter \"n >\":derive \"m = n * 2\":filtr 'm > 1':print()"))
  end)
  it("none that follows from another one", function()
    for _, text in ipairs({
      "s:derive \"x = nope + 1\"\n:filter \"x > 1\":select \"x, user\":print()",
      "s:select \"a = nope, user\"\n:filter \"a > 1\":print()",
      "s:agg \"c = count(nope)\"\n:filter \"c > 1\":sort \"c\":print()",
      "s:event_time \"nope\"\n:window(weir.tumbling \"1h\"):group_by \"user\":agg \"c = count()\""
        .. ":write 'o.csv'",
      "s:group_by \"nope\"\n:agg \"c = count()\":filter \"nope == 1\":print()",
      "local t = s:derive \"x = nope\"\ns:join(t, { on = \"user\" }):filter \"x > 1\":print()",
      "local t = s:derive \"x = nope\"\nlocal y = t.columns[4] .. t.columns[9]",
      "weir.read('x.csv', { schema = 'a int64', nope = 1 })\n"
        .. ":filter \"a > 1\":event_time 'ts':print()",
      "local t = weir.read 'none-such.csv'\nt:join(s, { on = \"a\" }):filter \"q > 1\":print()"
        .. " s:union(t):print()",
      "for i = 1, 5 do s:filter \"nope == 1\":print() end",
      "local x = s:nope 'a' :filter \"b == 1\" x:print()",
    }) do
      local found = errors_of(text)
      assert.truthy(found:find("^%d+:%d+ W%d+$"), text .. ": " .. found)
    end
  end)
  it("what is wrong behind one whatever it gave", function()
    assert.equal("2:15 W103, 3:12 W103, 4:15 W001, 5:16 W202", errors_of(
      "s:derive \"x = nope + 1\"\n  :filter \"othr > 1\"\n  :filter \"n >\"\n"
      .. "  :sort('n', { nope = 1 }):print()"))
    assert.equal("2:21 W401, 3:15 W001",
      errors_of("local t = weir.read 'none.csv'\n  :filter \"n >\":filter \"q > 1\":print()"))
  end)
  it("each name of one string that no column has, once", function()
    assert.equal("2:11 W103, 2:22 W103",
      errors_of("s:filter \"aa > 1 and bb < 2 and aa < 9\":print()"))
    assert.equal("2:15 W103, 2:23 W103, 3:12 W103", errors_of(
      "s:derive \"x = aa, y = bb + x, z = y + n\"\n  :filter \"cc == 1 and x == y\":print()"))
    assert.equal("2:15 W101, 2:33 W103",
      errors_of("s:derive \"l = lenght(user), k = aa\":print()"))
  end)
  it("none of several streams of one call that has an error", function()
    assert.equal("2:45 W202", errors_of("local bid, auction, person = weir.nexmark { evnts = 1 }\n"
      .. "bid:join(auction, { on = 'auction' }):print() person:filter 'nope > 1':print()"))
  end)
  it("errors behind a pcall that a coroutine never comes back to", function()
    assert.equal("3:11 W103", errors_of("local co = coroutine.create(function() pcall(function() "
      .. "coroutine.yield() end) end) coroutine.resume(co)\ns:filter 'nope == 1':print()"))
  end)
  it("what a script catches itself as ever", function()
    assert.equal("", errors_of("local ok = pcall(function() s:filter 'nope == 1' end)\n"
      .. "if not ok then s:print() end"))
    assert.equal("", errors_of("local co = coroutine.create(function() s:filter 'nope == 1' end)\n"
      .. "if not coroutine.resume(co) then s:print() end"))
  end)
  it("a script without errors, and with many", function()
    assert.equal("", errors_of("s:print()"))
    local text = {}
    for i = 1, 150 do
      text[i] = ("s:filter 'c%d == 1':print()"):format(i)
    end
    local _, count = errors_of(table.concat(text, "\n")):gsub("W103", "")
    assert.equal(require("weir.collect").ERRORS_MAX, count)
  end)
end)
