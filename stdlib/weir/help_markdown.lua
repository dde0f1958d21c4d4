--- The reference as Markdown: `weir help --markdown`, and docs/reference, which is written by it.
--- One chapter for each kind of page; all of it comes from the tables that the program works by.
local cli = require("weir.cli")
local M = {}

local function add(lines, ...)
  for i = 1, select("#", ...) do
    lines[#lines + 1] = (select(i, ...))
  end
end

--- Text as Markdown shows it: what would be markup is escaped, but not between backticks.
local function prose(text)
  local out, at = {}, 1
  while at <= #text do
    local from, to = text:find("``? ?.- ?``?", at)
    local plain = text:sub(at, (from or #text + 1) - 1)
    out[#out + 1] = (plain:gsub("[<*]", "\\%0"))
    out[#out + 1] = from and text:sub(from, to) or nil
    at = (to or #text) + 1
  end
  return table.concat(out)
end

local function cell(text)
  return (prose(text):gsub("|", "\\|"))
end

local function fence(lines, language, text)
  add(lines, "", "```" .. language)
  for line in (text:gsub("\n$", "") .. "\n"):gmatch("([^\n]*)\n") do
    add(lines, line)
  end
  add(lines, "```")
end

--- A table of two columns, unless there are no rows.
local function two_columns(lines, first, second, rows)
  if #rows == 0 then
    return
  end
  add(lines, "", ("| %s | %s |"):format(first, second), "|---|---|")
  for _, row in ipairs(rows) do
    add(lines, ("| `%s` | %s |"):format((row[1]:gsub("|", "\\|")), cell(row[2])))
  end
end

-- ── chapters: each adds its entries, with headings that begin with `level` ──────────────────────
local function flag_rows(flags)
  local rows = {}
  for i, name in ipairs(flags) do
    local spec = cli.FLAGS[name]
    local doc = spec.of and ("%s: %s"):format(spec.doc, table.concat(spec.of, " ")) or spec.doc
    rows[i] = { name .. (spec.value and " " .. spec.value or ""), doc }
  end
  return rows
end

local function command_line(lines, level)
  for _, name in ipairs(cli.names_of(cli.COMMANDS)) do
    local command = cli.COMMANDS[name]
    add(lines, "", level .. " weir " .. name)
    fence(lines, "text", command.usage)
    add(lines, "", prose(command.doc:sub(1, 1):upper() .. command.doc:sub(2) .. "."))
    if command.more then
      add(lines, "", prose(command.more))
    end
    two_columns(lines, "flag", "", flag_rows(command.flags))
  end
end

local function option_rows(options)
  local rows = {}
  for _, name in ipairs(cli.names_of(options or {})) do
    local spec = options[name]
    if not spec.later then
      rows[#rows + 1] = { name, require("weir.help").option_text(spec) }
    end
  end
  return rows
end

local function described(lines, level, title, descriptor)
  add(lines, "", level .. " " .. title, "", prose(descriptor.doc))
  fence(lines, "lua", descriptor.usage)
  two_columns(lines, "option", "", option_rows(require("weir.call").options_of(descriptor)))
  for _, each in ipairs(require("weir.help").beside(descriptor)) do
    two_columns(lines, ("option of `%s`"):format(each.name), "", option_rows(each.options))
  end
  if descriptor.modifier then
    add(lines, "", "A modifier: it only says how. The next consumer (`agg`, …) does it.")
  end
end

local function stages(lines, level)
  local all = require("weir.stream").stages()
  local rows = {}
  for i, name in ipairs(cli.names_of(all)) do
    rows[i] = { name, all[name].doc:match("^(.-%.)%s") or all[name].doc }
  end
  two_columns(lines, "stage", "", rows)
  for _, name in ipairs(cli.names_of(all)) do
    described(lines, level, name, all[name])
  end
end

local function groups_of(map, first)
  local groups = {}
  for _, name in ipairs(cli.names_of(map)) do
    local group = map[name].group or first
    groups[group] = groups[group] or {}
    table.insert(groups[group], name)
  end
  return groups
end

local function weir_functions(lines, level)
  local all = require("weir").functions()
  local groups = groups_of(all, "other")
  for _, group in ipairs(cli.names_of(groups)) do
    add(lines, "", ("%s %s"):format(level, group:sub(1, 1):upper() .. group:sub(2)))
    for _, name in ipairs(groups[group]) do
      described(lines, level .. "#", "weir." .. name, all[name])
    end
  end
end

local function one_function(lines, level, each)
  add(lines, "", level .. " " .. each.name, "", prose(each.doc or ""))
  local text = {}
  for i, signature in ipairs(each.signatures or {}) do
    text[i] = each.name .. signature
  end
  fence(lines, "text", table.concat(text, "\n"))
  local said = require("weir.help").flags_text(each)
  if said ~= "" then
    add(lines, "", prose(said))
  end
  local examples = {}
  for i, example in ipairs(each.examples or {}) do
    examples[i] = ("%s → %s"):format(example.text, example.result)
  end
  if #examples > 0 then
    fence(lines, "text", table.concat(examples, "\n"))
  end
end

local function by_name(list)
  local map = {}
  for _, each in ipairs(list or {}) do
    map[each.name] = each
  end
  return map
end

local function functions(lines, level, native)
  local all = by_name(native.functions and native.functions())
  local groups = groups_of(all, "other")
  for _, group in ipairs(cli.names_of(groups)) do
    add(lines, "", ("%s %s"):format(level, group:sub(1, 1):upper() .. group:sub(2)))
    add(lines, "", "`" .. table.concat(groups[group], "` `") .. "`")
    for _, name in ipairs(groups[group]) do
      one_function(lines, level .. "#", all[name])
    end
  end
end

local function aggregates(lines, level, native)
  local all = by_name(native.aggregates and native.aggregates())
  local rows = require("weir.help").EXAMPLE_ROWS:gsub(":$", ".")
  add(lines, "", prose(rows))
  for _, name in ipairs(cli.names_of(all)) do
    one_function(lines, level, all[name])
  end
end

local FAMILIES = {
  W0 = "W0: the text of a script", W1 = "W1: names and types", W2 = "W2: stages",
  W3 = "W3: time, state, changes", W4 = "W4: files and endpoints", W5 = "W5: rows",
  W6 = "W6: the run", W7 = "W7: Lua", W9 = "W9: hints",
}

local function error_entry(lines, level, code, row)
  add(lines, "", ("%s %s: %s"):format(level, code, prose(row.message)), "", prose(row.page))
  if row.help then
    add(lines, "", "help: " .. prose(row.help))
  end
  if row.later then
    add(lines, "", require("weir.errors").LATER)
  end
  if row.wrong then
    fence(lines, "lua", "-- wrong\n" .. row.wrong .. "\n-- right\n" .. row.right)
  end
end

local function errors(lines, level)
  local codes = require("weir.error_codes")
  local family
  for _, code in ipairs(cli.names_of(codes)) do
    if code:sub(1, 2) ~= family then
      family = code:sub(1, 2)
      add(lines, "", level .. " " .. FAMILIES[family])
    end
    error_entry(lines, level .. "#", code, codes[code])
  end
end

--- A topic is prose with indented examples.
local function topic_text(lines, text)
  local block = {}
  local function close()
    while block[#block] == "" do
      block[#block] = nil
    end
    if #block > 0 then
      fence(lines, "lua", table.concat(block, "\n"))
      add(lines, "")
    end
    block = {}
  end
  for line in text:gmatch("([^\n]*)\n") do
    if line:find("^  ") or (#block > 0 and line == "") then
      block[#block + 1] = line:gsub("^  ", "", 1)
    else
      close()
      add(lines, prose(line))
    end
  end
  close()
end

local function topics(lines, level)
  local all = require("weir.help_topics")
  for _, name in ipairs(cli.names_of(all)) do
    add(lines, "", level .. " " .. all[name].title, "")
    topic_text(lines, all[name].text)
  end
end

--- A file of the repository, from docs/reference.
local function file_link(text, path)
  return ("[%s](../../%s)"):format(text, path)
end

--- What is promised of each source in each sink, with the test of each.
local function promises(lines)
  local table_of = require("weir.promises")
  local head, under, notes = { "| with `--state`" }, { "|---" }, {}
  for _, sink in ipairs(table_of.SINKS) do
    head[#head + 1], under[#under + 1] = sink.name, "---"
  end
  add(lines, "", table.concat(head, " | ") .. " |", table.concat(under, "|") .. "|")
  for _, source in ipairs(table_of.rows()) do
    local mark = source.given and (" (%d)"):format(#notes + 1) or ""
    notes[#notes + 1] = source.given
    local cells = { "| " .. source.name .. mark }
    for _, sink in ipairs(table_of.SINKS) do
      cells[#cells + 1] = file_link(table_of.promise(source, sink), table_of.TEST)
    end
    add(lines, table.concat(cells, " | ") .. " |")
  end
  for i, note in ipairs(notes) do
    add(lines, "", ("(%d) if %s."):format(i, prose(note)))
  end
  add(lines, "", "| source | a restart goes on |", "|---|---|")
  for _, source in ipairs(table_of.rows()) do
    add(lines, ("| %s | %s |"):format(source.name, cell(source.how)))
  end
  add(lines, "", "| sink | why | tests |", "|---|---|---|")
  for _, sink in ipairs(table_of.SINKS) do
    local tests = {}
    for i, path in ipairs(sink.tests) do
      tests[i] = file_link(path:match("[^/]+$"), path)
    end
    add(lines, ("| %s | %s | %s |"):format(sink.name, cell(sink.why), table.concat(tests, ", ")))
  end
end

--- Chapters in the order of the whole document. Each: name (as `weir help --markdown NAME`, and of
--- its file), title, what it holds in a sentence, and what writes it.
M.CHAPTERS = {
  { name = "topics", title = "Topics", write = topics,
    about = "What no single stage or function says: scripts, types, nil, time, rejects, …" },
  { name = "stages", title = "Stages", write = stages,
    about = "What a stream can do. A stage is a method of a stream and returns a new one." },
  { name = "weir", title = "Functions of `weir`", write = weir_functions,
    about = "Where streams begin; windows, formats, endpoints, settings." },
  { name = "functions", title = "Functions of expressions", write = functions,
    about = "What can be called in the strings of `filter`, `derive` and all others." },
  { name = "aggregates", title = "Aggregates", write = aggregates,
    about = "What `agg` computes over the rows of a group. Each takes `where`, `order by` and "
      .. "`limit` inside its brackets: `sum(x where paid)`, `list(x order by ts limit 3)`. In a "
      .. "`derive` behind `group_by` each row stays, and an aggregate is over the rows up to this "
      .. "one, or over a frame: `avg(x) over '1h'`, `over 10`; `lag` and its like belong there "
      .. "too." },
  { name = "promises", title = "Promises", write = promises,
    about = "Whether a row can be lost, or be there twice, when a run with `--state` is stopped, "
      .. "killed or loses its power at any moment and goes on: for each source in each sink, with "
      .. "the test that runs and kills the pair. `weir check SCRIPT` says it of a script, and what "
      .. "holds without a state; `weir help promises` says what the words mean." },
  { name = "command-line", title = "The command line", write = command_line,
    about = "Commands and their flags." },
  { name = "errors", title = "Errors", write = errors,
    about = "Every code, what it means, and the line to write instead." },
}

--- One line breaks paragraphs, two and more do not break them more.
local function text_of(lines)
  local text = table.concat(lines, "\n"):gsub("\n\n\n+", "\n\n"):gsub("%s+$", "")
  return text .. "\n"
end

--- The whole reference, or one chapter of it.
---@param native table
---@param name string? of a chapter
---@return string? text nil: there is no such chapter
function M.text(native, name)
  local lines = {}
  if not name then
    add(lines, "# weir: reference", "",
      "Written by `weir help --markdown` from the tables that the program works by.")
  end
  for _, chapter in ipairs(M.CHAPTERS) do
    if not name or chapter.name == name then
      add(lines, "", (name and "# " or "## ") .. chapter.title, "", prose(chapter.about))
      if name then
        add(lines, "", ("Written by `weir help --markdown %s`; `weir help` shows the same."):format(
          name))
      end
      chapter.write(lines, name and "##" or "###", native)
    end
  end
  if #lines == 0 then
    return nil
  end
  return (text_of(lines):gsub("^\n+", ""))
end

--- The list of chapters, which is the front page of docs/reference.
function M.index()
  local lines = { "# weir: reference", "",
    "The files here are written by the program (`./dev docs`) from the tables that it works by;",
    "`weir help NAME` shows the same text in a terminal.", "", "| chapter | |", "|---|---|" }
  for _, chapter in ipairs(M.CHAPTERS) do
    add(lines, ("| [%s](%s.md) | %s |"):format(chapter.title, chapter.name, cell(chapter.about)))
  end
  return text_of(lines)
end

return M
