--- Names of a chunk: which declaration each use means, and what each function takes from outside
--- ("Lua 5.4 Reference Manual", 3.5).
--- A declaration is {name=, from=, attrib=, owner=function node or false for the chunk, writes=,
--- init=node or nil}; `writes` counts assignments behind the declaration, `init` is the value of a
--- `local` that has one of its own.
local lua = require("weir.grammar.lua")
local M = {}

local walk_block, walk_expr

--- A chain of scopes; each maps names to declarations.
local function push(state)
  state.scope = setmetatable({}, { __index = state.scope })
end
local function pop(state)
  state.scope = getmetatable(state.scope).__index
end

local function declare(state, name, from, attrib, init)
  local decl = {
    name = name, from = from, attrib = attrib, owner = state.owner, writes = 0, init = init,
  }
  rawset(state.scope, name, decl)
  return decl
end

--- Notes a use of a name by the function that is being read and those around it, up to its owner.
local function use(state, node, written)
  local decl = state.scope[node.name]
  node.decl = decl
  if decl and written then
    decl.writes = decl.writes + 1
  elseif written then
    state.assigned[node.name] = true
  end
  for i = #state.functions, 1, -1 do
    local func = state.functions[i]
    if decl and decl.owner == func then
      break
    end
    if decl then
      func.captures[decl] = true
    end
    if written then
      table.insert(func.writes_outside, { name = node.name, from = node.from, decl = decl })
    elseif not decl then
      func.globals[node.name] = true
    end
  end
end

local function walk_function(state, func)
  func.captures, func.globals, func.writes_outside = {}, {}, {}
  table.insert(state.functions, func)
  local owner = state.owner
  state.owner = func
  push(state)
  if func.has_self then
    declare(state, "self", func.from)
  end
  for _, param in ipairs(func.params) do
    declare(state, param.name, param.from)
  end
  walk_block(state, func.body)
  pop(state)
  state.owner = owner
  table.remove(state.functions)
end

function walk_expr(state, expression)
  lua.walk(expression, function(node)
    if node.k == "name" then
      use(state, node, false)
    elseif node.k == "function" then
      walk_function(state, node)
      return false
    end
  end)
end
-- A list of expressions is walked as one.
local walk_all = walk_expr

local function inner_block(state, block)
  push(state)
  walk_block(state, block)
  pop(state)
end

local statements = {
  ["local"] = function(state, node)
    walk_all(state, node.values)
    for i, name in ipairs(node.names) do
      name.decl = declare(state, name.name, name.from, name.attrib, node.values[i])
    end
  end,
  assign = function(state, node)
    walk_all(state, node.values)
    for _, target in ipairs(node.targets) do
      if target.k == "name" then
        use(state, target, true)
      else
        walk_expr(state, target)
      end
    end
  end,
  callstat = function(state, node)
    walk_expr(state, node.call)
  end,
  ["do"] = function(state, node)
    inner_block(state, node.body)
  end,
  ["while"] = function(state, node)
    walk_expr(state, node.cond)
    inner_block(state, node.body)
  end,
  ["repeat"] = function(state, node)
    push(state) -- the condition sees the locals of the body
    walk_block(state, node.body)
    walk_expr(state, node.cond)
    pop(state)
  end,
  ["if"] = function(state, node)
    for i, body in ipairs(node.bodies) do
      if node.conds[i] then
        walk_expr(state, node.conds[i])
      end
      inner_block(state, body)
    end
  end,
  fornum = function(state, node)
    walk_all(state, node.exprs)
    push(state)
    declare(state, node.var.name, node.var.from)
    walk_block(state, node.body)
    pop(state)
  end,
  forin = function(state, node)
    walk_all(state, node.exprs)
    push(state)
    for _, name in ipairs(node.names) do
      declare(state, name.name, name.from)
    end
    walk_block(state, node.body)
    pop(state)
  end,
  funcstat = function(state, node)
    local first = { name = node.path[1].name, from = node.path[1].from }
    use(state, first, #node.path == 1)
    walk_function(state, node.func)
  end,
  localfunc = function(state, node)
    node.decl = declare(state, node.name.name, node.name.from, nil, node.func)
    walk_function(state, node.func)
  end,
  ["return"] = function(state, node)
    walk_all(state, node.values)
  end,
}

function walk_block(state, block)
  for _, node in ipairs(block) do
    local visit = statements[node.k]
    if visit then
      visit(state, node)
    end
  end
end

--- Resolves all names of a chunk, once. Afterwards each `name` node has `decl` (nil: a global),
--- the chunk `assigned` (set of global names that it assigns, wherever), and each function node
--- `captures` (set of outer declarations that it or a function in it uses),
--- `globals` (set of global names that are read) and `writes_outside` ({name=, from=, decl=} for
--- each assignment to a name that is not its own).
---@param block table as of grammar.lua
function M.resolve(block)
  if not block.resolved then
    block.resolved, block.assigned = true, {}
    walk_block({ scope = {}, functions = {}, owner = false, assigned = block.assigned }, block)
  end
end

return M
