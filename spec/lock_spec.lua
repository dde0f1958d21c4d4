-- The lock file of a script: data that fits the locked types is read by them, other data is W407.
local program = require("spec.support.program")

describe("a lock file", function()
  if not program.is_here then
    pending("needs the program: weir test")
    return
  end
  local at = program.each(before_each, after_each)

  --- Locks the schema of `before`, then runs over `after`: the exit code and what was said.
  local function run(file, before, after)
    at.put(file, before)
    at.put("s.lua", ("weir.read %q:write(%q, { format = \"ndjson\" })"):format("@" .. file,
      "@out.ndjson"))
    assert.equal(0, (at.weir("schema", "pull", "@s.lua")))
    at.put(file, after)
    local code, _, err = at.weir("run", "@s.lua")
    return code, err
  end

  local function fits(file, before, after, rows)
    local code, err = run(file, before, after)
    assert.equal(0, code, err)
    assert.equal(rows, at.get("out.ndjson"))
  end

  local function clashes(file, before, after, said)
    local code, err = run(file, before, after)
    assert.equal(3, code, err)
    assert.truthy(err:find("error[W407]", 1, true), err)
    assert.truthy(err:find(said, 1, true), err)
  end

  it("that says string takes texts that look like integers, times or nothing", function()
    fits("a.csv", "a,b\nx,y\n", "a,b\n1,2024-01-01\n2,\n",
      '{"a":"1","b":"2024-01-01"}\n{"a":"2","b":null}\n')
  end)
  it("that says string takes times that JSON writes as strings", function()
    fits("a.ndjson", '{"a":"x"}\n', '{"a":"2024-01-01"}\n', '{"a":"2024-01-01"}\n')
  end)
  it("that says float64 takes integers", function()
    fits("a.csv", "a\n1.5\n", "a\n2\n", '{"a":2.0}\n')
    fits("a.ndjson", '{"a":1.5}\n', '{"a":2}\n', '{"a":2.0}\n')
  end)
  it("that says json takes values of one kind", function()
    fits("a.ndjson", '{"a":1}\n{"a":"x"}\n', '{"a":2}\n', '{"a":2}\n')
  end)
  it("takes a column without a value, whatever its type", function()
    fits("a.csv", "a,b,c\n1,true,2024-01-01\n", 'a,b,c\n,,\n', '{"a":null,"b":null,"c":null}\n')
    fits("a.ndjson", '{"a":1}\n', '{"a":null}\n', '{"a":null}\n')
  end)
  it("does not take what the locked type cannot hold", function()
    clashes("a.csv", "a\n1\n", "a\n1.5\n", "`a` is float64, locked as int64")
    clashes("a.csv", "a\n1\n", "a\nx\n", "`a` is string, locked as int64")
    clashes("a.ndjson", '{"a":"x"}\n', '{"a":1}\n', "`a` is int64, locked as string")
    clashes("a.csv", "a\n2024-01-01T00:00:00Z\n", "a\n2024-01-01\n",
      "`a` is date, locked as timestamp")
  end)
  it("does not take a missing or a new column", function()
    clashes("a.csv", "a,b\n1,2\n", "a\n1\n", "`b` is missing")
    clashes("a.csv", "a\n1\n", "a,b\n1,2\n", "`b` int64 is new")
  end)
  it("takes integers for a float64 that a query of a database computes, and no declared type",
    function()
      local write = "weir.rows('x float64', { { %s } }):write('sqlite:@t.db', "
        .. "{ table = 't', mode = 'replace' })"
      at.put("w.lua", write:format("1.5"))
      assert.equal(0, (at.weir("run", "@w.lua")))
      at.put("s.lua", "weir.read('sqlite:@t.db', { query = 'select max(x) as m from t' })"
        .. ":write '@out.ndjson'")
      assert.equal(0, (at.weir("schema", "pull", "@s.lua")))
      assert.equal("m float64", at.get("s.schema"):match("m %w+"))
      at.put("w.lua", "weir.rows('x int64', { { 2 } }):write('sqlite:@t.db', "
        .. "{ table = 'u', mode = 'replace' })")
      assert.equal(0, (at.weir("run", "@w.lua")))
      at.put("s.lua", "weir.read('sqlite:@t.db', { query = 'select max(x) as m from u' })"
        .. ":write '@out.ndjson'")
      at.put("s.schema", at.get("s.schema"):gsub(" from t", " from u"))
      local code, _, err = at.weir("run", "@s.lua")
      assert.equal(0, code, err)
      assert.equal('{"m":2.0}\n', at.get("out.ndjson"))
    end)
end)

describe("a glob", function()
  if not program.is_here then
    pending("needs the program: weir test")
    return
  end

  --- The rows of all files that match, as NDJSON.
  local function rows(pattern, files)
    local at = program.folder()
    for name, text in pairs(files) do
      at.put(name, text)
    end
    at.put("s.lua", ("weir.read '@%s':write '@out.json'"):format(pattern))
    local code, _, err = at.weir("run", "@s.lua")
    local got = code == 0 and at.get("out.json"):gsub("[%[%]\n]", "")
    at.remove()
    assert.equal(0, code, err)
    return got
  end

  it("keeps the type of a column in which one file has nothing", function()
    local want = '{"a":1,"b":2.5},{"a":null,"b":3.5}'
    assert.equal(want, rows("*.csv", { ["1.csv"] = "a,b\n1,2.5\n", ["2.csv"] = "a,b\n,3.5\n" }))
    assert.equal('{"a":null,"b":3.5},{"a":1,"b":2.5}',
      rows("*.csv", { ["1.csv"] = "a,b\n,3.5\n", ["2.csv"] = "a,b\n1,2.5\n" }))
    assert.equal(want, rows("*.ndjson", { ["1.ndjson"] = '{"a":1,"b":2.5}\n',
      ["2.ndjson"] = '{"a":null,"b":3.5}\n' }))
  end)
  it("makes a string of dates in one file and times in another, as of both in one", function()
    assert.equal('{"a":"2024-01-01"},{"a":"2024-01-01T00:00:00Z"}',
      rows("*.csv", { ["1.csv"] = "a\n2024-01-01\n", ["2.csv"] = "a\n2024-01-01T00:00:00Z\n" }))
    assert.equal('{"a":"2024-01-01"},{"a":"x"}', rows("*.ndjson",
      { ["1.ndjson"] = '{"a":"2024-01-01"}\n', ["2.ndjson"] = '{"a":"x"}\n' }))
  end)
end)
