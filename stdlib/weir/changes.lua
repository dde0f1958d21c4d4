--- What becomes of a state when a script goes on with it, as text and as JSON. The changes come of
--- `native.compare` and of a run that opens: a list of {what=, kind=, stage=, name=, address=,
--- place=, reason=, loses=} with state, checkpoint, loses and refused beside.
local M = {}

local ORDER = { "kept", "migrated", "new", "rebuilt", "dropped", "refused" }

--- "2 kept, 1 rebuilt"
local function counts(told)
  local by, parts = {}, {}
  for _, change in ipairs(told) do
    by[change.what] = (by[change.what] or 0) + 1
  end
  for _, what in ipairs(ORDER) do
    if by[what] then
      parts[#parts + 1] = ("%d %s"):format(by[what], what)
    end
  end
  return #parts > 0 and table.concat(parts, ", ") or "nothing in it"
end

--- A blank at which no line is broken: that of a path.
local TIED = "\1"

local function add_lines(parts, change)
  local place = change.place and (" (%s)"):format(change.place) or ""
  local address = change.address and not change.name and change.address:gsub("^%S+%s*", "") or ""
  local name = change.name or address ~= "" and address or change.stage
  local title = (name .. place):gsub(" ", TIED)
  require("weir.help").wrap(parts, ("  %-8s  %-6s  "):format(change.what, change.kind),
    ("%s: %s"):format(title, change.reason))
end

--- One after the other, each in lines of at most 80 columns where words allow it.
local function lines(told, wanted)
  local parts = {}
  for _, change in ipairs(told) do
    if not wanted or wanted(change) then
      add_lines(parts, change)
    end
  end
  parts[#parts + 1] = #parts > 0 and "" or nil
  return (table.concat(parts, "\n"):gsub(TIED, " "))
end

--- What is done next, or nil.
local function advice(told)
  if told.refused > 0 then
    return "`weir run` refuses this; see what is refused"
  elseif told.loses > 0 then
    return "`weir run` refuses this without --allow-rebuild"
  end
  return nil
end

--- All of them, for `weir plan`.
---@param told table
---@return string
function M.text(told)
  if told.checkpoint == 0 then
    return ("state %s: no checkpoint yet; everything begins\n"):format(told.state)
  end
  local next_step = advice(told)
  return ("state %s, checkpoint %d: %s\n%s%s"):format(told.state, told.checkpoint, counts(told),
    lines(told), next_step and next_step .. "\n" or "")
end

---@param told table
---@return string
function M.json(told)
  local list = {}
  for i, change in ipairs(told) do
    list[i] = change
  end
  return require("weir.json").encode({
    state = told.state, checkpoint = told.checkpoint, changes = list,
    goes_on = told.loses + told.refused == 0,
    needs_allow_rebuild = told.loses > 0 and told.refused == 0,
  }, "")
end

--- For a run: nothing where all is as it was, else what is not.
---@param told table
---@param allowed boolean --allow-rebuild was given
---@return string
function M.note(told, allowed)
  local function differs(change)
    return change.what ~= "kept"
  end
  local text = lines(told, differs)
  if text == "" then
    return ""
  end
  local goes_on = told.refused == 0 and (told.loses == 0 or allowed)
  return ("%s state %s: %s\n%s"):format(goes_on and "note: another script goes on with"
    or "weir: this script does not go on with", told.state, counts(told), text)
end

return M
