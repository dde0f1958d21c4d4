--- A chain of stages that is fed with a few rows {k, v, second} and run to its end.
local test = require("weir.test")
local M = {}

M.READ = 'weir.read(weir.file("in", { format = "csv" }), { schema = "k string, v int64, '
  .. 'ts timestamp" })\n'

--- Its output, after the rows have been fed.
---@param stages string behind an `event_time`
---@param rows table[] {k, v, second of 2024-01-01}
---@param read string? M.READ, or with more columns
---@param max_delay string? "5s"
---@return table[]
function M.rows(stages, rows, read, max_delay)
  local t = test.new("x.lua", { text = ('%s:event_time("ts", { max_delay = "%s" })'):format(
    read or M.READ, max_delay or "5s") .. stages .. ':write(weir.file("out.csv"))' })
  local fed = {}
  for i, row in ipairs(rows) do
    fed[i] = { k = row[1], v = row[2], ts = ("2024-01-01T00:00:%02dZ"):format(row[3]) }
  end
  t:feed("in", fed)
  t:finish()
  return t:rows("out.csv")
end

--- Fails unless a script is refused there, with that.
---@param place string "line:column"
function M.refused(text, code, place, message)
  local ok, err = pcall(test.new, "x.lua", { text = text })
  local wanted = ("x.lua:%s: error[%s]: %s"):format(place, code, message)
  if ok or not tostring(err):find(wanted, 1, true) then
    error(("wanted %s, got %s"):format(wanted, ok and "no error" or tostring(err)), 2)
  end
end

return M
