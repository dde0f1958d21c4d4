--- The table `weir` that a script sees. `new(script)` makes one; what it gives belongs to it.
local call = require("weir.call")
local collect = require("weir.collect")
local diag = require("weir.diag")
local opaque = require("weir.opaque")
local params = require("weir.params")
local places = require("weir.places")
local schema = require("weir.schema")
local sources = require("weir.sources")
local stream = require("weir.stream")
local suggest = require("weir.suggest")
local windows = require("weir.windows")
local M = {}

--- In the language, not in this version.
M.LATER = {
  schedule = true, source = true, sink = true, kafka = true,
  http = true, https = true, mqtt = true, lake = true, view = true,
  features = true, dataset = true, parquet = true, avro = true, protobuf = true, debezium = true,
  upsert = true, raw = true, cumulative = true, session = true, count = true, calendar = true,
}

local SETTINGS = {
  state = { kind = "text", doc = "the directory that keeps state between runs; as `--state`" },
  checkpoint = { kind = "duration", min = 1000, doc = "how often state is saved", default = "1s" },
  timezone = { kind = "text", default = "UTC",
    doc = "of timestamps without offset and of time functions" },
  workers = { kind = "count", min = 1, max = 256, default = "as many as there are processors",
    doc = "threads that read and work on keyed stages; any number gives the same rows" },
  memory = { kind = "size", doc = "for all state", default = "1GB" },
  on_error = { kind = "choice", of = { "reject", "fail" },
    doc = "what a row does whose expression fails", default = "reject" },
  quarantine = { kind = "boolean", default = "true", doc = "with a state: a row at which the "
    .. "process dies again and again is rejected (`weir help quarantine`)" },
  max_bad = { kind = "count", doc = "a run with more rejected rows ends with exit code 4" },
  seed = { kind = "count", doc = "of `sample` and `weir.generate` that say none of their own" },
  locale = { kind = "text", default = "C", doc = "order of text: bytes" },
}

--- Values that the language has and this version does not: refused, so that none is without effect.
local function refuse_later(c)
  local locale = c.options_given.locale
  if type(locale) == "string" and locale ~= "C" then
    c:fail("W203", ("`locale = %q` is not in this version"):format(locale),
      "leave it out: text is ordered by its bytes", "locale")
  end
end

local FUNCTIONS = {
  params = params.descriptor,
  settings = {
    unnamed = true, group = "script", usage = 'weir.settings { timezone = "Europe/Berlin" }',
    doc = "Settings of the script, once, before its first stream.",
    subjects = {}, options = SETTINGS,
    make = function(c)
      if c.script.settings_given then
        c:fail("W208", "`settings` is given twice", "a script has one `weir.settings { … }`")
      elseif c.script.native_plan then
        c:fail("W203", "`settings` must come before the first stream", "put it at the top")
      end
      refuse_later(c)
      c.script.settings_given = true
      c.script.settings_mark = c.mark
      for key, x in pairs(c.opts) do
        c.script.settings[key] = x
      end
    end,
  },
  schema = {
    unnamed = true, group = "script", usage = 'weir.schema "id int64 key, user string @pii(id)"',
    doc = "A schema as a value, for `read` and others.",
    subjects = { { kind = "schema" } },
    make = function(c)
      return schema.new(c[1])
    end,
  },
  def = {
    unnamed = true, group = "script",
    usage = 'weir.def("double(x int64) int64", function(x) return 2 * x end)',
    doc = "Gives a Lua function a name that strings can call.",
    subjects = { { kind = "text", what = "a signature, as \"f(x int64) int64\"" },
      { kind = "callable" } },
    make = function(c)
      local name, types, result = require("weir.signature").read(c)
      local fn = c.script:function_spec(c[2], nil, c)
      local ok, err = c.script:plan():define({
        name = name, params = types, result = result, id = fn.id, text = fn.text,
        volatile = fn.volatile, mark = c.mark,
      })
      if not ok then
        c:fail_with(err, "1")
      end
      return c[2]
    end,
  },
  aggregate = {
    unnamed = true, group = "script",
    usage = [[weir.aggregate("geo_mean(x float64) float64", {
      state = "logs float64 = 0, n int64 = 0",
      add = function(s, x) s.logs, s.n = s.logs + math.log(x), s.n + 1 end,
      merge = function(s, o) s.logs, s.n = s.logs + o.logs, s.n + o.n end,
      result = function(s) return math.exp(s.logs / s.n) end,
    })]],
    doc = "Defines an aggregate: `add` changes the state of a group by the values of a row, in the "
      .. "order of arrival, `result` reads it.",
    subjects = { { kind = "text", what = "a signature, as \"f(x float64) float64\"" } },
    options = {
      state = { kind = "schema",
        doc = "the fields of a state, with their values at the start: \"n int64 = 0\"" },
      add = { kind = "callable", doc = "function(s, x, …): takes a row; not called for a nil" },
      result = { kind = "callable", doc = "function(s): gives the result" },
      merge = { kind = "callable",
        doc = "function(s, o): takes a later state; without it all values of a group are kept" },
      retract = { kind = "callable", doc = "function(s, x, …): takes a row of a changelog back; "
        .. "without it all values of a group that changes are kept" },
    },
    make = function(c)
      return require("weir.aggregate").define(c)
    end,
  },
  quote = {
    unnamed = true, group = "script", usage = 'weir.quote "Total Amount"',
    doc = "A column's name as a string writes it, for lists that are built by Lua.",
    subjects = { { kind = "text", what = "the name of a column" } },
    make = function(c)
      return "`" .. c[1]:gsub("`", "``") .. "`"
    end,
  },
  secret = {
    unnamed = true, group = "script", usage = 'weir.secret "env:WAREHOUSE"',
    doc = "A password by where it is, read when an endpoint connects and shown nowhere: `env:NAME` "
      .. "a variable of the environment, with `--allow env=NAME`; `file:PATH` a file; `cmd:TEXT` "
      .. "what a command prints, with `--allow cmd=TEXT`; another name is the variable "
      .. "`WEIR_SECRET_NAME`.",
    subjects = { { kind = "text", what = "where a secret is" } },
    make = function(c)
      local kind, name = c[1]:match("^(env):(.*)$")
      if not kind then
        kind, name = c[1]:match("^(cmd):(.*)$")
      end
      if kind and not c.script.allow[kind .. "=" .. name] then
        c:fail("W406", ("not allowed: %s `%s`"):format(
          kind == "env" and "the variable of the environment" or "the command", name),
          ("run it with `--allow %s`"):format(kind == "env" and "env=" .. name
            or ("%q"):format("cmd=" .. name)), "1")
      end
      return opaque.secret(c[1])
    end,
  },
  env = {
    unnamed = true, group = "script", usage = 'weir.env "TOKEN"',
    doc = "A variable of the environment as a secret: `weir.secret \"env:NAME\"`; needs "
      .. "`--allow env=NAME`.",
    subjects = { { kind = "text", what = "the name of a variable" } },
    make = function(c)
      if not c.script.allow["env=" .. c[1]] then
        c:fail("W406", ("not allowed: the variable `%s` of the environment"):format(c[1]),
          ("run it with `--allow env=%s`"):format(c[1]), "1")
      end
      return opaque.env(c[1])
    end,
  },
}

local described -- name → descriptor, once asked for

--- All functions of `weir` by name: what `weir help` shows and `new` makes.
---@return table<string, table>
function M.functions()
  if not described then
    described = {}
    for name, descriptor in pairs(FUNCTIONS) do
      descriptor.group = descriptor.group or "script"
      described[name] = descriptor
    end
    for name, descriptor in pairs(sources.SOURCES) do
      descriptor.group, descriptor.source = "sources", true
      described[name] = descriptor
    end
    for name, descriptor in pairs(windows.CONSTRUCTORS) do
      descriptor.group, descriptor.window = "windows", true
      described[name] = descriptor
    end
    for name, descriptor in pairs(places.constructors()) do
      described[name] = descriptor
    end
  end
  return described
end

local function names_of_functions()
  local names = { "version" }
  for name in pairs(M.functions()) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local function bind(script, name, descriptor)
  local shown = (descriptor.source or descriptor.group == "script") and name or "weir." .. name
  return function(...)
    local mark = script:take_mark()
    if script.closed then
      diag.raise({ mark = mark, stage = shown }, {
        code = "W203", message = ("`weir.%s` is called after the script has ended"):format(name),
        help = "a row function cannot make streams",
      })
    end
    if type((...)) == "table" and rawequal((...), script.weir) then
      diag.raise({ mark = mark, stage = shown }, {
        code = "W203", message = ("`%s` is called with a colon"):format(shown),
        help = ("write `weir.%s(…)`, with a dot"):format(name),
      })
    end
    local function make(...)
      local c = call.new(script, shown, descriptor, mark, table.pack(...))
      local result = descriptor.make(c)
      if descriptor.source then
        return stream.add_sources(c, result)
      elseif descriptor.window then
        return windows.new(result)
      end
      return result
    end
    if not descriptor.source or not collect.is_on(script) then
      return make(...)
    end
    local made = table.pack(pcall(make, ...))
    if made[1] then
      return table.unpack(made, 2, made.n)
    elseif not diag.is(made[2]) then
      error(made[2], 0)
    end
    return collect.source(script, shown, mark, made[2], descriptor.streams)
  end
end

--- What stands for a function that `weir` does not have: a call of it is W201.
local function ghost(script, name)
  local function refuse()
    local later = M.LATER[name]
    local near = not later and suggest.nearest(name, names_of_functions())
    local ours = require("weir.foreign").FUNCTIONS[name]
    diag.raise({ mark = script:take_mark(), stage = name }, {
      code = "W201",
      message = later and ("`weir.%s` is not in this version"):format(name)
        or ("no function `weir.%s`"):format(name),
      help = name == "test" and "specs have it: files `*_spec.lua`, which `weir test` runs"
        or not later and stream.stage(name) and ("`:%s` is a stage of a stream: `s:%s %s`")
          :format(name, name, stream.stage(name).usage:match("^:%S+ (\".*)$") or "…")
        or not later and ours and ("weir calls it `weir.%s`"):format(ours)
        or near and ("did you mean `weir.%s`?"):format(near)
        or "there are: " .. table.concat(names_of_functions(), ", "),
      arg = "stage",
    })
  end
  return setmetatable({}, {
    __name = "weir.function", __call = refuse, __index = refuse, __tostring = refuse,
    __concat = refuse, __len = refuse,
  })
end

--- The table `weir` of a script.
---@param script table of `weir.script`
---@return table weir
function M.new(script)
  local made = { version = script.native.version }
  script.weir = setmetatable({}, {
    __name = "weir",
    __metatable = false,
    __index = function(_, name)
      if type(name) ~= "string" then
        return nil
      end
      local found = made[name]
      if found == nil then
        local descriptor = M.functions()[name]
        found = descriptor and bind(script, name, descriptor) or ghost(script, name)
        made[name] = found
      end
      return found
    end,
    __newindex = function(_, name)
      diag.raise({ mark = script:take_mark() }, {
        code = "W203", message = ("`weir.%s` cannot be set"):format(tostring(name)),
        help = "keep it in a local",
      })
    end,
  })
  return script.weir
end

return M
