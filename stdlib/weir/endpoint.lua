--- Endpoints: where data comes from and goes to. `weir.sqlite "o.db"` and the text "sqlite:o.db"
--- are the same value; it reads and writes.
local suggest = require("weir.suggest")
local M = {}

local Endpoint = {}
Endpoint.__index = Endpoint
Endpoint.__name = "weir.endpoint"

--- What is done when the other side fails for a while. `least`, `most`: the pauses by default.
local function retry_options(options, least, most)
  options.retry_min = { only = "writes", kind = "duration", min = 1, default = least,
    doc = "the longest that the first pause between two attempts may be; it doubles with each" }
  options.retry_max = { only = "writes", kind = "duration", min = 1, default = most,
    doc = "the longest that any pause may be; each is drawn between 0 and its longest" }
  options.breaker = { only = "writes", kind = "any", doc = "waits until what it writes to is there "
    .. "again, and reads nothing meanwhile (`weir help retries`): `{ failures = 5, cooldown = "
    .. "\"10s\", limit = \"1h\" }`, or true, false; on where the input never ends" }
  return options
end

--- Each: what its address is, options (`only`: "reads" or "writes", where one of them), doc.
--- `file` stands first in the language and has no scheme.
M.ENDPOINTS = {
  file = {
    address = "a path, glob, `directory/` or `-`", reads = true, writes = true,
    usage = 'weir.file("in/*.csv.gz", { partitions = "each" })',
    doc = "A file, or all files of a glob or `directory/` in the order of their names. `-` is "
      .. "stdin or stdout. `.gz` and `.zst` are read by what they hold and written by their name.",
    options = retry_options({
      compression = { kind = "choice", of = { "auto", "none", "gzip", "zstd" },
        doc = "auto: by content when read, by name when written" },
      partitions = { only = "reads", kind = "choice", of = { "one", "each" },
        doc = "`one`: the files of a glob are one partition, in name order; `each`: one each" },
      check = { only = "reads", kind = "choice", of = { "needed", "all" },
        doc = "`all`: fields that nobody reads are converted too, for their rejects" },
      max_record = { only = "reads", kind = "size", default = "1MB",
        doc = "a longer record is rejected; at most 16MB" },
      max_ratio = { only = "reads", kind = "count",
        doc = "compressed data that unfolds more than so many times is refused; 0: any",
        default = "100" },
      follow = { only = "reads", kind = "boolean", default = "false",
        doc = "goes on reading as the file grows; of a glob or directory, files that come too" },
      roll = { only = "writes", kind = "any", doc = "into a `directory/`: when a file is complete "
        .. "and the next one begins: `{ rows = 100000, size = \"64MB\", every = \"1h\", quiet = "
        .. "\"10m\" }`, whichever comes first; a duration alone is `quiet` (`weir help roll`)" },
      success = { only = "writes", kind = "boolean", default = "false",
        doc = "with `partition_by`: an empty file `_SUCCESS` in each partition that is complete" },
    }, "500ms", "5s"),
  },
  stdout = {
    address = "nothing", writes = true, bare = true, usage = "weir.stdout()",
    doc = "The standard output: a table on a terminal, else NDJSON.",
    options = { rows = { kind = "count", min = 1, doc = "show so many rows" } },
  },
  blackhole = {
    address = "nothing", writes = true, bare = true, usage = "weir.blackhole()",
    doc = "Takes all rows and keeps none; counts them.",
    options = {
      hash = { kind = "boolean", doc = "a checksum of the rows, too" },
      table = { kind = "text", doc = "of no effect: it stands in for a database" },
    },
  },
  sqlite = {
    address = "the path of a database", reads = true, writes = true,
    usage = 'weir.sqlite("out.db", { table = "revenue" })',
    doc = "A SQLite database: reads a table or a query, writes a table.",
    options = retry_options({
      table = { kind = "text", doc = "the table" },
      query = { only = "reads", kind = "text", doc = "a query to read, in place of a table" },
      mode = { only = "writes", kind = "choice", of = { "upsert", "append", "replace" },
        doc = "how it is written" },
      timeout = { kind = "duration", default = "5s",
        doc = "how long a lock of another program is waited for" },
      retries = { only = "writes", kind = "count",
        doc = "how often it is looked for within the timeout; any number" },
    }, "5ms", "500ms"),
  },
  state = {
    address = "a name for the table", writes = true, usage = 'weir.state("revenue")',
    doc = "A table in the state file of the run, `DIR/state.db`: its rows stand in the transaction "
      .. "of the checkpoint, so each is there once, whatever happens (`weir help tables`). Needs "
      .. "`--state`. `weir state query` and `export` read it, and other scripts as "
      .. "`sqlite:DIR/state.db`, while no run holds the state.",
    no_reads = "`weir.read(\"sqlite:DIR/state.db\", { table = \"%s\" })` reads it, in another "
      .. "script and while no run holds the state",
    options = {
      mode = { only = "writes", kind = "choice", of = { "upsert", "append", "replace" },
        doc = "how it is written" },
    },
  },
  postgres = {
    address = "`host[:port]/database`, or the folder of a socket for the host",
    reads = true, writes = true,
    usage = 'weir.postgres("db/shop", { table = "orders", password = weir.secret "shop" })',
    doc = "A PostgreSQL database (13 or later): reads a table, in the order of its primary key, or "
      .. "a query; writes a table. Without `schema =` its columns are looked at when the script is "
      .. "read.",
    options = retry_options({
      table = { kind = "text", doc = "the table, as `orders` or `sales.orders`" },
      query = { only = "reads", kind = "text", doc = "a query to read, in place of a table" },
      cdc = { later = true, kind = "any" },
      mode = { only = "writes", kind = "choice", of = { "upsert", "append", "replace" },
        doc = "how it is written" },
      user = { kind = "text", doc = "who connects; else what libpq takes: `PGUSER`, or the user "
        .. "of the system" },
      password = { kind = "secret", doc = "its password; else what libpq finds, in `~/.pgpass`" },
      tls = { kind = "choice", of = { "auto", "verify", "encrypt", "off" },
        doc = "auto: verify, but on this machine what the server has; verify: the certificate "
        .. "must be the host's; encrypt: whoever answers" },
      ca = { kind = "text", doc = "a file of certificates to trust; those of the system" },
      timeout = { kind = "duration", min = 1000000, default = "30s", doc = "how long a server "
        .. "that does not answer is waited for (W603), and a lock of another program" },
      retries = { kind = "count", default = "10",
        doc = "how often it is connected again within the timeout, with growing pauses" },
    }, "200ms", "5s"),
  },
}
--- Schemes of the language that this version does not have.
M.LATER = {
  kafka = true, http = true, https = true, mqtt = true, lake = true, view = true,
  features = true, dataset = true,
}

---@return weir.Endpoint
function M.new(kind, address, options)
  return setmetatable({ kind = kind, address = address, options = options or {} }, Endpoint)
end

--- Several files that are read as those of a glob are, in the order given.
---@param files string[] paths, all different
---@return weir.Endpoint
function M.of_files(files)
  local made = M.new("file", files[1])
  made.files = files
  return made
end

---@return boolean
function M.is(x)
  return getmetatable(x) == Endpoint
end

--- The names of schemes, sorted.
function M.names()
  local names = {}
  for name in pairs(M.ENDPOINTS) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local function check_credentials(call, text, arg)
  local from, to = text:find("//[^/@]*:[^/@]*@")
  if from then
    call:fail("W405", "a password stands in a URL",
      "give it as an option, `password = weir.secret \"name\"`: URLs are logged and shared", arg,
      from + 2, to - 1)
  end
end

--- The endpoint that a text means. Raises at `call`.
---@param call weir.Call
---@param text string parameters already put in
---@param arg string
---@return weir.Endpoint
function M.from_text(call, text, arg)
  local scheme, rest = text:match("^(%a[%w+.-]+):(.*)$")
  if not scheme then
    return M.new("file", text)
  end
  check_credentials(call, text, arg)
  if M.LATER[scheme] then
    call:fail("W402", ("`%s` is not in this version"):format(scheme),
      "endpoints: " .. table.concat(M.names(), ", "), arg, 1, #scheme)
  elseif not M.ENDPOINTS[scheme] then
    local near = suggest.nearest(scheme, M.names())
    call:fail("W402", ("unknown scheme `%s`"):format(scheme),
      near and ("did you mean `%s:`?"):format(near)
        or ("schemes: %s; a file of this name is `weir.file %q`"):format(
          table.concat(M.names(), ", "), text), arg, 1, #scheme)
  end
  rest = rest:gsub("^//", "", 1)
  local query = scheme ~= "file" and rest:find("%?[%w_]+=")
  if query then
    call:fail("W402", ("`%s:` takes no query in its URL"):format(scheme),
      ("options stand in a table: `weir.%s(%q, { … })`"):format(scheme, rest:sub(1, query - 1)),
      arg, #text - #rest + query, #text)
  elseif M.ENDPOINTS[scheme].bare and rest ~= "" then
    call:fail("W402", ("`%s:` takes no address"):format(scheme), nil, arg, #scheme + 2, #text)
  elseif not M.ENDPOINTS[scheme].bare and rest == "" then
    call:fail("W402", ("`%s:` needs an address"):format(scheme),
      ("%s: `%s:…`"):format(M.ENDPOINTS[scheme].address, scheme), arg, 1, #text)
  end
  return M.new(scheme, not M.ENDPOINTS[scheme].bare and rest or nil)
end

--- How messages call an endpoint: "sqlite:out.db".
---@return string
function M.text(endpoint)
  if endpoint.kind == "file" then
    return endpoint.address
  end
  return endpoint.kind .. ":" .. (endpoint.address or "")
end

Endpoint.__tostring = M.text

return M
