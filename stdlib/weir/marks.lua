--- Marks in a script: each call and each function literal gets a number, which tells at run time
--- where it stands. Text is only inserted, and never a line break, so that lines stay as they are.
---   f(a, b)  ->  f(__c(17,a, b))      f()  ->  f(__c(17))      f "x"  ->  f (__c(17,"x"))
---   function … end  ->  __f(9,function … end)
---   local function f() … end  ->  local function f() … end; __f(9,f);
--- All arguments stand inside the mark: what they call sets marks of its own, which must be over
--- when this one is set.
local lua = require("weir.grammar.lua")
local M = {}

--- Names that a script may not use: what marks are made of, and the way around the sandbox.
M.RESERVED = { _ENV = true, __c = true, __f = true }

local function path_text(node)
  local names = {}
  for i, step in ipairs(node.path) do
    names[i] = step.name
  end
  return table.concat(names, ".")
end

--- Everything that gets a mark, in the order of the text.
local function collect(block)
  local found = {}
  local named = {} -- functions of statements, which are marked behind them
  lua.walk(block, function(node)
    if node.k == "call" or node.k == "method" then
      found[#found + 1] = { node = node, order = node.open }
    elseif node.k == "localfunc" then
      named[node.func] = { after = node.to, name = node.name.name }
    elseif node.k == "funcstat" then
      named[node.func] = { after = node.to, name = path_text(node) }
    end
    if node.k == "function" then
      found[#found + 1] = { node = node, order = node.from, named = named[node] }
    end
  end)
  table.sort(found, function(a, b)
    return a.order < b.order
  end)
  return found
end

--- Insertions before byte `at`; `close` ones come first at one place, inner ones before outer ones.
local function insertion(list, at, text, close, index)
  list[#list + 1] = { at = at, text = text, rank = close and -index or index }
end

local function insertions(found, first)
  local list = {}
  for index, mark in ipairs(found) do
    local node, id = mark.node, first + index - 1
    if mark.named then
      local text = ("; __f(%d,%s);"):format(id, mark.named.name)
      insertion(list, mark.named.after + 1, text, true, index)
    elseif node.k == "function" then
      insertion(list, node.from, ("__f(%d,"):format(id), false, index)
      insertion(list, node.to + 1, ")", true, index)
    elseif #node.args == 0 then
      insertion(list, node.close, ("__c(%d)"):format(id), false, index)
    elseif node.close then
      insertion(list, node.open + 1, ("__c(%d,"):format(id), false, index)
      insertion(list, node.close, ")", true, index)
    else
      insertion(list, node.open, ("(__c(%d,"):format(id), false, index)
      insertion(list, node.to + 1, "))", true, index)
    end
  end
  table.sort(list, function(a, b)
    if a.at ~= b.at then
      return a.at < b.at
    end
    return a.rank < b.rank
  end)
  return list
end

--- The marked text of a chunk.
---@param text string
---@param block table its tree
---@param first integer number of the first mark
---@return string marked, table[] nodes the marked nodes; nodes[i] has the number first + i - 1
function M.insert(text, block, first)
  local found = collect(block)
  local parts, done = {}, 1
  for _, edit in ipairs(insertions(found, first)) do
    parts[#parts + 1] = text:sub(done, edit.at - 1)
    parts[#parts + 1] = edit.text
    done = edit.at
  end
  parts[#parts + 1] = text:sub(done)
  local nodes = {}
  for i, mark in ipairs(found) do
    nodes[i] = mark.node
  end
  return table.concat(parts), nodes
end

--- The first use of a reserved name as a variable: the name and its first byte, or nil.
function M.reserved_use(text, block)
  if not (text:find("_ENV", 1, true) or text:find("__c", 1, true) or text:find("__f", 1, true)) then
    return nil
  end
  local first_name, first_at
  local function check(name, at)
    if M.RESERVED[name] and (not first_at or at < first_at) then
      first_name, first_at = name, at
    end
  end
  lua.walk(block, function(node)
    if node.k == "name" then
      check(node.name, node.from)
    end
    for _, list in ipairs({ node.names or {}, node.params or {}, node.path or {} }) do
      for _, token in ipairs(list) do
        check(token.name, token.from)
      end
    end
    if node.k == "fornum" then
      check(node.var.name, node.var.from)
    elseif node.k == "localfunc" then
      check(node.name.name, node.name.from)
    end
  end)
  return first_name, first_at
end

return M
