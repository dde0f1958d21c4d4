--- `weir help`: pages for commands, stages, functions of `weir`, functions and aggregates of
--- expressions, errors and topics. All of it comes from the tables that the program works by.
local cli = require("weir.cli")
local places = require("weir.places")
local stream = require("weir.stream")
local suggest = require("weir.suggest")
local M = {}

local WIDTH = 80

--- Columns of a text on the terminal; bytes that are no UTF-8 count one each.
local function columns(text)
  return utf8.len(text) or #text
end

--- Breaks a text over lines of WIDTH columns, behind an indent.
---@param lines string[] appended to
---@param first string what the first line begins with
---@param text string
---@param indent integer? of the other lines; that of `first`
local function wrap(lines, first, text, indent)
  local rest = (" "):rep(indent or columns(first))
  local line, empty = first, true
  for word in text:gmatch("%S+") do
    if not empty and columns(line) + 1 + columns(word) > WIDTH then
      lines[#lines + 1] = line
      line, empty = rest, true
    end
    line = line .. (empty and "" or " ") .. word
    empty = false
  end
  lines[#lines + 1] = (line:gsub("%s+$", ""))
end
M.wrap = wrap

--- Two columns: a name, and what it says.
local function entry(lines, name, text, width)
  local first = "  " .. name
  if columns(first) >= width then
    lines[#lines + 1] = first
    first = ""
  end
  wrap(lines, first .. (" "):rep(width - columns(first)), text)
end

local function add(lines, ...)
  for i = 1, select("#", ...) do
    lines[#lines + 1] = (select(i, ...))
  end
end

--- Lines of an example or page as they stand, none longer than WIDTH.
local function as_is(lines, text, indent)
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do
    add(lines, line == "" and "" or indent .. line)
  end
end

-- ── stages and functions of weir ────────────────────────────────────────────────────────────────
--- What an option takes, as a line.
function M.option_text(spec)
  local said = {}
  if spec.kind == "duration" then
    said[1] = "a duration, as \"1h30m\""
  elseif spec.kind == "size" then
    said[1] = "a size, as \"64MB\""
  end
  said[#said + 1] = spec.default and "default " .. spec.default or nil
  local text = spec.of and table.concat(spec.of, " | ") or ""
  if spec.doc then
    text = text .. (spec.of and ": " or "") .. spec.doc
  end
  return #said > 0 and ("%s (%s)"):format(text, table.concat(said, "; ")) or text
end

local function add_options(lines, options, title)
  local names = {}
  for name, spec in pairs(options or {}) do
    if not spec.later then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  if #names > 0 then
    add(lines, "", title or "Options:")
    for _, name in ipairs(names) do
      entry(lines, name, M.option_text(options[name]), 20)
    end
  end
end

--- What gives options that stand beside those of `read` and `write`: endpoints and formats, each
--- without what the descriptor has itself. Formats of the same options are one: "csv, tsv".
---@param descriptor table
---@return { name: string, options: table<string, table> }[]
function M.beside(descriptor)
  local way, list, by_options = descriptor.way, {}, {}
  local endpoints, formats = require("weir.endpoint").ENDPOINTS, require("weir.formats").FORMATS
  for _, map in ipairs(way and { endpoints, formats } or {}) do
    for _, name in ipairs(cli.names_of(map)) do
      local options = {}
      for option, spec in pairs(map[name][way] and places.options_of(map[name], way) or {}) do
        options[option] = not spec.later and not descriptor.options[option] and spec or nil
      end
      local key = table.concat(cli.names_of(options), " ")
      if by_options[key] then
        by_options[key].name = by_options[key].name .. "`, `" .. name
      elseif key ~= "" then
        by_options[key] = { name = name, options = options }
        list[#list + 1] = by_options[key]
      end
    end
  end
  return list
end

local function descriptor_page(title, name, descriptor)
  local lines = { title .. " " .. name, "" }
  wrap(lines, "", descriptor.doc)
  add(lines, "")
  as_is(lines, descriptor.usage, "  ")
  add_options(lines, require("weir.call").options_of(descriptor))
  for _, each in ipairs(M.beside(descriptor)) do
    add_options(lines, each.options, ("Beside them, of `%s`:"):format(each.name))
  end
  if descriptor.modifier then
    add(lines, "")
    wrap(lines, "", "A modifier: it only says how. The next consumer (agg, …) does it.")
  end
  return lines
end

--- First sentence of a text.
local function first_sentence(text)
  return text:match("^(.-%.)%s") or text
end

local function list_of(title, names, doc_of, width)
  local lines = { title, "" }
  for _, name in ipairs(names) do
    entry(lines, name, first_sentence(doc_of(name)), width or 16)
  end
  return lines
end

-- ── functions of expressions ────────────────────────────────────────────────────────────────────
local function by_name(list)
  local map = {}
  for _, each in ipairs(list) do
    map[each.name] = each
  end
  return map
end

local function native_list(native, what)
  return native[what] and native[what]() or {}
end

--- What the flags of a function mean to those who call it.
local FLAGS = {
  { "strict", "nil in any argument gives nil." },
  { "can_nil", "The result can be nil though no argument is." },
  { "can_fail", "It can fail: then the row is rejected, unless `?? otherwise` follows." },
  { "method", "Also as a method, behind its first argument: x:f(…)." },
  { "volatile", "It is computed anew for each row; a script that uses it is not repeatable." },
  { "lazy", "Only the arguments that are needed are computed." },
  { "lua", "For Lua functions: an expression cannot write the function that it takes." },
}

--- What the flags of a function say, in sentences.
function M.flags_text(each)
  local said = {}
  for _, flag in ipairs(FLAGS) do
    said[#said + 1] = each.flags and each.flags[flag[1]] and flag[2] or nil
  end
  return table.concat(said, " ")
end

--- The rows that the examples of aggregates are about.
M.EXAMPLE_ROWS = "Examples, of the rows x = 1, 2, nil, 3, 4; s = 'a', 'b', 'b', nil, 'a'; "
  .. "f = 0.5, nil, 0.5, 1, 2:"

local function function_page(title, each)
  local lines = { title .. " " .. each.name, "" }
  wrap(lines, "", each.doc or "")
  add(lines, "")
  for _, signature in ipairs(each.signatures or {}) do
    wrap(lines, "  " .. each.name, signature, 6)
  end
  local said = M.flags_text(each)
  if said ~= "" then
    add(lines, "")
    wrap(lines, "", said)
  end
  if each.examples and #each.examples > 0 then
    add(lines, "")
    wrap(lines, "", title == "aggregate" and M.EXAMPLE_ROWS or "Examples:")
    for _, example in ipairs(each.examples) do
      wrap(lines, "  ", ("%s → %s"):format(example.text, example.result), 6)
    end
  end
  return lines
end

local function function_list(title, list)
  local groups, order = {}, {}
  for _, each in ipairs(list) do
    local group = each.group or "aggregates"
    if not groups[group] then
      groups[group] = {}
      order[#order + 1] = group
    end
    table.insert(groups[group], each.name)
  end
  local lines = { title }
  for _, group in ipairs(order) do
    table.sort(groups[group])
    add(lines, "", group)
    wrap(lines, "  ", table.concat(groups[group], "  "))
  end
  return lines
end

-- ── commands ────────────────────────────────────────────────────────────────────────────────────
local function flag_entry(lines, flag)
  local spec = cli.FLAGS[flag]
  local doc = spec.doc
  if spec.of then
    doc = ("%s: %s"):format(doc, table.concat(spec.of, " "))
  end
  entry(lines, flag .. (spec.value and " " .. spec.value or ""), doc, 24)
end

local function command_page(name)
  local command = cli.COMMANDS[name]
  local lines = { "usage: " .. command.usage, "" }
  wrap(lines, "", command.doc:sub(1, 1):upper() .. command.doc:sub(2) .. ".")
  if command.more then
    add(lines, "")
    wrap(lines, "", command.more)
  end
  if #command.flags > 0 then
    add(lines, "", "Flags, in any order; `--` ends them:")
    for _, flag in ipairs(command.flags) do
      flag_entry(lines, flag)
    end
  end
  return lines
end

local function overview(native)
  local lines = { ("weir %s: data pipelines written as Lua scripts"):format(native.version), "" }
  add(lines, "  weir SCRIPT.lua [FLAG…]", "")
  for _, name in ipairs({ "run", "check", "explain", "plan", "state", "sim", "schema", "test",
    "help", "version" }) do
    entry(lines, cli.COMMANDS[name].usage:gsub(" %[FLAG…%]", ""), cli.COMMANDS[name].doc, 34)
  end
  entry(lines, "weir -e ':filter \"a > 1\"' FILE…", "apply stages to files, or stdin", 34)
  add(lines, "", "More:")
  entry(lines, "weir help run", "the flags of a command", 34)
  entry(lines, "weir help stages | functions | aggregates | errors | topics", "lists", 34)
  entry(lines, "weir help filter, lower, W103", "one of them", 34)
  return lines
end

-- ── finding ─────────────────────────────────────────────────────────────────────────────────────

--- Every kind of page: names, page(name).
local function kinds(native)
  local functions = by_name(native_list(native, "functions"))
  local aggregates = by_name(native_list(native, "aggregates"))
  local errors = require("weir.errors")
  local topics = require("weir.help_topics")
  local weir = require("weir").functions()
  local stages = stream.stages()
  return {
    { kind = "command", map = cli.COMMANDS, page = command_page },
    { kind = "stage", map = stages, page = function(name)
      return descriptor_page("stage", name, stages[name])
    end },
    { kind = "weir", map = weir, page = function(name)
      return descriptor_page("function", "weir." .. name, weir[name])
    end },
    { kind = "function", map = functions, page = function(name)
      return function_page("function", functions[name])
    end },
    { kind = "aggregate", map = aggregates, page = function(name)
      return function_page("aggregate", aggregates[name])
    end },
    { kind = "error", map = require("weir.error_codes"), page = function(name)
      local lines = {}
      as_is(lines, errors.page(name), "")
      return lines
    end },
    { kind = "topic", map = topics, page = function(name)
      local lines = { topics[name].title, "" }
      as_is(lines, topics[name].text:gsub("\n$", ""), "")
      return lines
    end },
  }
end

local LISTS = {}

function LISTS.stages()
  return list_of("Stages (`weir help filter` says more):", stream.names(), function(name)
    return stream.stage(name).doc
  end)
end
function LISTS.functions(native)
  local lines = function_list("Functions of expressions (`weir help lower` says more):",
    native_list(native, "functions"))
  local weir = require("weir").functions()
  add(lines, "")
  for _, line in ipairs(list_of("Functions of `weir`:", cli.names_of(weir), function(name)
    return weir[name].doc
  end)) do
    add(lines, line)
  end
  return lines
end
function LISTS.aggregates(native)
  return function_list("Aggregates (`weir help sum` says more):", native_list(native, "aggregates"))
end
function LISTS.errors()
  local codes = require("weir.error_codes")
  return list_of("Errors (`weir help W103` says more):", cli.names_of(codes), function(code)
    return codes[code].message
  end, 8)
end
function LISTS.topics()
  local topics = require("weir.help_topics")
  return list_of("Topics (`weir help windows` shows one):", cli.names_of(topics), function(name)
    return topics[name].title
  end)
end

--- Names written another way: `weir.read` is `read`, `:filter` is `filter`, `w103` is `W103`,
--- `weir_undo_7` is `weir_undo`.
local function plain_name(name)
  name = name:gsub("^:", "")
  if name:find("^[wW]%d%d%d$") then
    return name:upper()
  elseif name:find("^weir%.") then
    return name:sub(6), "weir"
  end
  name = name:gsub("^(weir_undo)_.*", "%1"):gsub("^(weir_new)_.*", "%1") -- of one sink
  return name
end

--- Words of the language and of its texts that are no names of pages, and the page of each.
M.ALIASES = {
  over = "frames", frame = "frames", partition = "partitions",
  changelogs = "changelog", delete = "changelog", retract = "changelog", retraction = "changelog",
  update = "changelog", updates = "changelog", upsert = "changelog",
  allowed_lateness = "time", frontier = "time", lateness = "time",
  null = "nil", ["??"] = "nil",
  ["and"] = "expressions", ["in"] = "expressions", ["not"] = "expressions", ["or"] = "expressions",
  tail = "follow", rotate = "follow", rotation = "follow", watch = "follow",
  delivery = "promises", exactly_once = "promises", at_least_once = "promises",
  ["exactly-once"] = "promises", ["at-least-once"] = "promises", promise = "promises",
  key = "schemas", outer = "join", flag = "run", flags = "run",
  savepoint = "inspection", savepoints = "inspection", resume = "state", restart = "state",
  recover = "state", recovery = "state", checkpoints = "state",
  weir_commit = "bookkeeping", weir_undo = "bookkeeping", weir_refused = "bookkeeping",
  weir_new = "bookkeeping", weir_partitions = "bookkeeping",
  standard_input = "stdin", ["standard-input"] = "stdin", pipes = "stdin",
}

--- The options of this name, and those that have it as one of their words.
---@return string[]? lines
local function option_page(name)
  local takes, words = {}, {}
  local function look(title, options)
    for _, option in ipairs(cli.names_of(options or {})) do
      local spec = options[option]
      if option == name and not spec.later then
        entry(takes, title, M.option_text(spec), 20)
      end
      for _, word in ipairs(option ~= name and not spec.later and spec.of or {}) do
        if word == name then
          entry(words, title, ("%s: %s"):format(option, M.option_text(spec)), 20)
        end
      end
    end
  end
  for i, list in ipairs({ stream.stages(), require("weir").functions() }) do
    for _, owner in ipairs(cli.names_of(list)) do
      local title = (i == 1 and ":" or "weir.") .. owner
      look(title, list[owner].options)
      for _, each in ipairs(M.beside(list[owner])) do
        look(title, each.options)
      end
    end
  end
  local lines = {}
  if #takes > 0 then
    add(lines, ("`%s` is an option of"):format(name), "", table.unpack(takes))
  end
  if #words > 0 then
    add(lines, ("`%s` is a word of an option of"):format(name), "", table.unpack(words))
  end
  return #lines > 0 and lines or nil
end

--- Leads from a name of another language to ours: `date_trunc` is `trunc`.
---@return string[]? lines
local function foreign_page(name, native)
  local ours = require("weir.foreign").stage(name, stream.stages())
    or native.foreign and native.foreign(name)
  if not ours then
    return nil
  end
  local lines = { ("`%s`: weir calls it `%s`."):format(name, ours) }
  local word = ours:match("^[%l%d_]+%f[(\0]")
    or (ours:find("??", 1, true) or ours:find("nil")) and "nil"
  for _, each in ipairs(kinds(native)) do
    if word and each.map[word] then
      add(lines, "")
      add(lines, table.unpack(each.page(word)))
    end
  end
  return lines
end

--- What is said of a word that no page has for its name.
---@return string[]? lines
local function other_pages(name, native)
  local lines = {}
  local function page(found)
    if found and #lines > 0 then
      add(lines, "", ("─"):rep(20), "")
    end
    add(lines, table.unpack(found or {}))
  end
  local of_alias, topics = M.ALIASES[name], require("weir.help_topics")
  for _, each in ipairs(of_alias and kinds(native) or {}) do
    if each.map[of_alias] and (each.kind == "topic" or not topics[of_alias]) then -- it says more
      page(each.page(of_alias))
    end
  end
  page(foreign_page(name, native))
  page(option_page(name))
  return #lines > 0 and lines or nil
end

local function find(words, native)
  local kind, name = words[1], words[2]
  local only
  if not name then
    name, only = plain_name(kind)
    kind = only
  else
    name = plain_name(name)
  end
  local lines, known, kind_known = {}, {}, kind == nil
  for _, each in ipairs(kinds(native)) do
    local is_asked = each.kind == kind or (kind == "function" and each.kind == "aggregate")
    if kind == nil or is_asked then
      kind_known = true
      if each.map[name] then
        if #lines > 0 then
          add(lines, "", ("─"):rep(20), "")
        end
        add(lines, table.unpack(each.page(name)))
      end
      for other in pairs(each.map) do
        known[#known + 1] = other
      end
    end
  end
  if not kind_known then
    return nil, { message = ("no help of the kind `%s`"):format(kind),
      help = "kinds: command, stage, function, aggregate, error, topic, weir" }
  elseif #lines == 0 then
    lines = kind == nil and other_pages(name, native) or foreign_page(name, native)
    if lines then
      return lines
    end
    table.sort(known)
    local near = suggest.nearest(name, known)
    return nil, { message = ("no help for `%s`"):format(name),
      help = near and ("did you mean `weir help %s`?"):format(near) or "`weir help` lists more" }
  end
  return lines
end

--- Everything, one page after the other.
local function everything(native)
  local lines = overview(native)
  for _, each in ipairs(kinds(native)) do
    for _, name in ipairs(cli.names_of(each.map)) do
      add(lines, "", ("─"):rep(60), "")
      add(lines, table.unpack(each.page(name)))
    end
  end
  return lines
end

--- The reference, one chapter of it, or (`index`) the list of its chapters.
local function markdown(words, native)
  local document = require("weir.help_markdown")
  local text = words[1] == "index" and document.index() or document.text(native, words[1])
  if text then
    return text
  end
  local names = {}
  for i, chapter in ipairs(document.CHAPTERS) do
    names[i] = chapter.name
  end
  return nil, { message = ("no chapter `%s`"):format(words[1]),
    help = "chapters: index, " .. table.concat(names, ", ") }
end

--- The text of a help page.
---@param words string[] what follows `weir help`
---@param native table
---@param options { all: boolean?, markdown: boolean? }
---@return string? text, { message: string, help: string }? missing
function M.text(words, native, options)
  local lines, missing
  if options.markdown then
    return markdown(words, native)
  elseif options.all then
    lines = everything(native)
  elseif #words == 0 then
    lines = overview(native)
  elseif #words == 1 and LISTS[words[1]] then
    lines = LISTS[words[1]](native)
  elseif #words > 2 then
    return nil, { message = "one name at a time", help = "usage: " .. cli.COMMANDS.help.usage }
  else
    lines, missing = find(words, native)
    if not lines then
      return nil, missing
    end
  end
  return table.concat(lines, "\n") .. "\n"
end

return M
