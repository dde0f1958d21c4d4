local schema_text = require("weir.schema_text")

--- Fields without their positions.
local function read(text, how)
  local fields, err = schema_text[how or "parse"](text)
  assert(fields, err and ("%s: %s"):format(text, err.message))
  for _, field in ipairs(fields) do
    assert.equal("string", type(text:sub(field.from, field.to)))
    field.from, field.to = nil, nil
  end
  return fields
end

local function plain(kind)
  return { kind = kind }
end

local function check_refusals(how, cases)
  for _, case in ipairs(cases) do
    local text, code, part, words = case[1], case[2], case[3], case[4]
    local fields, err = schema_text[how](text)
    assert.is_nil(fields, text)
    local both = err.message .. " " .. (err.help or "")
    assert.same({ text, code, part }, { text, err.code, text:sub(err.from, err.to) })
    local found = not words or both:find(words, 1, true)
    assert(found, ("%s: `%s` not in %s"):format(text, words or "", both))
  end
end

describe("schema_text.parse", function()
  it("reads all plain types", function()
    for _, kind in ipairs(schema_text.PLAIN_TYPES) do
      assert.same({ { name = "x", type = plain(kind) } }, read("x " .. kind))
    end
  end)
  it("reads types that hold others", function()
    assert.same({
      { name = "a", type = { kind = "decimal", precision = 18, scale = 2 } },
      { name = "b", type = { kind = "decimal", precision = 38, scale = 0 } },
      { name = "c", type = { kind = "list", item = plain("string") } },
      { name = "d", type = { kind = "map", key = plain("string"), value = { kind = "list",
        item = plain("int64") } } },
      { name = "e", type = { kind = "list", item = { kind = "struct", fields = {
        { name = "sku", type = plain("string") }, { name = "end", type = plain("int64") } } } } },
    }, read([[
      a decimal(18, 2), b decimal(38), c list<string>
      d map<string, list<int64>>
      e list<struct<
        sku string,
        `end` int64
      >>]]))
  end)
  it("reads keys, required columns, defaults and notes, in any order", function()
    assert.same({
      { name = "id", type = plain("int64"), key = true },
      { name = "user", type = plain("string"), notes = { pii = "id" } },
      { name = "amount", type = plain("float64"), required = true, default = 1.0,
        notes = { unit = "EUR (net)", checked = true } },
    }, read("id int64 key, user string @pii(id),\n"
      .. "amount float64 @unit(EUR (net)) required = 1 @checked"))
  end)
  it("reads defaults of every type", function()
    for text, want in pairs({
      ["x int64 = -5"] = -5, ["x int64 = 0x10"] = 16, ["x float64 = 1"] = 1.0,
      ["x bool = false"] = false,
      ["x string = 'a, b'"] = "a, b", ["x string = [[a]]"] = "a", ["x bytes = '\\0'"] = "\0",
      ["x date = date'2024-01-31'"] = "2024-01-31", ["x date = '2024-01-31'"] = "2024-01-31",
      ["x duration = duration'1h'"] = "1h", ["x duration = '-1h'"] = "-1h",
      ["x decimal(5,2) = decimal'1.50'"] = "1.50", ["x decimal(5,2) = 3"] = "3",
      ["x timestamp = timestamp'2024-01-31T00:00:00Z'"] = "2024-01-31T00:00:00Z",
      ["x list<int64> = '[1]'"] = "[1]", ["x json = '{}'"] = "{}",
    }) do
      local default = read(text)[1].default
      assert.same({ text, want, math.type(want) }, { text, default, math.type(default) })
    end
  end)
  it("reads how text becomes a time", function()
    assert.same({
      { name = "a", type = plain("timestamp"), time_format = "ms" },
      { name = "b", type = plain("timestamp"), time_format = "%d.%m.%Y", required = true },
      { name = "c", type = plain("date"), time_format = "%Y%m%d" },
    }, read("a timestamp(ms), b timestamp('%d.%m.%Y') required, c date(\"%Y%m%d\")"))
  end)
  it("takes commas and new lines between fields, and both", function()
    for _, text in ipairs({ "a int64, b int64", "a int64\nb int64", "a int64,\n b int64,\n",
      "\n\n a int64\r\n\tb int64 \n", "a\tint64,b int64", "a int64 --[[ x ]] , b int64" }) do
      local fields = read(text)
      assert.same({ text, 2, "b" }, { text, #fields, fields[2].name })
    end
  end)
  it("makes comments descriptions of the field on their line, or below", function()
    local fields = read([=[
      -- ── orders ───
      -- who bought,
      -- and when
      user string, -- the buyer
      ts timestamp --[[ of the order ]] required
      --[[ net,
      in euro ]]
      amount float64
      n int64
    ]=])
    assert.equal("── orders ─── who bought, and when the buyer", fields[1].description)
    assert.equal("of the order", fields[2].description)
    assert.is_true(fields[2].required)
    assert.equal("net,\n      in euro", fields[3].description)
    assert.is_nil(fields[4].description)
  end)
  it("takes names that are words, and odd ones in backticks", function()
    local fields = read("key int64 key, required bool required, type string, int64 int64, "
      .. "`end` int64, `Total Amount` float64, `a.b` string, `x``y` string, größe int64, `9a` date")
    local names = {}
    for i, field in ipairs(fields) do
      names[i] = field.name
    end
    assert.same({ "key", "required", "type", "int64", "end", "Total Amount", "a.b", "x`y", "größe",
      "9a" }, names)
    assert.is_true(fields[1].key)
    assert.is_nil(fields[1].required)
    assert.is_true(fields[2].required)
  end)
  it("tells where each name stands", function()
    local text = "a int64,\n  `b c` string"
    local fields = assert(schema_text.parse(text))
    assert.equal("`b c`", text:sub(fields[2].from, fields[2].to))
  end)
  it("refuses unknown types with the one that is meant", function()
    check_refusals("parse", {
      { "a int", "W116", "int", "did you mean `int64`" },
      { "a Integer", "W116", "Integer", "`int64`" },
      { "a varchar", "W116", "varchar", "`string`" },
      { "a double, b x", "W116", "double", "`float64`" },
      { "a timestmp", "W116", "timestmp", "`timestamp`" },
      { "a list<text>", "W116", "text", "`string`" },
      { "a numeric", "W116", "numeric", "`decimal(p,s)`" },
      { "a zzz", "W116", "zzz", "types: bool int64" },
      { "a decimal", "W116", "decimal", "decimal(18,2)" },
      { "a decimal(39,2)", "W116", "39", "from 1 to 38" },
      { "a decimal(5,6)", "W116", "6", "from 0 to 5" },
      { "a string(20)", "W116", "string(", "nothing in brackets" },
      { "a list<timestamp(ms)>", "W116", "timestamp(", "a column itself" },
      { "a timestamp(min)", "W001", "min", "`ms`" },
      { "a timestamp('x')", "W114", "'x'", "format of a time" },
      { "a date(ms)", "W001", "ms", "%d.%m.%Y" },
      { "a " .. ("list<"):rep(40) .. "int64", "W116", "list", "deeper than 16" },
    })
  end)
  it("refuses broken text where it breaks", function()
    check_refusals("parse", {
      { "", "W008", "", "empty list" },
      { " -- nothing\n", "W008", " -- nothing\n", "empty list" },
      { "a", "W001", "", "expected a type" },
      { "a\nb int64", "W001", "a", "`a` has no type" },
      { "a, b int64", "W001", "a", "`a` has no type" },
      { "a: int64", "W001", ":", "without `:`" },
      { "a int64 b int64", "W001", "b", "`,` or a new line" },
      { "a int64; b int64", "W001", ";", "commas or new lines" },
      { "a int64,, b int64", "W001", ",", "expected a name" },
      { "a int64 not null", "W001", "not", "write `required`" },
      { "a int64 primary key", "W001", "primary", "write `key`" },
      { "a int64 default 5", "W001", "default", "write `= value`" },
      { "end int64", "W011", "end", "`` `end` ``" },
      { "9a int64", "W001", "9a", "`` `9a` ``" },
      { "'a' int64", "W001", "'", "backticks" },
      { "`a int64", "W007", "`a int64", "backtick" },
      { "a int64, `a` string", "W105", "`a`", "duplicate name" },
      { "a struct<x int64, x int64>", "W105", "x", "duplicate name" },
      { "a\u{a0}int64", "W001", "\u{a0}", "plain blank" },
      { "a int64 key key", "W105", "key", "twice" },
      { "a int64 = 1 = 2", "W105", "=", "two defaults" },
      { "a int64 @x @x", "W105", "@x", "@x" },
      { "a int64 @(x)", "W001", "(", "name of a note" },
      { "a int64 @x(y", "W001", "(", "expected `)`" },
      { "a list", "W001", "", "`list<string>`" },
      { "a list<int64", "W001", "", "`>`" },
      { "a map<string>", "W001", ">", "`,`" },
    })
  end)
  it("refuses defaults that are no literal of the type", function()
    check_refusals("parse", {
      { "a string = 5", "W114", "5", "is no string" },
      { "a int64 = 5.5", "W114", "5.5", "is no int64" },
      { "a int64 = '5'", "W114", "'5'", "is no int64" },
      { "a int64 = 99999999999999999999", "W006", "99999999999999999999", "does not fit" },
      { "a duration = '5x'", "W114", "'5x'", "is no duration" },
      { "a decimal(5,2) = 'x'", "W114", "'x'", "is no decimal" },
      { "a date = timestamp'2024-01-01'", "W114", "timestamp'2024-01-01'", "date'…'" },
      { "a int64 = nil", "W114", "nil", "no default" },
      { "a int64 = b", "W001", "b", "a literal of int64" },
      { "a int64 =", "W001", "", "a literal of int64" },
    })
  end)
  it("has a bound on columns and bytes", function()
    local parts = {}
    for i = 1, schema_text.FIELDS_MAX + 1 do
      parts[i] = ("c%d int64"):format(i)
    end
    local fields, err = schema_text.parse(table.concat(parts, "\n"))
    assert.is_nil(fields)
    assert.matches("more than 4096 columns", err.message)
    parts[#parts] = nil
    assert.equal(4096, #read(table.concat(parts, ",")))
    assert.is_nil(schema_text.parse((" "):rep(2000000)))
    local described = read(("-- some words\n"):rep(50000) .. "x int64")[1].description
    assert.is_true(#described < schema_text.DESCRIPTION_BYTES_MAX + 20)
  end)
end)

describe("schema_text.params", function()
  it("reads names, types and defaults", function()
    assert.same({
      { name = "min", type = plain("int64"), default = 100 },
      { name = "day", type = plain("date") },
      { name = "from", type = plain("timestamp") }, { name = "until", type = plain("string") },
    }, read("min int64 = 100, day date\nfrom timestamp, `until` string", "params"))
  end)
  it("knows no keys, required ones or notes", function()
    check_refusals("params", {
      { "a int64 required", "W001", "required", "without default is required" },
      { "a int64 @pii", "W001", "@", "`,` or a new line" },
      { "a", "W001", "", "a type" },
    })
  end)
end)

describe("schema_text.names", function()
  it("reads names with and without types", function()
    assert.same({
      { name = "domain", type = plain("string") }, { name = "tier" }, { name = "end" },
      { name = "n", type = plain("int64") },
    }, read("domain string, tier, `end`\nn int64", "names"))
  end)
  it("knows nothing behind the type", function()
    check_refusals("names", {
      { "a int64 key", "W001", "key", "only a name and a type" },
      { "a int64 = 5", "W001", "=", "`,` or a new line" },
      { "a = 5", "W001", "=", "`,` or a new line" },
      { "", "W008", "" },
    })
  end)
end)
