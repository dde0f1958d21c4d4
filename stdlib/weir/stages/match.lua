--- Rows that follow each other in a pattern: match.
local stream = require("weir.stream")

--- `after`: where the next match may begin, as {kind=} or {kind="first"|"last", variable=}.
local function read_after(c, numbers)
  local text = c.opts.after or "past last"
  local words = text:lower():gsub("^%s*skip%s+", ""):gsub("^%s*to%s+", ""):gsub("%s+row%s*$", "")
  if words:find("^%s*past%s+last%s*$") then
    return { kind = "past last" }
  elseif words:find("^%s*next%s*$") then
    return { kind = "next" }
  end
  local which, name = text:gsub("^%s*[Ss][Kk][Ii][Pp]%s+", ""):gsub("^%s*[Tt][Oo]%s+", "")
    :match("^%s*(%a+)%s+([^%s]+)%s*$")
  which = which and which:lower()
  if which ~= "first" and which ~= "last" then
    c:wrong("after", "\"past last\", \"next\", \"first v\" or \"last v\"", c.opts.after)
  elseif not numbers[name] then
    local names = {}
    for each in pairs(numbers) do
      names[#names + 1] = each
    end
    table.sort(names)
    local near = require("weir.suggest").nearest(name, names)
    local from = text:find(name, 1, true)
    c.texts.after = text
    c:fail("W103", ("unknown variable `%s`"):format(name),
      (near and ("did you mean `%s`?  "):format(near) or "")
        .. "variables of the pattern: " .. table.concat(names, ", "), "after", from,
      from + #name - 1)
  end
  return { kind = which, variable = numbers[name] }
end

--- `within`: microseconds; true: for ever.
local function read_within(c)
  local x = c.opts.within
  if x == nil or x == "forever" then
    return nil, x == "forever"
  end
  return require("weir.readers").READERS.duration(c, { kind = "duration", min = 1 }, x, "within"),
    false
end

local function read_pattern(c)
  local text = c.opts.pattern
  if not text then
    c:fail("W203", "`match` needs `pattern`", "write `pattern = \"start down+ up+\"`")
  end
  c.texts.pattern = text
  local grammar = require("weir.grammar.row_pattern")
  local tree, err = grammar.parse(text)
  if not tree then
    c:fail_with(err, "pattern")
  end
  local program, names, numbers = grammar.compile(tree)
  if #names > grammar.VARIABLES_MAX then
    c:fail("W203", ("the pattern has %d variables, at most %d"):format(#names,
      grammar.VARIABLES_MAX), nil, "pattern")
  end
  return program, names, numbers
end

local function items_of(c, key)
  local given = c.opts[key]
  if given and given.fn then
    c:fail("W203", ("option `%s` of `match` must be a list in a string, got a function"):format(
      key), "a function sees one row; `match` is about many", key)
  end
  return given and given.ast or {}
end

return {
  match = {
    usage = ':match { pattern = "a b+", define = "b = v > a.v", measures = "n = count(b)" }',
    doc = "Rows of a group, in the order of event time, that follow each other in a pattern: SQL's "
      .. "MATCH_RECOGNIZE. Those of one time stand in the order of their sources in the script, "
      .. "then as they were read. In `pattern`: names, `+ * ? {n,m}` (a `?` behind them: as few as "
      .. "possible), `|` (the left one first), brackets, `_` for any row. A name without condition "
      .. "in `define` is any row too. In `define` bare columns are the current row; `v.c`, "
      .. "`first(v.c)` a column of the last, first row taken as v, nil where there is none; "
      .. "`count(v)`, `avg(v.c)` aggregates over the rows taken as v, or as any, the current one "
      .. "among them; `lag(c, n)` the n-th row of the group before. A condition that fails is not "
      .. "met, and the row is told to `rejects()`; one that looks at no other row fails before "
      .. "that, and its row takes no part. The first row that begins a match wins, then what the "
      .. "pattern prefers; one match after the other. A match leaves once no later row can change "
      .. "it, with the event time of its last row; at the end of the input as if none followed.",
    subjects = {},
    consumes = { group_by = true },
    options = {
      pattern = { kind = "text", empty = true, doc = "the order of rows" },
      define = { kind = "list", doc = "`v = condition, …`" },
      measures = { kind = "list",
        doc = "columns of the result, `name = expression, …`; bare columns are the last row" },
      within = { kind = "any", what = "a duration, as \"1h\", or \"forever\"",
        doc = "last row and first row of a match are nearer than this in event time, or "
          .. "\"forever\"; needed where the input does not end (W304)" },
      after = { kind = "text", default = '"past last"',
        doc = "where the next match may begin: `past last` row, `next` row behind the first, "
          .. "`first v`, `last v`: a row taken as v. Where that is no row, or the first one, the "
          .. "match is rejected (W513) and the next row tried" },
      rows = { kind = "choice", of = { "one", "all" }, default = "one",
        doc = "one row a match, of keys and measures; or all its rows, all columns and the "
          .. "measures as they were at each" },
    },
    make = function(c, input)
      local program, names, numbers = read_pattern(c)
      local aggregates = {}
      for _, each in ipairs(c.script.native.aggregates()) do
        aggregates[each.name] = true
      end
      local reader = require("weir.row_pattern").reader(c, stream.columns(input), numbers,
        aggregates)
      local define = reader:define(items_of(c, "define"))
      local measures = reader:measures(items_of(c, "measures"))
      local all = c.opts.rows == "all"
      if #measures.items == 0 and not all then
        c:fail("W203", "`match` needs `measures`, or `rows = \"all\"`",
          "write `measures = \"first_ts = first(ts)\"`")
      end
      local within, forever = read_within(c)
      local group = stream.modifiers(input).group_by
      if group and group.fn then
        c:fail("W203", "`match` takes keys in a string", "compute the key in a `derive` before")
      end
      return {
        op = "match", group_by = group and group.items, program = program, variables = names,
        define = define, measures = measures, within = within, forever = forever,
        after = read_after(c, numbers), all = all,
      }
    end,
  },
}
