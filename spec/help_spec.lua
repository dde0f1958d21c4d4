-- Help: a page for everything, none wider than 80 columns.
local fake_native = require("spec.support.fake_native")
local help = require("weir.help")
local stream = require("weir.stream")

local native = fake_native.new()

local function page(...)
  return (assert(help.text({ ... }, native, {})))
end

describe("weir help", function()
  it("no line of any page is wider than 80 columns", function()
    for line in assert(help.text({}, native, { all = true })):gmatch("[^\n]+") do
      assert.truthy(assert(utf8.len(line)) <= 80, line)
    end
    for _, list in ipairs({ "stages", "functions", "aggregates", "errors", "topics" }) do
      for line in page(list):gmatch("[^\n]+") do
        assert.truthy(assert(utf8.len(line)) <= 80, line)
      end
    end
  end)
  it("has a page for each stage, with its options", function()
    for _, name in ipairs(stream.names()) do
      assert.truthy(page(name):find("stage " .. name, 1, true))
      assert.truthy(page("stage", name):find(":" .. name, 1, true))
    end
    assert.truthy(page("event_time"):find("max_delay", 1, true))
    assert.truthy(page("filter"):find("\n  name  ", 1, true))
    assert.falsy(page("group_by"):find("\n  name  ", 1, true))
  end)
  it("finds functions, aggregates, errors and topics by their names alone", function()
    assert.equal(page("aggregate", "sum"), page("function", "sum"))
    assert.truthy(page("lower"):find("lower('A') → 'a'", 1, true))
    assert.truthy(page("function", "lower"):find("(x string) string", 1, true))
    assert.truthy(page("sum"):find("aggregate sum", 1, true))
    assert.truthy(page("w103"):find("W103", 1, true))
    assert.truthy(page("error", "W103"):find("unknown column", 1, true))
    assert.truthy(page("windows"):find("weir.hopping", 1, true))
    assert.truthy(page("weir.tumbling"):find("offset", 1, true))
  end)
  it("leads from names of SQL, pandas and Flink to ours", function()
    assert.truthy(page("lcase"):find("`lcase`: weir calls it `lower`.\n\nfunction lower", 1, true))
    assert.truthy(page("nvl"):find("weir calls it `x ?? y`.\n\nnil\n", 1, true))
    assert.truthy(page("key_by"):find("weir calls it `group_by`.\n\nstage group_by", 1, true))
    local stages = stream.stages()
    for name in pairs(require("weir.foreign").STAGES) do
      assert.is_nil(stages[name], name)
    end
  end)
  it("leads from words of the language and of its texts to their pages", function()
    for word, said in pairs({
      over = "Frames: over the rows before", changelog = "Changelogs", retract = "Changelogs",
      upsert = "Changelogs", frontier = "Event time and lateness", null = "nil equals only nil",
      ["??"] = "nil equals only nil", ["in"] = "Expressions and lists", key = "Schemas",
      within = "`within` is an option of\n\n  :dedup ", offset = "  weir.tumbling ",
      allowed_lateness = "  :window ", anti = "`anti` is a word of an option of\n\n  :join ",
      delimiter = "  weir.csv ", flags = "usage: weir run", left_join = "stage join",
      stdin = "The standard input\n", pipes = "The standard input\n",
      weir_commit = "Tables of weir's own", weir_undo_42 = "Tables of weir's own",
      weir_undo_N = "Tables of weir's own", weir_partitions = "Tables of weir's own",
      savepoint = "Looking into a state\n", resume = "State: stop and go on\n",
      restart = "State: stop and go on\n", state = "State: stop and go on\n",
    }) do
      assert.truthy(page(word):find(said, 1, true), word)
    end
  end)
  it("an alias is no name of a page, and leads to one", function()
    for word, name in pairs(help.ALIASES) do
      assert.truthy(#page(name) > 0, word)
      assert.is_nil(require("weir.help_topics")[word], word)
      assert.is_nil(stream.stages()[word], word)
    end
  end)
  it("an alias of a topic shows it alone, though a command is called so, too", function()
    assert.equal(1, (page("restart"):find("State: stop and go on\n", 1, true)))
    assert.truthy(page("state"):find("usage: weir state", 1, true))
  end)
  it("shows all pages of a name that means several things", function()
    local text = page("rejects")
    assert.truthy(text:find("stage rejects", 1, true))
    assert.truthy(text:find("function weir.rejects", 1, true))
    assert.truthy(text:find("Rejected rows", 1, true))
  end)
  it("is a reference in Markdown, with a heading for each name and closed blocks", function()
    local text = assert(help.text({}, native, { markdown = true }))
    for _, name in ipairs(stream.names()) do
      assert.truthy(text:find("\n### " .. name .. "\n", 1, true), name)
    end
    for _, title in ipairs({ "#### weir.read", "#### lower", "### sum", "### Windows",
      "#### W103: unknown column `…`" }) do
      assert.truthy(text:find("\n" .. title .. "\n", 1, true), title)
    end
    local _, fences = text:gsub("\n```", "")
    assert.equal(0, fences % 2)
  end)
  it("gives each chapter of the reference by itself, and their list", function()
    local index = assert(help.text({ "index" }, native, { markdown = true }))
    for _, chapter in ipairs(require("weir.help_markdown").CHAPTERS) do
      local text = assert(help.text({ chapter.name }, native, { markdown = true }))
      assert.equal("# " .. chapter.title, text:match("^[^\n]*"))
      assert.truthy(index:find(("(%s.md)"):format(chapter.name), 1, true))
    end
    local text, missing = help.text({ "chapter" }, native, { markdown = true })
    assert.is_nil(text)
    assert.truthy(missing.help:find("stages", 1, true))
  end)
  it("in Markdown escapes what would be markup, but not in code", function()
    local text = assert(help.text({ "topics" }, native, { markdown = true }))
    assert.truthy(text:find("list\\<T>", 1, true))
    assert.falsy(text:find("`[^`\n]*\\<[^`\n]*`"))
  end)
  it("names what was meant", function()
    local text, missing = help.text({ "fliter" }, native, {})
    assert.is_nil(text)
    assert.equal("did you mean `weir help filter`?", missing.help)
    assert.truthy(select(2, help.text({ "stag", "filter" }, native, {})).help:find("stage", 1,
      true))
  end)
  it("of read and write lists all options of endpoints and formats", function()
    local places = require("weir.places")
    local maps = { require("weir.endpoint").ENDPOINTS, require("weir.formats").FORMATS }
    for name, way in pairs({ read = "reads", write = "writes" }) do
      local text = page(name)
      for _, map in ipairs(maps) do
        for _, each in pairs(map) do
          for option, spec in pairs(each[way] and places.options_of(each, way) or {}) do
            local listed = text:find("\n  " .. option .. " ", 1, true) ~= nil
            assert.equal(not spec.later, listed, name .. " " .. option)
          end
        end
      end
    end
    assert.falsy(page("write"):find("partitions", 1, true))
    assert.falsy(page("read"):find("int_as", 1, true))
  end)
  describe("a topic that lists", function()
    local topics = require("weir.help_topics")
    local function has(topic, words)
      for _, word in ipairs(words) do
        local pattern = "%f[%w_]" .. word:gsub("%W", "%%%0") .. "%f[^%w_]"
        assert.truthy(topics[topic].text:find(pattern), topic .. " lacks " .. word)
      end
    end
    local function keys(map, wanted)
      local names = {}
      for name, each in pairs(map) do
        names[#names + 1] = (not wanted or wanted(each)) and name or nil
      end
      assert.truthy(#names > 0)
      return names
    end
    it("types has each type", function()
      has("types", require("weir.schema_text").PLAIN_TYPES)
    end)
    it("windows has each window", function()
      has("windows", keys(require("weir.windows").CONSTRUCTORS))
    end)
    it("endpoints has each endpoint and each format", function()
      has("endpoints", keys(require("weir.endpoint").ENDPOINTS, function(each)
        return each.usage:find("file", 1, true) == nil
      end))
      has("endpoints", keys(require("weir.formats").FORMATS))
    end)
    it("exit codes has each code", function()
      for _, code in pairs(require("weir.main").EXIT) do
        assert.truthy(("\n" .. topics["exit-codes"].text):find("\n  " .. code .. " "), code)
      end
    end)
    it("tests has each method of a scenario", function()
      local t = require("weir.test").new("t.lua", { native = fake_native.new(),
        text = "weir.rows('a int64', { { 1 } }):print()" })
      has("tests", keys(getmetatable(t), function(each)
        return type(each) == "function"
      end))
    end)
    it("rejects has each column of them", function()
      local has_native, real = pcall(require, "weir.native")
      if not has_native then
        pending("needs the program: weir test")
        return
      end
      local id, info = assert(real.plan({ timezone = "UTC", directory = "." })):add({
        op = "rejects", inputs = {},
      })
      assert.truthy(id)
      for _, column in ipairs(info.schema) do
        assert.truthy(topics.rejects.text:find("\n  " .. column.name .. " "), column.name)
      end
      has("rejects", { "check" })
    end)
    it("changelog has what takes none", function()
      local has_native, real = pcall(require, "weir.native")
      if not has_native then
        pending("needs the program: weir test")
        return
      end
      for word, stages in pairs({
        sort = ":sort 'n'", limit = ":limit(1)", sample = ":sample(0.5)",
        match = ":match { pattern = 'a', measures = 'm = n' }", as_table = ":as_table 'k'",
        ["count windows"] = ":window(weir.count(2)):agg 'c = count()'",
      }) do
        local made, err = require("weir.load").script({ native = real, name = "t.lua",
          directory = ".", text = "local s = weir.rows('k string', {}):group_by 'k':emit 'update'"
            .. ":agg 'n = count()'\ns" .. stages .. ":print()" })
        assert.is_nil(made, word)
        assert.equal("W305", err.code)
        local listed = topics.changelog.text:match("Does not %(W305%): ([^\n]*)")
        assert.truthy(listed:find(word, 1, true), word)
      end
    end)
    it("the overview has each command", function()
      for name in pairs(require("weir.cli").COMMANDS) do
        assert.truthy(page():find("weir " .. name, 1, true), name)
      end
    end)
  end)
  it("every option that is built says what it does", function()
    local function check(name, options)
      for option, spec in pairs(options or {}) do
        assert.truthy(spec.later or spec.doc or spec.kind == "any", name .. " " .. option)
      end
    end
    for name, descriptor in pairs(stream.stages()) do
      assert.truthy(descriptor.doc and descriptor.usage, name)
      check(name, descriptor.options)
    end
    for name, descriptor in pairs(require("weir").functions()) do
      assert.truthy(descriptor.doc and descriptor.usage, name)
      check(name, descriptor.options)
    end
  end)
end)
