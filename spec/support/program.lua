--- Runs command lines of the program over files in a folder of their own, with the real native
--- module; what a run prints goes to files, since only stderr and Lua's own output are caught.
local loader = require("weir.loader")
local main = require("weir.main")
local M = {}

--- Is this the program? Specs of it are pending elsewhere.
M.is_here = pcall(require, "weir.native")

--- An empty folder: `put(name, text)`, `get(name)`, `weir(word, …)`, `remove()`. Words that name a
--- file of it are written `@name`; what is returned has the folder's path taken out.
function M.folder()
  local self = { path = os.tmpname() }
  os.remove(self.path)
  assert(os.execute("mkdir " .. self.path))
  local function full(text)
    return (text:gsub("@", self.path .. "/"))
  end
  function self.put(name, text)
    local handle = assert(io.open(self.path .. "/" .. name, "wb"))
    handle:write(full(text))
    handle:close()
  end
  function self.get(name)
    local handle = assert(io.open(self.path .. "/" .. name, "rb"))
    local text = handle:read("a")
    handle:close()
    return text
  end
  --- The exit code, and what was said on stdout and stderr.
  function self.weir(...)
    loader.reset()
    local words, out, err = { ... }, {}, {}
    for i, word in ipairs(words) do
      words[i] = full(word)
    end
    local host = {}
    function host.out(text)
      out[#out + 1] = text
    end
    function host.err(text)
      err[#err + 1] = text
    end
    local code = main.main(words, require("weir.native"), host)
    local place = self.path:gsub("%p", "%%%0") .. "/"
    return code, (table.concat(out):gsub(place, "")), (table.concat(err):gsub(place, ""))
  end
  --- A line of the shell in the folder, where `$W` is the built program: the exit code, and all
  --- that was said.
  function self.shell(line)
    local built = os.getenv("WEIR_PROGRAM")
    local pipe = assert(io.popen(("W=$(readlink -f %s); cd %s; { %s; } 2>&1; echo \"exit $?\"")
      :format(built, self.path, line)))
    local text = pipe:read("a")
    pipe:close()
    local said, code = text:match("^(.*)exit (%d+)\n$")
    return math.tointeger(tonumber(code)), said
  end
  function self.remove()
    os.execute("rm -r " .. self.path)
  end
  return self
end

--- A folder as above for each test of a block, made and removed around it.
---@param before_each function busted's, as the block sees it
---@param after_each function the same
---@return table at what `folder` gives, renewed for each test
function M.each(before_each, after_each)
  local at = {}
  before_each(function()
    for name, x in pairs(M.folder()) do
      at[name] = x
    end
  end)
  after_each(function()
    at.remove()
  end)
  return at
end

return M
