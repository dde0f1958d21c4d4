--- What a Lua row function reads of its row, from its text: sources decode no more than that.
local lex = require("weir.grammar.lex")
local lua = require("weir.grammar.lua")
local scope = require("weir.grammar.scope")
local M = {}

--- The fields that `node` (a function literal of `file`) reads of its first parameter, sorted;
--- "all" when the row goes anywhere else: into a call, a variable, an index that is computed.
---@param info { file: table, node: table } as of the loader's `function_info`
---@return string[]|"all" reads, table[] uses {name=, from=, to=} of each field, in order
function M.reads(info)
  local node = info.node
  scope.resolve(info.file.ast)
  local param = node.params[1]
  if node.has_self or (node.is_vararg and not param) then
    return "all", {}
  elseif not param then
    return {}, {}
  end
  local fields, found, uses = {}, {}, 0
  local function add(name, from, to)
    fields[name] = true
    found[#found + 1] = { name = name, from = from, to = to }
  end
  local function is_row(each)
    return each.k == "name" and each.decl and each.decl.from == param.from
      and each.decl.name == param.name
  end
  lua.walk(node.body, function(each)
    if is_row(each) then
      uses = uses + 1
    elseif each.k == "field" and is_row(each.a) then
      add(each.name, each.name_from, each.name_from + #each.name - 1)
    elseif each.k == "index" and is_row(each.a) and each.i.k == "string" then
      add(lex.decode(info.file.text:sub(each.i.from, each.i.to)), each.i.from, each.i.to)
    end
  end)
  if uses ~= #found then
    return "all", found
  end
  local names = {}
  for name in pairs(fields) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names, found
end

--- W103 at the first field that is no column of the row, or nil. Hidden columns begin with `_`.
---@param info table as of `reads`
---@param columns string[]
---@return table? err with `located`
function M.check(info, columns)
  local known = {}
  for _, name in ipairs(columns) do
    known[name] = true
  end
  local _, uses = M.reads(info)
  for _, use in ipairs(uses) do
    if not known[use.name] and not use.name:find("^_") then
      local near = require("weir.suggest").nearest(use.name, columns)
      return {
        code = "W103", message = ("unknown column `%s`"):format(use.name),
        help = (near and ("did you mean `%s`?  "):format(near) or "") .. "columns: "
          .. table.concat(columns, ", "),
        located = require("weir.source").place(info.file, use.from, use.to),
      }
    end
  end
  return nil
end

--- Adds the uses of global names in a function, and in the functions that it reaches by local
--- names that are assigned once.
local function add_globals(node, found, seen)
  seen[node] = true
  lua.walk(node.body, function(each)
    if each.k ~= "name" then
      return
    elseif not each.decl then
      found[#found + 1] = each
      return
    end
    local init = each.decl.writes == 0 and each.decl.init
    if init and init.k == "function" and not seen[init] then
      add_globals(init, found, seen)
    end
  end)
end

--- An error at the first name that the function reads and that is nothing, or nil.
---@param info table as of `reads`
---@param unknown fun(name: string): table? an error without its place for a name that is nothing
---@param columns string[]? of the row
---@return table? err with `located`
function M.check_names(info, unknown, columns)
  scope.resolve(info.file.ast)
  local found = {}
  add_globals(info.node, found, {})
  table.sort(found, function(a, b)
    return a.from < b.from
  end)
  for _, use in ipairs(found) do
    local err = unknown(use.name)
    if err then
      local row = info.node.params[1]
      for _, column in ipairs(row and columns or {}) do
        if column == use.name then
          err.message = ("`%s` is not defined"):format(use.name)
          err.help = ("a column is `%s.%s`"):format(row.name, use.name)
        end
      end
      err.located = require("weir.source").place(info.file, use.from, use.to)
      return err
    end
  end
  return nil
end

return M
