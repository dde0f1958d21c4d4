--- What stock Lua's compiler refused, as an error with its exact place. Loaded only then.
local lex = require("weir.grammar.lex")
local lua = require("weir.grammar.lua")
local source = require("weir.source")
local M = {}

-- Tokens of one text on one line that are tried; each compiles the script up to it.
local CANDIDATES_MAX = 64

local function token_text(file, token)
  return file.text:sub(token.from, token.past - 1)
end

--- The token that the compiler's message means: of the tokens with this text on this line the one
--- up to which the text does not compile for the same reason.
local function find_token(file, tokens, line, near, reason)
  local last
  local tried = 0
  for i, token in ipairs(tokens) do
    local first_line = source.line_of(file, token.from)
    if first_line > line then
      break
    end
    if token_text(file, token) == near and source.line_of(file, token.past - 1) == line then
      last, tried = i, tried + 1
      if tried > CANDIDATES_MAX then
        break
      end
      local _, message = source.compile(file.text:sub(1, token.past - 1), "=weir", {})
      if message and message:find(reason, 1, true) and not message:find("<eof>$") then
        return i
      end
    end
  end
  return last
end

--- A long string in front of the token that holds an open `[`: it was meant to go on.
local function cut_string(file, tokens, index)
  for i = index - 1, math.max(index - 12, 1), -1 do
    local text = token_text(file, tokens[i])
    if tokens[i].kind == "string" and text:find("^%[%[") then
      local _, opened = text:gsub("%[", "")
      local _, closed = text:gsub("%]", "")
      -- Its own brackets are two of each.
      return opened > closed
    end
  end
  return false
end

local CHAIN = { [";"] = true, [","] = true }
local DECLARES = { let = true, var = true, const = true, val = true }
local OPERATORS = { [">"] = true, ["<"] = true, [">="] = true, ["<="] = true, ["=="] = true,
  ["~="] = true, ["and"] = true, ["or"] = true, ["+"] = true, ["*"] = true, [".."] = true }
local FUNCTION = "a function is `function(e) return … end`"

--- Signs of other languages. `next_text`: the token behind.
local function foreign_sign(text, previous, next_text, reason)
  if text == "!" or (text == "=" and previous == "!") then
    return "Lua writes `~=` and `not`"
  elseif text == "&" and previous == "&" or text == "|" and previous == "|" then
    return "Lua writes `and`, `or`"
  elseif text == "=" and next_text == ">" or previous == "lambda" then
    return FUNCTION
  elseif text == "|" then
    return "stages follow each other by `:`, as `s:filter \"…\":print()`"
  elseif text == "#" then
    return "a comment begins with `--`"
  elseif DECLARES[previous] then
    return "a variable is declared by `local`"
  elseif OPERATORS[text] and reason == "syntax error" then
    return "an expression alone is nothing: a function gives its value by `return`"
  end
  return nil
end

--- A line that begins with `//` in front of the token: a comment of other languages.
local function slashes(file, tokens, index)
  for i = index, math.max(index - 12, 1), -1 do
    local text, start = source.line_text(file, source.line_of(file, tokens[i].from))
    if text and token_text(file, tokens[i]) == "//"
      and text:sub(1, tokens[i].from - start):find("^%s*$")
    then
      return tokens[i]
    end
  end
  return nil
end

--- Help for the mistakes that scripts invite; also the token to point at.
local function advice(file, tokens, index, reason)
  local token, before = tokens[index], tokens[index - 1]
  local text = token_text(file, token)
  local previous = before and token_text(file, before)
  if text == ":" and CHAIN[previous] then
    return ("this `%s` ends the chain of stages: take it away"):format(previous), before
  elseif cut_string(file, tokens, index) then
    return "the first `]]` ends a long string `[[ … ]]`: write `[=[ … ]=]`, or `] ]`"
  elseif token.kind == "keyword" and (previous == "." or previous == ":") then
    return ("`%s` is a Lua keyword: write `[\"%s\"]`"):format(text, text)
  elseif reason == "function arguments expected" and token.kind == "number" and before then
    return ("write `%s(%s)`: only a string or a table stands without brackets"):format(previous,
      text)
  elseif slashes(file, tokens, index) then
    return "a comment begins with `--`", slashes(file, tokens, index)
  end
  return foreign_sign(text, previous, tokens[index + 1] and token_text(file, tokens[index + 1]),
    reason)
end

local function shown_near(near)
  return #near > 40 and near:sub(1, 40):match("^(.-)[\x80-\xbf]*$") .. "…" or near
end

--- The place where the text between quotes stands in the line, else the line.
local function place_of_text(file, line, near)
  local text, start = source.line_text(file, line)
  local at = text and near ~= "" and text:find(near, 1, true)
  if at then
    return source.place(file, start + at - 1, start + at + #near - 2)
  end
  return source.line_place(file, line)
end

--- A byte that no token begins with: the compiler shows its number. The character around it.
local function stray_character(file, line, byte)
  local text, start = source.line_text(file, line)
  local at = text:find(string.char(byte), 1, true)
  if not at then
    return nil
  end
  local character = text:match("^[\xc2-\xf4][\x80-\xbf]+", at) or text:sub(at, at)
  return character, source.place(file, start + at - 1, start + at + #character - 2)
end

---@param file table as of source.new
---@param message string of `source.compile` with the chunk name "=weir"
---@return table err with `located`
function M.explain(file, message)
  if message:find("C stack overflow", 1, true) then
    message = "brackets or blocks inside one another, deeper than Lua reads (about 200 levels)"
  end
  local line, what = message:match("^weir:(%d+): (.*)$")
  if not line then
    return {
      code = "W001", message = message:gsub("^weir: ", ""), located = source.line_place(file, 1),
    }
  end
  line = math.tointeger(tonumber(line))
  local reason, near = what:match("^(.*) near (.*)$")
  if not reason then
    return { code = "W001", message = what, located = source.line_place(file, line) }
  end
  near = near:match("^'(.*)'$") or near
  local err = { code = "W001", message = ("%s near `%s`"):format(reason, shown_near(near)) }
  if near == "<eof>" then
    local last = #file.text:match("^(.-)%s*$")
    err.message = reason .. ", the script ends"
    err.located = source.place(file, math.max(last, 1), math.max(last, 1))
    return err
  elseif reason == "unfinished string" then
    err.code, err.message = "W007", "string is not closed"
    err.located = place_of_text(file, line, near)
    return err
  end
  local byte = near:match("^<\\(%d+)>$")
  local character, place
  if byte then
    character, place = stray_character(file, line, tonumber(byte))
  end
  if place then
    err.message, err.located = ("%s near `%s`"):format(reason, character), place
    local _, _, look_alike = lex.look_alike(character)
    err.help = look_alike
      or "Lua's names are made of `A-Z`, `a-z`, `0-9`, `_`; a column is `e[\"größe\"]`"
    return err
  end
  local tokens = lua.tokens(file.text)
  local index = find_token(file, tokens, line, near, reason)
  if not index then
    err.located = place_of_text(file, line, near)
    return err
  end
  local help, other = advice(file, tokens, index, reason)
  local token = other or tokens[index]
  err.help, err.located = help, source.place(file, token.from, token.past - 1)
  return err
end

return M
