--- Reads short scripts against the stand-in for the native module.
local fake_native = require("spec.support.fake_native")
local load = require("weir.load")
local loader = require("weir.loader")
local M = {}

local function field(name, kind)
  return { name = name, type = { kind = kind } }
end

--- The files that the fake knows.
M.FILES = {
  ["x.csv"] = { field("user", "string"), field("amount", "float64"), field("ts", "timestamp") },
  ["side.csv"] = { field("user", "string"), field("name", "string") },
}

--- Reads a script whose first line is `local s = weir.read "x.csv"`; the text begins on line 2.
---@param text string
---@param options { params: table?, allow: table?, bare: boolean? }? bare: without that first line
---@return table? script, table? err, table plan
function M.read(text, options)
  options = options or {}
  loader.reset()
  local native = fake_native.new(M.FILES)
  local made, err = load.script({
    native = native, name = "t.lua", directory = ".", params = options.params,
    allow = options.allow, text = (options.bare and "" or "local s = weir.read \"x.csv\"\n")
      .. text,
  })
  return made, err, native.plans[1]
end

--- The specs of the stages behind the first `read`. Fails where the script has an error.
function M.specs(text, options)
  local made, err, plan = M.read(text, options)
  if not made then
    error(tostring(err), 2)
  end
  return table.move(plan.specs, options and options.bare and 1 or 2, #plan.specs, 1, {}), plan, made
end

--- The one spec of a script of one stage.
function M.spec(text, options)
  local specs = M.specs(text, options)
  assert(#specs == 1, "one stage is expected")
  return specs[1]
end

--- The error of a script as "LINE:COL CODE", and itself.
function M.err(text, options)
  local made, err = M.read(text, options)
  if made then
    error("the script has no error", 2)
  end
  local at = err.located
  return ("%s %s"):format(at and ("%d:%d"):format(at.line, at.col) or "nowhere", err.code), err
end

return M
