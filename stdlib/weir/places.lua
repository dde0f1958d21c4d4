--- Where a `read` or a `write` goes: its endpoint, its format, and the options that stand beside.
local endpoint = require("weir.endpoint")
local formats = require("weir.formats")
local suggest = require("weir.suggest")
local M = {}

--- Why a format does not do.
---@return string message, string help
local function refusal(name, way)
  local names = formats.names(way)
  local all = "formats: " .. table.concat(names, ", ")
  if formats.LATER[name] then
    return ("format `%s` is not in this version"):format(name), all
  elseif formats.FORMATS[name] then
    return ("format `%s` can only be %s"):format(name, way == "reads" and "written" or "read"), all
  end
  local near = suggest.nearest(name, names)
  return ("unknown format `%s`"):format(name), near and ("did you mean `%s`?"):format(near) or all
end

local function refuse_format(c, name, way)
  c.texts.format = name
  local message, help = refusal(name, way)
  c:fail("W402", message, help, "format")
end

--- Files that are followed are waited for: that they are not there is no error.
local function follows(c, place)
  local given = c.options_given.follow
  if given == nil then
    given = place.options.follow
  end
  return given
end

local DATABASES = { db = true, sqlite = true, sqlite3 = true }

--- W401 when a file is not there: said before that its name tells no format.
local function check_there(c, place)
  local _, err = c.script:plan():probe({
    op = "read", mark = c.mark, options = {},
    endpoint = { kind = "file", address = place.address, options = {} },
    format = { name = "lines", options = {} },
  })
  if err and err.code == "W401" then
    c:fail_with(err, "1")
  end
end

--- The format that a file's name says.
---@param path string
---@param way "reads"|"writes"
---@return string? name, string? message, string? help, boolean? is_unknown the name says none
function M.format_of_path(path, way)
  local name = formats.of_name(path)
  local ending = path:match("%.(%w+)$")
  if not name and not formats.LATER[ending] then
    return nil, ("the format of %q is not known from its name"):format(path), DATABASES[ending]
      and ("a database is \"sqlite:%s\""):format(path)
      or ("say it: `{ format = \"csv\" }`; formats: %s"):format(
        table.concat(formats.names(way), ", ")), true
  elseif not name or not formats.FORMATS[name][way] then
    return nil, refusal(name or ending, way)
  end
  return name
end

--- The format of a call: `format =` (a name or a value), else what the file's name says.
---@return weir.Format? format nil: what suits the terminal, or a pipe
function M.format(c, place, way)
  local given = c.options_given.format
  if given == nil then
    given = place.options.format
  end
  if formats.is(given) then
    if not formats.FORMATS[given.name][way] then
      refuse_format(c, given.name, way)
    end
    return given
  elseif type(given) == "string" then
    if not (formats.FORMATS[given] and formats.FORMATS[given][way]) then
      refuse_format(c, given, way)
    end
    return formats.new(given)
  elseif given ~= nil then
    c:wrong("format", "the name of a format, or a value as `weir.csv { … }`", given)
  elseif place.kind == "file" and place.address == "-" and way == "reads" then
    return formats.new("ndjson") -- what `print` writes into a pipe
  elseif place.kind ~= "file" or place.address == "-" then
    return nil
  end
  local name, message, help, is_unknown = M.format_of_path(place.address, way)
  if not name then
    if is_unknown and way == "reads" and not follows(c, place) then
      check_there(c, place)
    end
    c:fail("W402", message, help, "1")
  end
  return formats.new(name)
end

--- The options of an endpoint or a format that a `read` (or a `write`) takes.
---@param each table an entry of ENDPOINTS or FORMATS
---@param way "reads"|"writes"
---@return table<string, table>
function M.options_of(each, way)
  local options = {}
  for name, spec in pairs(each.options) do
    options[name] = (not spec.only or spec.only == way) and spec or nil
  end
  return options
end

--- Reads subject 1 of a `read` or `write`; run after the subjects, before the options.
---@param c weir.Call
---@param way "reads"|"writes"
function M.prepare(c, way)
  local x = c[1]
  c.place_name = type(x) == "string" and x or nil -- before parameters are put in
  if type(x) == "string" then
    local text = c:address(x, "1")
    if text == "" then
      c:wrong("1", "a path, URL or endpoint", x)
    end
    x = endpoint.from_text(c, text, "1")
  elseif not endpoint.is(x) then
    local help = require("weir.stream").is(x) and "a stream is there already: no `read` is needed"
      or "as `weir.file \"x.csv\"`, `weir.sqlite(\"o.db\", { table = \"t\" })`, or their text"
    c:wrong("1", "a path, URL or endpoint", x, help)
  end
  local kind = endpoint.ENDPOINTS[x.kind]
  if not kind[way] then
    c:fail("W402", ("`%s` can only be %s"):format(x.kind, way == "reads" and "written" or "read"),
      way == "reads" and kind.no_reads and kind.no_reads:format(x.address) or nil, "1")
  end
  c.place = x
  c.format = M.format(c, x, way)
  c:allow_options(M.options_of(kind, way))
  if c.format then
    c:allow_options(M.options_of(formats.FORMATS[c.format.name], way))
  end
end

local function has(specs, name)
  return specs and specs[name] ~= nil
end

--- Shares the options of a call out: to its endpoint, its format, and the rest.
---@return table place {kind=, address=, files=, options=}
---@return table? format {name=, options=}
---@return table rest
function M.share(c)
  local kind = endpoint.ENDPOINTS[c.place.kind]
  local format_options = c.format and formats.FORMATS[c.format.name].options
  local place = {
    kind = c.place.kind, address = c.place.address, files = c.place.files, options = {},
  }
  local format = c.format and { name = c.format.name, options = {} }
  local rest = {}
  for key, x in pairs(c.place.options) do
    place.options[key] = x
  end
  place.options.format = nil
  for key, x in pairs(c.format and c.format.options or {}) do
    format.options[key] = x
  end
  for key, x in pairs(c.opts) do
    if has(format_options, key) and format then
      format.options[key] = x
    elseif has(kind.options, key) and not has(c.descriptor.options, key) then
      place.options[key] = x
    else
      rest[key] = x
    end
  end
  return place, format, rest
end

--- The constructors `weir.file`, `weir.csv` …, as `weir.call` reads them.
---@return table<string, table>
function M.constructors()
  local made = {}
  for name, kind in pairs(endpoint.ENDPOINTS) do
    local options = {}
    if name == "file" or name == "stdout" then
      options.format = { kind = "any", doc = "a format's name or value" }
    end
    for option, spec in pairs(kind.options) do
      options[option] = spec
    end
    made[name] = {
      usage = kind.usage, doc = kind.doc, options = options, unnamed = true, group = "endpoints",
      subjects = kind.bare and {} or { { kind = "text", what = kind.address } },
      make = function(c)
        local address = c[1] and c:address(c[1], "1")
        return endpoint.new(name, address, c.opts)
      end,
    }
  end
  for name, format in pairs(formats.FORMATS) do
    if name ~= "table" then
      made[name] = {
        usage = format.usage, doc = format.doc, options = format.options,
        unnamed = true, group = "formats", subjects = {},
        make = function(c)
          return formats.new(name, c.opts)
        end,
      }
    end
  end
  return made
end

--- What an option of an endpoint or a format takes, "boolean" for `header`; nil: none has it.
---@param name string
---@return string?
function M.option_kind(name)
  for _, list in ipairs({ endpoint.ENDPOINTS, formats.FORMATS }) do
    for _, each in pairs(list) do
      local spec = each.options[name]
      if spec then
        return spec.kind -- options of one name take the same everywhere
      end
    end
  end
  return nil
end

return M
