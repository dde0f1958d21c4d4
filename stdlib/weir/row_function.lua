--- What a Lua row function reads of its row, from its text: sources decode no more than that.
local lex = require("weir.grammar.lex")
local lua = require("weir.grammar.lua")
local scope = require("weir.grammar.scope")
local M = {}

--- The fields that `node` (a function literal of `file`) reads of its first parameter, sorted;
--- "all" when the row goes anywhere else: into a call, a variable, an index that is computed.
---@param info { file: table, node: table } as of the loader's `function_info`
---@return string[]|"all"
function M.reads(info)
  local node = info.node
  scope.resolve(info.file.ast)
  local param = node.params[1]
  if node.has_self or (node.is_vararg and not param) then
    return "all"
  elseif not param then
    return {}
  end
  local fields, plain, uses = {}, 0, 0
  local function is_row(each)
    return each.k == "name" and each.decl and each.decl.from == param.from
      and each.decl.name == param.name
  end
  lua.walk(node.body, function(each)
    if is_row(each) then
      uses = uses + 1
    elseif each.k == "field" and is_row(each.a) then
      plain = plain + 1
      fields[each.name] = true
    elseif each.k == "index" and is_row(each.a) and each.i.k == "string" then
      plain = plain + 1
      fields[lex.decode(info.file.text:sub(each.i.from, each.i.to))] = true
    end
  end)
  if uses ~= plain then
    return "all"
  end
  local names = {}
  for name in pairs(fields) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

return M
