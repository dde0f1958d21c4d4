--- Stages over rows {k, v, second} of a CSV source with event time, in the simulated world.
local assert = require("luassert")
local test = require("weir.test")
local M = {}

--- The source, as the first line of a script.
M.READ = 'weir.read(weir.file("in", { format = "csv" }), { schema = "k string, v int64, '
  .. 'd duration, ts timestamp" })\n'

--- Asserts that a script is refused at that place ("line:column"), and what the help has in it.
function M.refused(text, code, place, message, help)
  local ok, err = pcall(test.new, "x.lua", { text = text })
  local said = tostring(err)
  assert.is_false(ok)
  assert.truthy(said:find(("x.lua:%s: error[%s]: %s"):format(place, code, message), 1, true), said)
  assert.truthy(said:find(help or "", 1, true), said)
end

--- A finished test of the stages over the rows, which write "out.csv". `options`: `before`, text in
--- front of the source; `max_delay`, "5s".
function M.run(stages, rows, options)
  options = options or {}
  local t = test.new("x.lua", { text = ("%s%s:event_time('ts', { max_delay = '%s' })%s"
    .. ":write(weir.file('out.csv'))"):format(options.before or "", M.READ,
    options.max_delay or "5s", stages) })
  local fed = {}
  for i, row in ipairs(rows) do
    fed[i] = { k = row[1], v = row[2], ts = ("2024-01-01T00:00:%02dZ"):format(row[3]) }
  end
  t:feed("in", fed)
  t:finish()
  return t
end

--- Rows of a sink ("out.csv") as a list of texts "x y z" of these columns.
function M.lines(t, columns, sink)
  local lines = {}
  for i, row in ipairs(t:rows(sink or "out.csv")) do
    local cells = {}
    for c, name in ipairs(columns) do
      cells[c] = tostring(row[name])
    end
    lines[i] = table.concat(cells, " ")
  end
  return lines
end

--- The same as one text, "a 1; b 2".
function M.shown(t, columns, sink)
  return table.concat(M.lines(t, columns, sink), "; ")
end

return M
