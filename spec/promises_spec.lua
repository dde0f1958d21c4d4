-- What is promised of each source in each sink: that the tables know all connectors, as they are,
-- and what `weir check` says of a script. That the promises are kept: tests/program/promises.py.
local native = require("weir.native")
local promises = require("weir.promises")

--- What `weir check` would say of a script: rows of its sinks.
local function check(text)
  local made = assert(require("weir.load").script({ native = native, name = "job.lua",
    text = text, directory = "." }))
  return promises.of_plan(assert(native.explain(made:plan())))
end

local READ = 'weir.read("-", { format = "csv", schema = "id int64 key, v int64" })'

describe("the table of promises", function()
  it("has each source that the program has", function()
    local known = {}
    for _, source in ipairs(promises.SOURCES) do
      known[source.kind] = true
    end
    for _, name in ipairs(native.connectors().sources) do
      assert.truthy(known[name], name)
      known[name] = nil
    end
    assert.same({}, known)
  end)
  it("has each sink that the program has, and says as it does who decides", function()
    local deliveries, known = {}, {}
    for _, sink in ipairs(native.connectors().sinks) do
      deliveries[sink.name] = sink.delivery
    end
    deliveries.audit = nil -- no place
    for _, sink in ipairs(promises.SINKS) do
      for _, kind in ipairs(sink.kinds) do
        assert.truthy(deliveries[kind], kind)
        known[kind] = known[kind] or sink.delivery == deliveries[kind]
      end
    end
    for name in pairs(deliveries) do
      assert.truthy(known[name], name)
    end
  end)
  it("has one of three words for each pair", function()
    local words = { [promises.ONCE] = true, [promises.BY_KEY] = true, [promises.AGAIN] = true }
    for _, source in ipairs(promises.rows()) do
      for _, sink in ipairs(promises.SINKS) do
        assert.truthy(words[promises.promise(source, sink)])
      end
    end
  end)
end)

describe("what is promised of a script", function()
  it("says by each sink who decides", function()
    local rows = check("local s = " .. READ .. [[

s:write "o.csv"
s:write("sqlite:o.db", { table = "t" })
s:print()
s:write "-"
s:tap("look")
s:write("b.csv", { audit = "n = count() > 0" })
]])
    local words = {}
    for i, row in ipairs(rows) do
      words[i] = row.name .. ": " .. row.promise
    end
    assert.same({ "o.csv: exactly once", "sqlite:o.db/t: exactly once", "stdout: at least once",
      "stdout: at least once", "look: at least once", "b.csv: exactly once" }, words)
    assert.same({ "standard input: the same bytes are given once more from their start" },
      rows[1].given)
  end)
  local function takes_back(row)
    return row.why:find("are taken back first", 1, true) ~= nil
  end
  it("names the stage for which rows are taken back", function()
    local text = "local s = " .. READ .. ':derive "at = now()":filter "at ~= nil"\n'
      .. 's:write("sqlite:o.db", { table = "a", mode = "append" })\n'
      .. 's:write("sqlite:o.db", { table = "b" })\ns:write "o.csv"\n'
    local rows = check(text)
    assert.equal(promises.ONCE, rows[1].promise)
    assert.truthy(takes_back(rows[1]))
    assert.truthy(rows[1].why:find("`derive` (1:80) may give other rows", 1, true), rows[1].why)
    assert.equal(promises.ONCE, rows[2].promise)
    assert.truthy(rows[2].why:find("what its keys had before is in the same transaction", 1, true))
    assert.equal(1, #rows[2].stronger) -- of the source alone
    assert.equal(promises.ONCE, rows[3].promise)
  end)
  it("knows where a live input that is quiet lets the clock decide", function()
    local live = 'weir.read("%s.log", { follow = true, format = "csv", '
      .. 'schema = "id int64, ts timestamp" }):event_time("ts")'
    local a, b = live:format("a"), live:format("b")
    local append = ':write("sqlite:o.db", { table = "t", mode = "append" })\n'
    local window = ':window(weir.tumbling "1m"):agg "n = count()"'
    local whole = a:gsub("follow = true, ", "")
    for text, varies in pairs {
      [a .. append] = false, -- one input, row by row
      [a .. ':lookup(weir.read("l.csv", { schema = "id int64 key, x int64" }), { on = "id" })'
        .. append] = false,
      [a .. window .. append] = true,
      [a .. window .. ':write("sqlite:o.db", { table = "t" })\n'] = false, -- put back
      [a .. window .. ':write("o.csv", { mode = "append" })\n'] = false,
      [whole .. window .. append] = false,
      [a .. ":union(" .. b .. ")" .. append] = true,
      [a .. ":rejects()" .. append] = false,
      [a .. ":union(" .. b .. '):write("o.csv", { mode = "append" })\nweir.rejects()'
        .. ':write("sqlite:r.db", { table = "r", mode = "append" })\n'] = true,
    } do
      local rows = check(text)
      assert.equal(varies, takes_back(rows[#rows]), text)
      assert.equal(promises.ONCE, rows[#rows].promise, text)
    end
    local why = check(a .. window .. append)[1].why
    assert.truthy(why:find("goes on by the clock while its inputs are quiet", 1, true), why)
  end)
  it("knows where rows of live inputs go on as they come", function()
    local live = 'weir.read("%s.log", { follow = true, format = "csv", schema = "id int64" })'
    local a, b = live:format("a"), live:format("b")
    local whole = a:gsub("follow = true, ", "")
    local append = ':write("sqlite:o.db", { table = "t", mode = "append" })\n'
    for text, varies in pairs {
      [a .. ":union(" .. b .. ")" .. append] = true,
      [a .. ":union(" .. whole .. ")" .. append] = true,
      [whole .. ":union(" .. b .. ")" .. append] = false, -- one after the other
      ["local s = " .. a .. '\ns:union(s:filter "id > 1")' .. append] = false, -- of one input
    } do
      local rows = check(text)
      assert.equal(varies, takes_back(rows[1]), text)
      assert.equal(promises.ONCE, rows[1].promise, text)
    end
    local why = check(a .. ":union(" .. b .. ")" .. append)[1].why
    assert.truthy(why:find("takes rows of inputs that never end as they come", 1, true), why)
  end)
  it("keeps it where values vary and rows do not", function()
    local rows = check(READ .. ':derive "at = now()":select "id, at"\n'
      .. '  :write("sqlite:o.db", { table = "a", mode = "append" })\n')
    assert.falsy(takes_back(rows[1]))
    rows = check(READ .. ':derive "at = now()":derive "x = 1 // (id - 1)"\n'
      .. '  :write("sqlite:o.db", { table = "a", mode = "append" })\n')
    assert.truthy(takes_back(rows[1]))
    local function looked_up(options)
      return check(("%s:lookup(weir.sqlite(\"tests/pipelines/asked/shop.db\", "
        .. "{ table = \"users\" }), { on = \"id\", prefix = \"u_\"%s })"
        .. ":write(\"sqlite:o.db\", { table = \"a\", mode = \"append\" })\n"):format(READ, options))
    end
    rows = looked_up("")
    assert.falsy(takes_back(rows[1]))
    rows = looked_up(', how = "inner"')
    assert.truthy(takes_back(rows[1]))
    assert.truthy(rows[1].why:find("asks a database again", 1, true))
  end)
  it("takes changes as rows that vary, and results at the end as the same", function()
    local counts = READ .. ':group_by "id":emit "update":agg "n = count()"'
    local rows = check(counts .. ':write("sqlite:o.db", { table = "a" })')
    assert.falsy(takes_back(rows[1]))
    assert.truthy(rows[1].why:find("`agg` (1:", 1, true), rows[1].why)
    assert.truthy(rows[1].why:find("one change for all of a key that come in one batch", 1, true))
    rows = check(counts .. ':changes():write("sqlite:o.db", { table = "a", mode = "append" })')
    assert.truthy(takes_back(rows[1]))
    rows = check(counts .. ':group_by "n":emit "final":agg "ids = count()"'
      .. ':write("sqlite:o.db", { table = "a", mode = "append" })')
    assert.falsy(takes_back(rows[1]))
    rows = check(counts .. ':changes():write "o.csv"\n'
      .. 'weir.rejects():write("sqlite:o.db", { table = "r", mode = "append" })')
    assert.falsy(takes_back(rows[2]))
    rows = check(counts .. ':changes():derive "x = 1 // (n - 1)":write "o.csv"\n'
      .. 'weir.rejects():write("sqlite:o.db", { table = "r", mode = "append" })')
    assert.truthy(takes_back(rows[2]))
  end)
  it("says what holds without a state, unless the script has one", function()
    local rows = check(READ .. ':write("o.csv", { mode = "append" })')
    assert.same({ promise = promises.AGAIN, why = "a run that begins anew adds all rows again" },
      rows[1].without)
    assert.truthy(promises.text(rows, nil):find("  without: at least once: ", 1, true))
    local text = promises.text(rows, "job.state")
    assert.truthy(text:find("  with the state job.state: exactly once: ", 1, true), text)
    assert.falsy(text:find("without", 1, true))
    rows = check('weir.read("in/", { follow = true, format = "csv", schema = "id int64" })'
      .. ':write("sqlite:o.db", { table = "t", key = "id" })')
    assert.equal(promises.BY_KEY, rows[1].without.promise)
  end)
  it("has no line of more than 80 columns", function()
    local rows = check(READ .. ':print()\n' .. READ .. ':write("out/", { format = "csv", roll = '
      .. '{ rows = 10 } })')
    local text = promises.text(rows)
    for line in text:gmatch("[^\n]+") do
      assert.truthy(assert(utf8.len(line)) <= 80, line)
    end
    assert.truthy(text:find("\n  with --state: at least once: what was shown", 1, true), text)
    assert.truthy(text:find("\n    the last checkpoint are shown again\n", 1, true), text)
  end)
  it("is data, too", function()
    local text = promises.json({ { script = "job.lua", diagnostics = {},
      sinks = check(READ .. ":print()") } })
    assert.truthy(text:find('"promise": "at least once"', 1, true), text)
    assert.truthy(text:find('"stronger": %[%s*"write to a file or a database"'), text)
  end)
end)
