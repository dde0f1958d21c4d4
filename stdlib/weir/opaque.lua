--- Secrets and values of the environment: opaque to the script, opened by connectors only.
local M = {}

local contents = setmetatable({}, { __mode = "k" })

local Opaque = {}
Opaque.__name = "weir.secret"
Opaque.__metatable = false

function Opaque:__tostring()
  return contents[self].text
end
local function refuse(_, _)
  error("a secret cannot be read, joined with text or changed: pass it as it is", 2)
end
Opaque.__concat, Opaque.__index, Opaque.__newindex, Opaque.__len = refuse, refuse, refuse, refuse

local function make(kind, name)
  local x = setmetatable({}, Opaque)
  contents[x] = { kind = kind, name = name, text = ("%s(%s)"):format(kind, name) }
  return x
end

--- A secret by name; nothing is looked up here.
function M.secret(name)
  return make("secret", name)
end
function M.env(name)
  return make("env", name)
end

--- What a connector needs: {kind=, name=}; nil for anything else.
function M.reference(x)
  return contents[x]
end

return M
