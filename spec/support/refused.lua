--- A script that the program refuses: the code, the place and the begin of the message.
local assert = require("luassert")
local test = require("weir.test")

---@param place string line:column
return function(text, code, place, message)
  local ok, err = pcall(test.new, "x.lua", { text = text })
  assert.is_false(ok)
  assert.truthy(tostring(err):find(("x.lua:%s: error[%s]: %s"):format(place, code, message), 1,
    true), err)
end
