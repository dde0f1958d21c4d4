--- Stages that join streams: lookup, join, asof_join.
local duration = require("weir.duration")
local expr = require("weir.grammar.expr")
local readers = require("weir.readers")
local stream = require("weir.stream")
local value = require("weir.value")

--- Both streams are complete, and the columns of `on` are there.
local function check_right(c, input, right)
  if not c.opts.on then
    c:fail("W203", ("option `on` of `%s` must be a list of keys, got nil"):format(c.stage),
      "`{ on = \"id\" }`, or with two names `{ on = \"id == key\" }`")
  elseif c.opts.on.fn then
    c:fail("W203", ("option `on` of `%s` must be a list in a string"):format(c.stage), nil, "on")
  elseif stream.data(right).pending then
    c:fail("W207", ("%s of the other stream waits for its consumer"):format(
      stream.pending_text(stream.data(right).pending)), "end it with `agg` first")
  end
  require("weir.advice").check_sides(c, c.opts.on.ast, stream.columns(input),
    stream.columns(right))
  stream.use(right)
end

local WITHIN = "a duration, or two bounds: `{ \"-5m\", \"1h\" }`, each a signed duration or an "
  .. "expression over the stream's columns"

--- One bound: microseconds from the left time, or an item of the list `bounds`.
local function read_bound(c, x, which, bounds)
  if value.is(x) and x.type == "duration" then
    return x.v
  elseif type(x) ~= "string" then
    c:wrong("within", WITHIN, x, type(x) == "number"
      and "write the unit too, as text: `\"0s\"`, `\"30m\"`" or nil)
  end
  c.texts.within = x
  if x:find("^[+-]?%d") then
    local us, err = duration.parse(x, { signed = true })
    if not us then
      c:fail_with(err, "within")
    end
    return us
  end
  local ast, err = expr.parse_expr(x)
  if not ast then
    c:fail_with(err, "within")
  end
  bounds[#bounds + 1] = { name = "$" .. which, expr = ast, from = ast.from, to = ast.to }
  return nil
end

--- The option `within`: `{lo, hi, bounds}` as plain data.
local function read_within(c)
  local x = c.opts.within
  if x == nil then
    return nil
  end
  local within = { bounds = {} }
  if type(x) == "table" and not value.is(x) then
    if #x ~= 2 then
      c:wrong("within", WITHIN, x)
    end
    within.lo = read_bound(c, x[1], "lo", within.bounds)
    within.hi = read_bound(c, x[2], "hi", within.bounds)
    if within.lo and within.hi and within.lo > within.hi then
      c:fail("W203", "the lower bound of `within` lies above the upper one", nil, "within")
    end
    return within
  end
  within.hi = read_bound(c, x, "hi", within.bounds)
  if not within.hi or within.hi < 0 then
    c:wrong("within", WITHIN, x)
  end
  within.lo = -within.hi
  return within
end

--- The option `retain`: microseconds; true: for ever.
local function read_retain(c)
  local x = c.opts.retain
  if x == nil or x == "forever" then
    return nil, x == "forever"
  end
  return readers.READERS.duration(c, { kind = "duration", min = 0 }, x, "retain"), false
end

--- The source of an endpoint that is asked row by row: read as `weir.read` does, but never run.
local function asked(c, place)
  local read = require("weir.call").new(c.script, c.stage,
    require("weir.sources").SOURCES.read, c.mark, table.pack(place))
  return stream.add(read, read.descriptor.make(read))
end

local ON = { kind = "list", unnamed = true,
  doc = "`k`, or `l == r`: left of `==` is over the stream, right over the other one; of two "
    .. "columns the left name stays" }
local PREFIX = { kind = "text", doc = "put before the name of every column of the other stream" }

return {
  asof_join = {
    usage = ':asof_join(rates, { on = "currency", max_age = "1d" })',
    doc = "Adds to each row the columns of what held at its time: of the rows of the other stream "
      .. "that have its key, the newest one not later than it; of several of the same time, the "
      .. "last one. Both streams need event time. A row leaves once the frontier of both has "
      .. "passed it, so rows leave in the order of time, those of one time in the order of their "
      .. "sources. A nil or NaN key matches nothing. The other stream may be a table (a "
      .. "changelog, by its whole key): each upsert holds from its event time on, until the next "
      .. "or until it is deleted. A row that is behind the frontier of its partition is late: "
      .. "`late()` gives those of this stream, those of the other one are rejects (W507).",
    subjects = { { kind = "stream" } },
    options = {
      on = ON,
      how = { kind = "choice", of = { "left", "inner" }, default = "left",
        doc = "`left` keeps rows that find nothing, `inner` drops them" },
      max_age = { kind = "duration", min = 0,
        doc = "how far the two times may lie apart, this included; what is older is forgotten" },
      before = { kind = "boolean", default = "false",
        doc = "only rows from before its time, not those of the same time" },
      direction = { kind = "choice", of = { "backward", "forward" }, default = "backward",
        doc = "`forward` takes the oldest one not earlier than the row, which leaves `max_age` "
          .. "behind the frontier; without `max_age` at the end of inputs that end (W304)" },
      prefix = PREFIX,
    },
    make = function(c, input)
      local right = c[1]
      check_right(c, input, right)
      return {
        op = "asof_join", inputs = { stream.data(input).id, stream.data(right).id },
        on = c.opts.on.ast, how = c.opts.how or "left", prefix = c.opts.prefix,
        max_age = c.opts.max_age, before = c.opts.before or false,
        direction = c.opts.direction or "backward",
      }
    end,
  },
  join = {
    usage = ':join(payments, { on = "order_id", within = "1h" })',
    doc = "Pairs of rows of two streams that have equal keys. Three kinds. `within`: rows whose "
      .. "event times lie near each other, from the lower bound to the upper one, both included; a "
      .. "row that is behind the frontier of its partition is late. After `:window(…)`: rows of "
      .. "the same window. Else all rows that are there, `retain` long. Keys of two number types "
      .. "are compared exactly, a nil key matches nothing. A pair leaves as soon as both rows are "
      .. "there, those that a row meets in the order of their times; its event time is the later "
      .. "of both (under a window its end less 1us): a window behind it counts a pair where its "
      .. "later row is, with `time = \"left\"` where the left one is. A row that meets none has "
      .. "its own time. Such rows (`left`, `right`, `full`, `anti`) leave when nothing can meet "
      .. "them any more, in steps of the frontier, or at the end of inputs that end; where that "
      .. "never comes, and after `:emit \"update\"` or with a changelog, they leave at once and "
      .. "are taken back when a match comes. `late()` gives late rows of the left stream, those of "
      .. "the right one are rejects (W507).",
    subjects = { { kind = "stream" } },
    consumes = { window = true, emit = true },
    options = {
      on = ON,
      how = { kind = "choice", of = { "inner", "left", "right", "full", "semi", "anti" },
        default = "inner",
        doc = "which rows leave without a match too; `semi` and `anti` add no columns: they keep "
          .. "the rows that find one, or none" },
      prefix = PREFIX,
      within = { kind = "any", what = WITHIN,
        doc = "how near event times must be: a duration, or `{ lo, hi }`, each a signed duration "
          .. "from the left event time or an expression over left columns that gives a timestamp: "
          .. "`{ \"ts\", \"expires\" }`. A lower bound may not lie before the event time, "
          .. "unless `retain` says how long right rows are kept" },
      retain = { kind = "any",
        doc = "how long, in event time, rows of both sides are kept, or \"forever\"; needed where "
          .. "an input does not end (W304)" },
      time = { kind = "choice", of = { "later", "left", "right" }, default = "later",
        doc = "the event time of a pair; the earlier one holds the frontier back" },
      where = { kind = "expr", doc = "a further condition, over the names of the result" },
    },
    make = function(c, input)
      local right = c[1]
      check_right(c, input, right)
      if c.opts.where and c.opts.where.fn then
        c:fail("W203", "option `where` of `join` must be a condition in a string", nil, "where")
      end
      local modifiers = stream.modifiers(input)
      local retain, forever = read_retain(c)
      local within = read_within(c)
      if within and within.lo and c.opts.retain ~= nil then
        c:fail("W203", "`within` says how long rows are kept: `retain` is for a lower bound that "
          .. "is an expression", nil, "retain")
      elseif within and modifiers.window then
        c:fail("W203", "`join` has either a window or `within`", nil, "within")
      end
      return {
        op = "join", inputs = { stream.data(input).id, stream.data(right).id },
        on = c.opts.on.ast, how = c.opts.how or "inner", prefix = c.opts.prefix,
        within = within, retain = retain, forever = forever, time = c.opts.time or "later",
        where = c.opts.where and c.opts.where.ast, window = modifiers.window,
        emit = modifiers.emit,
      }
    end,
  },
  lookup = {
    usage = ':lookup(weir.read "planes.csv", { on = "tailnum" })',
    doc = "Adds the columns of the row of another stream that has the same key; that stream is "
      .. "read whole first. A second row for a key is an error (W607) unless `many`. "
      .. "Keys of two number types are compared exactly. A database in place of the stream, "
      .. "`weir.sqlite(\"crm.db\", { table = \"users\" })`, is asked for the keys of each batch: "
      .. "it may be large and may change, so a run that is repeated may give other rows. It is "
      .. "asked again for a key when another program has written to it, or after `cache`; its "
      .. "column of the key wants an index (`explain` says when there is none). A server must be "
      .. "there when a first run begins; by one that goes on from a state, and when it is gone "
      .. "later, it is waited for, as its `timeout` and `retries` say, and nothing else goes on "
      .. "meanwhile: a SQLite file that the run writes to stays locked.",
    subjects = { { kind = "stream or endpoint" } },
    options = {
      on = ON,
      how = { kind = "choice", of = { "left", "inner", "semi", "anti" }, default = "left",
        doc = "`left` keeps rows that find nothing, `inner` drops them; `semi` and `anti` add no "
          .. "columns: they keep the rows that find one, or none" },
      prefix = PREFIX,
      many = { kind = "boolean", default = "false",
        doc = "a key may have many rows: one row each" },
      cache = { kind = "duration", min = 1,
        doc = "of a database: an answer holds so long, whatever is written meanwhile" },
      reload = { kind = "duration", min = 1,
        doc = "of a stream: it is read again so long after it was read, by the clock; rows find "
          .. "the rows of before until all new ones are there (both are kept so long), and when "
          .. "they cannot be read, which a note tells. Put a new file in the place of the old one "
          .. "by renaming it. Bad rows of later readings are only counted. Only stages that work "
          .. "row by row may stand behind its source" },
      timeout = { later = true, kind = "any" }, ordered = { later = true, kind = "any" },
    },
    make = function(c, input)
      local is_asked = not stream.is(c[1])
      local right = is_asked and asked(c, c[1]) or c[1]
      if c.opts.cache and not is_asked then
        c:fail("W203", "`cache` is for a database that is asked row by row",
          "a stream is read whole, once", "cache")
      end
      if c.opts.reload and is_asked then
        c:fail("W203", "`reload` is for a stream that is read whole",
          "a database is asked again when it has changed", "reload")
      end
      check_right(c, input, right)
      return {
        op = "lookup", inputs = { stream.data(input).id, stream.data(right).id },
        on = c.opts.on.ast, how = c.opts.how or "left", prefix = c.opts.prefix,
        many = c.opts.many or false, asked = is_asked or nil, cache = c.opts.cache,
        reload = c.opts.reload,
      }
    end,
  },
}
