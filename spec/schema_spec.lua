-- Schemas as values and as text that reads back; the lock file.
local json = require("weir.json")
local lock = require("weir.lock")
local schema = require("weir.schema")

local TEXT = "id int64 key required, `odd name` decimal(18,2), ts timestamp(ms), "
  .. "d date('%d.%m.%Y'), l list<struct<a string, b map<string,float64>>>"

describe("the text of a schema", function()
  it("reads back as the same schema", function()
    local fields = assert(schema.fields(TEXT))
    local again = assert(schema.fields(schema.text(fields)))
    assert.equal(schema.text(fields), schema.text(again))
    assert.truthy(schema.text(fields, ", "):find("`odd name` decimal(18,2)", 1, true))
    assert.truthy(schema.text(fields):find("list<struct<a string, b map<string,float64>>>", 1,
      true))
  end)
end)

describe("a lock file", function()
  local path

  before_each(function()
    path = os.tmpname()
  end)
  after_each(function()
    os.remove(path)
  end)

  local function write(text)
    local handle = assert(io.open(path, "wb"))
    handle:write(text)
    handle:close()
  end

  it("reads back what it was written from", function()
    local fields = schema.fields(TEXT)
    write(lock.text("a.lua", { { name = "in/*.csv", fields = fields },
      { name = "sqlite:x.db", fields = schema.fields("a int64") } }))
    local locks = assert(lock.read(path))
    assert.equal(schema.text(fields), schema.text(locks["in/*.csv"]))
    assert.equal("a int64", schema.text(locks["sqlite:x.db"]))
  end)
  it("that is not there is no lock", function()
    assert.same({}, lock.read(path .. ".not"))
  end)
  it("that is broken names its line", function()
    write("-- x\n[a]\nid int46\n")
    local locks, err = lock.read(path)
    assert.is_nil(locks)
    assert.equal("W407", err.code)
    assert.equal(2, err.located.line)
    write("id int64\n")
    assert.equal(1, select(2, lock.read(path)).located.line)
  end)
  it("tells the first difference", function()
    local fields = schema.fields("a int64, b string")
    assert.is_nil(lock.difference(fields, schema.fields("b string, a int64"), {}))
    assert.equal("`b` is missing", lock.difference(fields, schema.fields("a int64"), {}))
    assert.equal("`b` is bytes, locked as string",
      lock.difference(fields, schema.fields("a int64, b bytes"), {}))
    assert.equal("`c` date is new", lock.difference(fields,
      schema.fields("a int64, b string, c date"), {}))
  end)
end)

describe("json", function()
  it("writes keys in order and escapes", function()
    assert.equal([[{"a":[1,2.5,"x\"\n\u0001"],"b":{"c":true}}]],
      json.encode({ b = { c = true }, a = { 1, 2.5, "x\"\n\1" } }))
    assert.equal("null", json.encode(0 / 0))
    assert.equal("[]", json.encode(setmetatable({}, json.LIST)))
    assert.equal("{}", json.encode({}))
    assert.equal("\"a\u{fffd}b\"", json.encode("a\xffb"))
  end)
  it("indents", function()
    assert.equal("{\n  \"a\": [\n    1\n  ]\n}", json.encode({ a = { 1 } }, ""))
  end)
end)
