--- A function of a script, compiled again from its unmarked text. Marks cost a hot function half
--- its speed; positions inside it are known by line all the same.
local scope = require("weir.grammar.scope")
local M = {}

--- Outer names that the compiler folds (`local x <const> = 5`) are upvalues of nobody; their
--- declarations are repeated in front, in order. nil when two of them share a name.
local function constants(info, upvalues)
  local wanted, ordered, names = {}, {}, {}
  local function want(decl)
    if wanted[decl] or upvalues[decl.name] then
      return true
    elseif decl.attrib ~= "const" or not decl.init or names[decl.name] then
      return false
    end
    wanted[decl], names[decl.name] = true, true
    local complete = true
    require("weir.grammar.lua").walk(decl.init, function(node)
      if node.k == "name" and node.decl then
        complete = want(node.decl) and complete
      end
    end)
    ordered[#ordered + 1] = decl
    return complete
  end
  for decl in pairs(info.node.captures) do
    if not want(decl) then
      return nil
    end
  end
  table.sort(ordered, function(a, b)
    return a.from < b.from
  end)
  local parts = {}
  for i, decl in ipairs(ordered) do
    local text = info.file.text:sub(decl.init.from, decl.init.to):gsub("[\r\n]", " ")
    parts[i] = ("local %s <const> = %s; "):format(decl.name, text)
  end
  return table.concat(parts)
end

local function upvalues_of(func)
  local names, index = {}, {}
  for i = 1, math.huge do
    local name = debug.getupvalue(func, i)
    if not name then
      return names, index
    end
    names[i], index[name] = name, i
  end
end

--- The text of an expression that makes the function.
local function function_text(info)
  local node, text = info.node, info.file.text
  local body = text:sub(node.params_from + 1, node.to)
  if not node.has_self then
    return "function(" .. body
  end
  return "function(self" .. (#node.params + (node.is_vararg and 1 or 0) > 0 and ", " or "") .. body
end

--- The unmarked function, or nil when it cannot be made.
---@param func function
---@param info table as of loader.function_info
---@return function?
function M.recompile(func, info)
  scope.resolve(info.file.ast)
  local names, index = upvalues_of(func)
  local fixed = constants(info, index)
  if not fixed then
    return nil
  end
  local declared = {}
  for _, name in ipairs(names) do
    if name ~= "_ENV" then
      declared[#declared + 1] = name
    end
  end
  local head = #declared > 0 and ("local %s; "):format(table.concat(declared, ", ")) or ""
  local params_line = require("weir.source").line_of(info.file, info.node.params_from)
  local text = ("\n"):rep(params_line - 1) .. head .. fixed .. "return " .. function_text(info)
  local chunk = require("weir.source").compile(text, info.file.chunkname, info.file.env)
  if not chunk then
    return nil
  end
  local plain = chunk()
  local plain_names = upvalues_of(plain)
  for i, name in ipairs(plain_names) do
    if index[name] then
      debug.upvaluejoin(plain, i, func, index[name])
    elseif name ~= "_ENV" then
      return nil
    end
  end
  return plain
end

return M
