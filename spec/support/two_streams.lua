--- What specs of stages that join two streams share: streams read from files, fed with rows.
local assert = require("luassert")
local test = require("weir.test")
local M = {}

--- What the first lines of a script are: `read(name, columns)`, then `lines`.
function M.script(lines)
  return [[
local function read(name, columns)
  return weir.read(weir.file(name, { format = "csv" }), { schema = columns })
end
]] .. lines
end

--- A script is refused in the line behind `read`, with this code, at this column.
---@return string the whole message
function M.refused(read, text, code, column, message)
  local _, line = read:gsub("\n", "")
  local ok, err = pcall(test.new, "x.lua", { text = read .. text })
  assert.is_false(ok)
  assert.truthy(tostring(err):find(("x.lua:%d:%d: error[%s]: %s"):format(line + 1, column, code,
    message), 1, true), err)
  return tostring(err)
end

--- Rows `{k, value, second, …}` as they are fed: `column` has the value, `ts` the time; the columns
--- of `more`, a list of names, what stands behind.
function M.rows(column, rows, more)
  local fed = {}
  for i, row in ipairs(rows) do
    fed[i] = { k = row[1], [column] = row[2], ts = ("2024-01-01T00:00:%02dZ"):format(row[3]) }
    for n, name in ipairs(more or {}) do
      fed[i][name] = row[3 + n] or false
    end
  end
  return fed
end

--- The pairs "a-b" in a file, in order.
function M.pairs_in(t, name)
  local got = {}
  for i, row in ipairs(t:rows(name)) do
    got[i] = ("%s-%s"):format(row.a or "", row.r_b or "")
  end
  return table.concat(got, " ")
end

return M
