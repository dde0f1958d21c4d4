--- What a run tells at its end, on the standard error: one line, and the rejected rows by reason.
local M = {}

--- 1234567 → "1,234,567".
function M.number(n)
  local text = ("%d"):format(n):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (text:gsub("^,", ""):gsub("^%-,", "-"))
end

local function rows(n)
  return n == 1 and "1 row" or M.number(n) .. " rows"
end

local function duration(seconds)
  if seconds < 10 then
    return ("%.2f s"):format(seconds)
  elseif seconds < 120 then
    return ("%.1f s"):format(seconds)
  end
  return ("%d min %d s"):format(math.floor(seconds / 60), math.floor(seconds % 60))
end

--- The rejected rows by code: "W501 3, W506 1".
local function by_code(rejected)
  local counts, codes = {}, {}
  for _, each in ipairs(rejected) do
    if not each.only_warns then
      codes[#codes + 1] = not counts[each.code] and each.code or nil
      counts[each.code] = (counts[each.code] or 0) + each.n
    end
  end
  table.sort(codes)
  local parts = {}
  for i, code in ipairs(codes) do
    parts[i] = ("%s %s"):format(code, M.number(counts[code]))
  end
  return table.concat(parts, ", ")
end

--- How many rows are rejected, and how many had only a warning (`on_fail = "warn"`).
local function total(rejected)
  local sum, warned = 0, 0
  for _, each in ipairs(rejected) do
    if each.only_warns then
      warned = warned + each.n
    else
      sum = sum + each.n
    end
  end
  return sum, warned
end
M.total = total

local function counted(count, text)
  return (count or 0) > 0 and text:format(M.number(count)) or ""
end

local function out_to(sink, has_state)
  local held = has_state and " (there when the run ends)" or " (dropped: the run did not end)"
  return ("%s out to %s%s%s%s"):format(M.number(sink.rows), sink.name,
    counted(sink.nonfinite, " (%s nan or inf written as null)"),
    counted(sink.left_out, " (%s that the table did not take)"), sink.is_held and held or "")
end

--- The last line of a run: rows in, out per sink, rejected by code, late, seconds.
---@param summary table as of `native.run`
---@return string
function M.line(summary)
  local parts = { M.number(summary.rows_in or 0) .. " in" }
  for _, sink in ipairs(summary.sinks or {}) do
    parts[#parts + 1] = out_to(sink, summary.has_state)
  end
  local rejected = summary.rejected or {}
  local count = total(rejected)
  parts[#parts + 1] = count == 0 and "0 rejected"
    or ("%s rejected (%s)"):format(M.number(count), by_code(rejected))
  parts[#parts + 1] = M.number(summary.late or 0) .. " late"
  local waited = summary.waited or 0
  for _, sink in ipairs(summary.sinks or {}) do
    waited = waited + (sink.waited or 0)
  end
  parts[#parts + 1] = waited >= 0.1 and ("%s of waiting for sinks"):format(duration(waited)) or nil
  parts[#parts + 1] = duration(summary.seconds or 0)
  return (summary.interrupted and "interrupted: " or "") .. table.concat(parts, ", ")
end

--- Text of a record on one line: control characters escaped, cut at `width` bytes.
local function one_line(text, width)
  text = text:gsub("[\r\n]+$", ""):gsub("%c", function(c)
    return ("\\x%02x"):format(c:byte())
  end)
  if #text > width then
    local cut = utf8.offset(text, 0, width + 1) or width + 1
    text = text:sub(1, cut - 1) .. "…"
  end
  return text
end

--- Where the example of a reject stands: "flights.csv:17".
local function example_place(example)
  local position = example.position
  local line = position and position:match("^line (%d+)")
  if example.source and (example.line or line) then
    return ("%s:%s"):format(example.source, example.line or line)
  elseif example.source and position then
    return ("%s, %s"):format(example.source, position)
  end
  return example.source or position
end

--- What is known of the example beside its code: the reason where it says more, and the detail.
local function example_text(each)
  local example = each.example
  local parts = {}
  if example.reason and example.reason ~= each.reason then
    parts[1] = example.reason
  end
  parts[#parts + 1] = example.detail ~= parts[1] and example.detail or nil
  return #parts > 0 and one_line(table.concat(parts, ": "), 200) or nil
end

--- The rejected rows by reason with one example each. Those that the run keeps are left out, so
--- that rows with a mere warning, which nothing else tells of, are left.
---@param summary table as of `native.run`
---@param kept boolean? the rejected rows are kept: in a file, or by the script
---@return string[] lines
function M.rejects(summary, kept)
  local lines, rejected = {}, {}
  for _, each in ipairs(summary.rejected or {}) do
    rejected[#rejected + 1] = (each.only_warns or not kept) and each or nil
  end
  if #rejected == 0 then
    return lines
  end
  local bad, warned = total(rejected)
  local title = {}
  title[1] = bad > 0 and rows(bad) .. " rejected; `--rejects FILE` keeps them" or nil
  title[#title + 1] = warned > 0 and rows(warned) .. " not as expected, and kept" or nil
  lines[1] = table.concat(title, "; ") .. ":"
  for _, each in ipairs(rejected) do
    lines[#lines + 1] = ("  %s  %s  %s%s"):format(each.code, M.number(each.n), each.reason,
      each.stage and (" (at `%s`)"):format(each.stage) or "")
    local example = each.example
    if example then
      local place, said = example_place(example), example_text(each)
      if place or said then
        lines[#lines + 1] = "        " .. (place or "") .. (place and said and ": " or "")
          .. (said or "")
      end
      local text = example.raw or example.row
      if text and text ~= "" then
        lines[#lines + 1] = "        | " .. one_line(text, 160)
      end
    end
  end
  return lines
end

return M
