--- Formats as values: `weir.csv { delimiter = ";" }`. One table says which formats there are, which
--- options they take and which file names they go by.
local M = {}

local Format = {}
Format.__index = Format
Format.__name = "weir.format"

local NULL = { kind = "text", empty = true, doc = "the text that stands for nil" }
local HEADER = "the first line names the columns; one without a name is `column2` by its place, "
  .. "unless another is called so"
local AS = {
  int_as = { only = "writes", kind = "choice", of = { "number", "string" },
    doc = "how int64 is written" },
  decimal_as = { only = "writes", kind = "choice", of = { "string", "number" },
    doc = "how decimals are written" },
}

--- Each: reads, writes, ends of file names, options, doc, usage. Options of a format may stand
--- beside those of `read` and `write`.
M.FORMATS = {
  csv = {
    reads = true, writes = true, endings = { "csv" },
    doc = "comma separated values (RFC 4180), with a header line",
    usage = 'weir.read("in.txt", { format = weir.csv { delimiter = ";", null = "NA" } })',
    options = {
      delimiter = { kind = "text", doc = "one character between fields", default = "`,`" },
      header = { kind = "boolean", default = "true", doc = HEADER },
      quote = { kind = "text", empty = true, default = "`\"`",
        doc = "the quote character; empty: none" },
      null = NULL,
    },
  },
  tsv = {
    reads = true, writes = true, endings = { "tsv", "tab" },
    doc = "tab separated values, with a header line",
    usage = 'weir.read("in.txt", { format = "tsv", null = "NA" })',
    options = {
      header = { kind = "boolean", default = "true", doc = HEADER },
      quote = { kind = "text", empty = true, default = "`\"`",
        doc = "the quote character; empty: none" },
      null = NULL,
    },
  },
  ndjson = {
    reads = true, writes = true, endings = { "ndjson", "jsonl" },
    doc = "one JSON object a line", options = AS,
    usage = 's:write("out.jsonl", { int_as = "string" })',
  },
  json = {
    reads = true, writes = true, endings = { "json" },
    doc = "one JSON object, an array of objects, or objects one after the other", options = AS,
    usage = 'weir.read("in.txt", { format = "json" })',
  },
  lines = {
    reads = true, writes = false, endings = { "txt", "log" },
    doc = "each line is one row with the column `line`", options = {},
    usage = 'weir.read("app.log", { format = "lines" })',
  },
  md = {
    reads = false, writes = true, endings = { "md" }, doc = "a Markdown table", options = {},
    usage = 's:print { format = "md" }',
  },
  table = {
    reads = false, writes = true, endings = {}, doc = "an aligned table for the terminal",
    options = {},
  },
}
--- In the language, not in this version.
M.LATER = {
  parquet = true, avro = true, protobuf = true, debezium = true, upsert = true, raw = true,
}
local PACKED = { gz = true, zst = true }

---@return boolean
function M.is(x)
  return getmetatable(x) == Format
end

---@return weir.Format
function M.new(name, options)
  return setmetatable({ name = name, options = options or {} }, Format)
end

--- Names of the formats that read (or write), sorted.
---@param way "reads"|"writes"
---@return string[]
function M.names(way)
  local names = {}
  for name, format in pairs(M.FORMATS) do
    if format[way] then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

--- The format that a file name says: `x.csv.gz` is csv; nil when it says none.
---@return string?
function M.of_name(path)
  local name = path:match("[^/]*$"):lower()
  local rest, ending = name:match("^(.*)%.([%w]+)$")
  if ending and PACKED[ending] then
    ending = rest:match("%.([%w]+)$")
  end
  for format, spec in pairs(M.FORMATS) do
    for _, known in ipairs(spec.endings) do
      if ending == known then
        return format
      end
    end
  end
  return nil
end

return M
