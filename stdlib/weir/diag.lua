--- Errors of a script as values: what is wrong, and which call, argument and bytes are meant.
--- A stage raises one with `raise`; the program catches it, finds the place by the loader's mark
--- and shows it (`weir.errors`).
local M = {}

local Diagnostic = {}
Diagnostic.__index = Diagnostic
Diagnostic.__name = "weir.diagnostic"

function Diagnostic:__tostring()
  local code = self.code and ("[%s]"):format(self.code) or ""
  local text = ("%s%s: %s"):format(self.severity, code, self.message)
  return self.help and text .. "\nhelp: " .. self.help or text
end

--- A diagnostic from an error of the grammar, a check or the runtime.
---@param site { mark: integer?, stage: string?, texts: table<string, string>? }? the call
---@param err table {code=, message=, help=, arg=, from=, to=, item=}
---@param severity string? "error" or "warning"
---@return weir.Diagnostic
function M.new(site, err, severity)
  site = site or {}
  local diagnostic = setmetatable({ severity = severity or "error" }, Diagnostic)
  for key, value in pairs(err) do
    diagnostic[key] = value
  end
  diagnostic.mark = err.mark or site.mark
  diagnostic.stage = err.stage or site.stage
  if err.arg ~= nil then
    diagnostic.arg = tostring(err.arg)
    diagnostic.content = err.content or (site.texts and site.texts[diagnostic.arg])
  end
  return diagnostic
end

--- Raises an error of a script at the call `site`.
function M.raise(site, err)
  error(M.new(site, err), 0)
end

---@return boolean
function M.is(value)
  return getmetatable(value) == Diagnostic
end

return M
