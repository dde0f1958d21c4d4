--- Shows a plan: each node with its schema, key, order and state, and for each expression whether
--- it runs natively, and why not.
local expr = require("weir.grammar.expr")
local json = require("weir.json")
local report = require("weir.report")
local schema = require("weir.schema")
local M = {}

local WIDTH = 80
--- Facts of a node that have a place of their own in the text.
local SHOWN = {
  id = true, op = true, name = true, inputs = true, schema = true, key = true, expressions = true,
  mark = true, stage = true, order = true, bounded = true, updates = true, has_time = true,
  repeatable = true, live = true, asked = true, measured = true, same_rows = true,
  endpoint = true, resume = true, delivery = true, by_key = true, audits = true, mode = true,
  rolls = true, by_clock = true, by_arrival = true,
}
--- A blank at which no line is broken.
local TIED = "\1"

--- Breaks words over lines of WIDTH columns with an indent.
local function wrap(lines, first, text)
  local indent = (" "):rep(#first)
  local line = first
  for word in text:gmatch("%S+") do
    if #line + #word + 1 > WIDTH and line:find("%S%s*$") and #line > #first then
      lines[#lines + 1] = (line:gsub("%s+$", ""))
      line = indent
    end
    line = line .. word .. " "
  end
  lines[#lines + 1] = (line:gsub("%s+$", ""))
  for i, text_line in ipairs(lines) do
    lines[i] = text_line:gsub(TIED, " ")
  end
end

--- The columns of a node; where they begin with those of its input, only what is new.
local function schema_line(fields, input)
  local parts, same = {}, 0
  for i, field in ipairs(fields) do
    parts[i] = (expr.quote(field.name) .. " " .. schema.type_text(field.type)):gsub(" ", TIED)
    local before = input and input[i]
    if before and same == i - 1 and before.name == field.name
      and schema.type_text(before.type) == schema.type_text(field.type) then
      same = i
    end
  end
  if not input or same < #input then
    return table.concat(parts, ", ")
  elseif same == #fields then
    return "the same"
  end
  return "the same, " .. table.concat(parts, ", ", same + 1)
end

local function flags_line(node)
  local parts = {}
  parts[#parts + 1] = node.order and "order: " .. node.order or nil
  if node.bounded ~= nil then
    parts[#parts + 1] = node.bounded and "ends" or "never ends"
  end
  parts[#parts + 1] = node.updates and "updates" or nil
  parts[#parts + 1] = node.has_time and "event time" or nil
  parts[#parts + 1] = node.by_clock and "goes on by the clock" or nil
  parts[#parts + 1] = node.repeatable == false and "not repeatable" or nil
  parts[#parts + 1] = node.asked and "asked row by row" or nil
  parts[#parts + 1] = node.live == false and "goes nowhere" or nil
  return table.concat(parts, " · ")
end

local function fact_text(x)
  if type(x) ~= "table" then
    return tostring(x)
  end
  local parts = {}
  if #x > 0 then
    for i, each in ipairs(x) do
      parts[i] = fact_text(each)
    end
    return table.concat(parts, ", ")
  end
  for key, each in pairs(x) do
    parts[#parts + 1] = ("%s=%s"):format(key, fact_text(each))
  end
  table.sort(parts)
  return table.concat(parts, " ")
end

local function add_facts(lines, facts)
  local keys = {}
  for key in pairs(facts) do
    if not SHOWN[key] then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    local text = fact_text(facts[key])
    if key == "facts" then
      add_facts(lines, facts[key])
    elseif text ~= "" then
      wrap(lines, ("       %s: "):format((key:gsub("_", " "))), text)
    end
  end
end

local function amount(n, what)
  return ("%s %s%s"):format(report.number(n), what, n == 1 and "" or "s")
end

--- 20480 → "20.0 KB".
local function size(bytes)
  for _, unit in ipairs({ "bytes", "KB", "MB" }) do
    if bytes < 1000 then
      return (unit == "bytes" and "%d %s" or "%.1f %s"):format(bytes, unit)
    end
    bytes = bytes / 1000
  end
  return ("%.1f GB"):format(bytes)
end

--- What a run took of a node and kept in it.
local function add_measures(lines, found)
  local parts = { ("%.3f s (%d %%)"):format(found.seconds, found.percent) }
  if found.rows_in > 0 and found.batches_in > 0 then
    parts[#parts + 1] = ("%s in, in %s"):format(amount(found.rows_in, "row"),
      found.batches_in == 1 and "1 batch" or report.number(found.batches_in) .. " batches")
  end
  parts[#parts + 1] = found.is_sink and "none written" or amount(found.rows_out, "row") .. " out"
  for i, part in ipairs(parts) do
    parts[i] = part:gsub(" ", TIED)
  end
  wrap(lines, "       ran: ", table.concat(parts, " · "))
  if found.state_rows then
    local bytes = found.state_bytes
    wrap(lines, "       kept at most: ",
      amount(found.state_rows, "row") .. (bytes and ", " .. size(bytes) or ""))
  end
  if found.spilled_bytes then
    wrap(lines, "       in a scratch file at most: ", size(found.spilled_bytes))
  end
  if found.watermark then
    wrap(lines, "       last watermark: ", found.watermark)
  end
end

local function add_node(lines, node, schemas)
  local inputs = node.inputs and #node.inputs > 0 and " ← " .. table.concat(node.inputs, ", ") or ""
  local name = node.name and node.name ~= node.op and " " .. node.name or ""
  lines[#lines + 1] = ("%4d  %s%s%s"):format(node.id, node.op, name, inputs)
  local flags = flags_line(node)
  if flags ~= "" then
    lines[#lines + 1] = "       " .. flags
  end
  if node.schema then
    local input = node.inputs and schemas[node.inputs[1]]
    wrap(lines, "       columns: ", schema_line(node.schema, input))
    schemas[node.id] = node.schema
  end
  if node.key and #node.key > 0 then
    wrap(lines, "       key: ", table.concat(node.key, ", "))
  end
  for _, each in ipairs(node.expressions or {}) do
    local column = (each.name or "") ~= "" and each.name:match("^%s*(.-)$") .. " = " or ""
    column = each.of and ("for %s: "):format(each.of) or column
    wrap(lines, "       expression: ", ("%s%s (%s)"):format(column, each.expr, each.how))
  end
  add_facts(lines, node)
  if node.measured then
    add_measures(lines, node.measured)
  end
end

--- Names the Lua functions of a script by where they stand: "function 4.2" is the second result of
--- the fourth one that a stage was given.
---@param plan table as of `native.explain`; changed
---@param places table<integer, string> "clicks.lua:12:10" by number
---@return table plan
function M.name_functions(plan, places)
  for _, node in ipairs(plan.nodes or {}) do
    for _, each in ipairs(node.expressions or {}) do
      each.expr = each.expr:gsub("function %d+%.%d+%(", "function(")
      each.how = each.how:gsub("function (%d+)%.(%d+)", function(id, result)
        local place = places[math.tointeger(id)]
        return place and ("function at %s%s"):format(place,
          result == "1" and "" or ", result " .. result)
      end)
    end
  end
  return plan
end

--- Options that are shown of a stage, beside what the plan itself says.
local OPTIONS = {
  join = { "how", "on", "prefix", "retain", "time", "where", "within" },
  asof_join = { "before", "direction", "how", "max_age", "on", "prefix" },
  lookup = { "how", "many", "on", "prefix" },
  write = { "partition_by" },
}

--- An option as its script has it; a choice that was left out is its default.
local function option_text(stage_call, name)
  local x = stage_call.options_given[name]
  local spec = stage_call.descriptor.options[name]
  if x == nil and spec.kind == "choice" then
    return spec.default
  elseif type(x) == "table" and getmetatable(x) == nil then
    return ("%s to %s"):format(tostring(x[1]), tostring(x[2]))
  end
  return x ~= nil and tostring(x):gsub("%s+", " ") or nil
end

--- The items of a list as they are written, on one line each; one with a comment is its name.
local function items_written(items, text)
  local written = {}
  for i, item in ipairs(items) do
    local part = text:sub(item.from, item.to)
    written[i] = part:find("--", 1, true) and item.name or part:gsub("%s+", " ")
  end
  return written
end

--- What `agg` computes by which name; its expressions are keys and what aggregates take.
local function add_agg(node, stage_call, key_count)
  node.items = items_written(stage_call[1].ast, stage_call.texts["1"])
  for i = key_count + 1, #(node.expressions or {}) do
    local each = node.expressions[i]
    each.of, each.name = each.name, nil
  end
end

--- Adds what stands in the script and nowhere in the plan: how streams are joined, what `agg`
--- computes, by what rows are grouped.
---@param plan table as of `native.explain`; changed
---@param nodes table<integer, table> of the script, by id
function M.add_written(plan, nodes)
  for _, node in ipairs(plan.nodes or {}) do
    local known = nodes[node.id]
    local stage_call = known and known.op == known.stage and known.call
    local key_count = 0
    for _, name in ipairs(stage_call and OPTIONS[known.op] or {}) do
      node[name] = option_text(stage_call, name)
    end
    for _, modifier in ipairs(stage_call and stage_call.pending or {}) do
      if modifier.name == "group_by" and modifier.value.items then
        node.group_by = items_written(modifier.value.items, modifier.text or "")
        for _, item in ipairs(modifier.value.items) do
          key_count = key_count + (item.is_local and 0 or 1)
        end
      elseif modifier.name == "group_by" then
        key_count = #modifier.value.fn.outputs
      end
    end
    if stage_call and known.op == "agg" then
      add_agg(node, stage_call, key_count)
    end
  end
end

--- Adds what is promised of each sink.
---@param plan table as of `native.explain`; changed
---@param state string? what the script's settings name
function M.add_promises(plan, state)
  local by_name = {}
  for _, row in ipairs(require("weir.promises").of_plan(plan)) do
    by_name[row.id] = row
  end
  for _, node in ipairs(plan.nodes or {}) do
    local row = by_name[node.id]
    if row then
      node.promise = state and row.promise
        or ("%s with --state, %s without"):format(row.promise, row.without.promise)
    end
  end
end

--- Fields of a node that are lists, also when they are empty.
local LISTS = { "inputs", "key", "schema", "expressions", "not_converted" }

--- Adds what a run measured: rows, batches, seconds of a node's own work and their part of all, the
--- most that it kept at the end of a step, and its last watermark before the input ended.
---@param plan table as of `native.explain`; changed
---@param summary table as of `native.run` with `measures`
function M.add_measured(plan, summary)
  local total = 0
  for _, found in pairs(summary.nodes) do
    total = total + found.seconds
  end
  for _, node in ipairs(plan.nodes or {}) do
    local found = summary.nodes[node.id]
    if found then
      found.percent = math.floor(100 * found.seconds / math.max(total, 1e-9) + 0.5)
      found.is_sink = node.op == "write" or nil
      node.measured = found
    end
  end
  plan.seconds = summary.seconds
  plan.rows_in, plan.rejected, plan.late = summary.rows_in, summary.rejected_total, summary.late
end

--- The plan as it is, for `weir.json`.
function M.as_data(plan)
  for _, node in ipairs(plan.nodes or {}) do
    for _, name in ipairs(LISTS) do
      if type(node[name]) == "table" and next(node[name]) == nil then
        setmetatable(node[name], json.LIST)
      end
    end
  end
  return plan
end

--- The plan as text, at most WIDTH columns where words allow it.
---@param plan table as of `native.explain`
---@return string
function M.text(plan)
  local lines, schemas = {}, {}
  for _, node in ipairs(plan.nodes or {}) do
    add_node(lines, node, schemas)
  end
  local rest = {}
  for key, x in pairs(plan) do
    if key ~= "nodes" then
      rest[key] = x
    end
  end
  if next(rest) then
    lines[#lines + 1] = "plan"
    add_facts(lines, rest)
  end
  return table.concat(lines, "\n") .. "\n"
end

return M
