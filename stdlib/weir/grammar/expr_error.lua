--- Why a text is no expression: from the furthest place that the grammar reached to a code, a place
--- and the words to write instead. Loaded only when a parse has failed.
local lpeg = require("lpeg")
local lex = require("weir.grammar.lex")
local P, C, Cc, Cp = lpeg.P, lpeg.C, lpeg.Cc, lpeg.Cp
local M = {}

local SHOWN_BYTES_MAX = 40

local utf8_rest = lpeg.R("\x80\xbf") ^ 0
local token = Cp()
  * (Cc("end") * C(-P(1))
    + Cc("string") * C(lex.string)
    + Cc("number") * C(lex.number_like)
    + Cc("keyword") * C(lex.keyword)
    + Cc("name") * C(lex.ident)
    + Cc("quoted") * C(lex.name / 0)
    + Cc("open") * C(lex.long_open + "--" * lex.long_open)
    + Cc("symbol") * C(P("!==") + "===" + "<=>" + "==" + "~=" + "<=" + ">=" + "<<" + ">>" + "??"
      + ".." + "//" + "!=" + "=>" + "->" + ":=" + "+=" + "-=" + "${")
    + Cc("symbol") * C(P(1) * utf8_rest))
  * Cp()

--- The token at `at`, which is where blanks end.
local function token_at(text, at)
  local from, kind, word, past = token:match(text, at)
  return { from = from, kind = kind, text = word, to = math.max(past - 1, from) }
end

--- The tokens before `at`, and the one there: whoever reads sees `===`, not `==` and `=`.
local function tokens_to(text, at)
  local tokens, i = {}, lpeg.match(lex.skip * Cp(), text)
  while i < at do
    local found = token_at(text, i)
    if found.to >= at then
      return tokens, found
    end
    tokens[#tokens + 1] = found
    i = lpeg.match(lex.skip * Cp(), text, found.to + 1)
  end
  return tokens, token_at(text, at)
end

local function shown(word)
  if #word <= SHOWN_BYTES_MAX then
    return word
  end
  local cut = utf8.len(word) and utf8.offset(word, 0, SHOWN_BYTES_MAX) or SHOWN_BYTES_MAX
  return word:sub(1, cut - 1) .. "…"
end

local ORDER = { "an expression", "a name", "an operator", "`,`", "`=`", "`)`", "`]`", "the end" }
local function expected_text(expected)
  local words = {}
  for _, label in ipairs(ORDER) do
    if expected[label] then
      words[#words + 1] = label
    end
  end
  if #words < 2 then
    return words[1] or "nothing more"
  end
  return table.concat(words, ", ", 1, #words - 1) .. " or " .. words[#words]
end

local function err(code, from, to, message, help)
  return { code = code, from = from, to = to, message = message, help = help }
end

-- ── one function for each kind of mistake ───────────────────────────────────────────────────────
-- Each gets a context: text, rule, at, now (the token there), last (the one before), tokens (all
-- before), expected, open (the bracket that holds the place).

--- A character that only looks like another, in a bare word up to the token.
local function look_alike(c)
  for i = 1, #c.tokens + 1 do
    local found = c.tokens[i] or c.now
    if found.kind == "name" then
      local at, character, help = lex.look_alike(found.text)
      if at then
        local from = found.from + at - 1
        return err("W001", from, from + #character - 1, ("unexpected `%s`"):format(character), help)
      end
    end
  end
  return nil
end

--- Strings and comments that do not end, numerals that are none.
local function lexical(c)
  local now = c.now
  if now.kind == "symbol" and (now.text == "'" or now.text == '"') then
    local line_end = (c.text:find("[\r\n]", now.from) or #c.text + 1) - 1
    return err("W007", now.from, line_end, "string is not closed",
      ("write `%s` at its end"):format(now.text))
  elseif now.kind == "open" then
    local close = "]" .. now.text:match("%[(=*)%[") .. "]"
    if now.text:sub(1, 1) == "[" then -- a comment begins with `--[`
      return err("W007", now.from, now.to, "string is not closed",
        ("write `%s` at its end"):format(close))
    end
    return err("W001", now.from, now.to,
      ("unexpected end of a comment, expected `%s`"):format(close))
  elseif now.text == "`" then
    return err("W007", now.from, #c.text, "string is not closed",
      "a name between backticks ends with a backtick, and is not empty")
  elseif now.kind == "number" and not lpeg.match(lex.number * -1, now.text) then
    local units = now.text:gsub("%d+", "")
    local duration = now.text:match("^%d+%a+[%d%a]*$")
    if duration and ((units .. "|"):gsub("^[usmhdw]+|", "") == "") and not now.text:find("^0x") then
      return err("W014", now.from, now.to,
        ("duration `%s` is written `duration'%s'`"):format(now.text, now.text))
    end
    local help = now.text:find("..", 1, true) and "put a blank before `..`" or nil
    return err("W001", now.from, now.to, ("malformed number `%s`"):format(shown(now.text)), help)
  end
  return nil
end

--- Operators of other languages.
local function foreign_operator(c)
  local now, last = c.now, c.last
  local joined = last and last.to == now.from - 1 and last.text .. now.text or ""
  if now.text == "!=" or now.text == "!==" then
    return err("W002", now.from, now.to, ("`%s` is written `~=`"):format(now.text))
  elseif joined == "<>" then
    return err("W002", last.from, now.to, "`<>` is written `~=`")
  elseif joined == "&&" then
    return err("W003", last.from, now.to, "`&&` is written `and`")
  elseif joined == "||" then
    return err("W003", last.from, now.to, "`||` is written `or`", "text is joined by `..`")
  elseif now.text == "!" then
    return err("W003", now.from, now.to, "`!` is written `not`")
  elseif now.text == "?" and c.text:find("^%s*%f[%z),]", now.to + 1) then
    return err("W001", now.from, now.to, "unexpected `?`, expected an expression",
      "a parameter is written `$name`, with its value behind the string: `{ name = 1 }`")
  elseif now.text == "?" then
    return err("W013", now.from, now.to, "`c ? a : b` is written `case(c, a, b)`")
  elseif now.text == "===" or joined == "===" then
    return err("W001", last and joined == "===" and last.from or now.from, now.to,
      "unexpected `===`, expected an operator", "write `==`")
  elseif joined == "**" then
    return err("W001", last.from, now.to, "unexpected `**`, expected an operator",
      "a power is written `x ^ y`")
  elseif joined == "::" then
    return err("W001", last.from, now.to, "unexpected `::`, expected an operator",
      "`x::int` is written `int64(x)`: a conversion has the type's name")
  end
  return nil
end

local function keyword_as_name(found)
  return err("W011", found.from, found.to,
    ("`%s` is a Lua keyword: write `` `%s` ``"):format(found.text, found.text))
end

local function equals(c)
  local now, last = c.now, c.last
  if now.text ~= "=" and now.text ~= ":=" then
    return nil
  end
  if c.rule == "list" and last and last.kind == "keyword" then
    return keyword_as_name(last)
  elseif c.rule == "list" and now.text == ":=" then
    return err("W001", now.from, now.to, "unexpected `:=`, expected `=`",
      "an item is `name = expression`")
  end
  local help = c.rule == "list" and "an item is `name = expression`, with one plain name" or nil
  return err("W005", now.from, now.to, ("`%s` compares nowhere: write `==`"):format(now.text), help)
end

--- `is null`, `is not null` and the like.
local function is_null(c)
  local now = c.now
  if now.kind ~= "name" or now.text:lower() ~= "is" or not c.expected["an operator"] then
    return nil
  end
  local rest, past = c.text:lower():match("^%s+(not%s+nu?i?ll?)()", now.to + 1)
  if not rest then
    rest, past = c.text:lower():match("^%s+(nu?i?ll?)()", now.to + 1)
  end
  if rest then
    local operator = rest:find("^not") and "~=" or "=="
    return err("W004", now.from, past - 1, ("`%s` is written `%s nil`"):format(
      c.text:sub(now.from, past - 1), operator))
  end
  return err("W001", now.from, now.to,
    ("unexpected `%s`, expected an operator"):format(now.text), "write `==`")
end

local CONDITIONAL = { ["if"] = true, ["then"] = true, ["else"] = true, ["elseif"] = true }
local OPERATOR = { ["and"] = true, ["or"] = true, ["not"] = true, ["in"] = true }

local function keyword(c)
  local now = c.now
  if now.kind ~= "keyword" then
    return nil
  end
  local word = now.text
  local assigned = c.text:find("^%s*=[^=]", now.to + 1)
  if c.last and c.last.text == "$" then
    return err("W011", now.from, now.to, ("`%s` is a Lua keyword"):format(word),
      "give the parameter another name")
  elseif not assigned and CONDITIONAL[word] then
    return err("W013", now.from, now.to, ("`%s` is written `case(c, a, b)`"):format(word),
      "a chain is `case(c1, v1, c2, v2, else)`")
  elseif word == "function" and not assigned then
    return err("W001", now.from, now.to, "unexpected `function`, expected an expression",
      "a Lua function is not text: give it instead of the text, without quotes")
  elseif not assigned and OPERATOR[word] then
    return nil
  elseif c.expected["an expression"] or c.expected["a name"] or assigned then
    return keyword_as_name(now)
  end
  return nil
end

-- Words of SQL where an operator or `,` would stand; the help that each gets.
local WORDS = {
  between = "write `x >= a and x <= b`",
  ilike = "write `lower(x) like '…'`",
  rlike = "write `regex_match(x, '…')`",
  regexp = "write `regex_match(x, '…')`",
  as = "a name comes first: `name = expression`",
  when = "write `case(c1, v1, c2, v2, else)`",
  exists = "write `x ~= nil`",
  where = "it stands in the brackets: `count(where c)`, `sum(x where c)`",
  filter = "the condition stands in the brackets: `count(where c)`, `sum(x where c)`",
}

--- `case when …`, `cast(x as int)`, `count(distinct x)`, `count(*)`, `over (…)`.
local function sql(c)
  local now, last = c.now, c.last
  local word = now.kind == "name" and now.text:lower()
  if word == "when" and last and last.text:lower() == "case" then
    return err("W013", last.from, now.to, "`case when` is written `case(c, a, b)`",
      "a chain is `case(c1, v1, c2, v2, else)`")
  elseif word == "over" and c.text:find("^%s*%(", now.to + 1) and c.expected["an operator"] then
    return err("W112", now.from, now.to, "`over (…)` is not in this version",
      "`:group_by \"y\":agg \"s = sum(x)\"` gives a row for each group")
  elseif word == "over" and c.expected["an operator"]
    and not c.text:find("^%s*=[^=]", now.to + 1)
  then
    return err("W112", now.from, now.to, "`over` takes `'1h'` or a row count, after an aggregate",
      "the partition is the `group_by` before; the frame is `sum(x) over '1h'` or `over 10`")
  elseif word == "as" and c.text:sub(1, now.from - 1):lower():find("cast%s*%([^()]*$") then
    return err("W001", now.from, now.to, "unexpected `as`, expected an operator, `,` or `)`",
      "`cast(x as int)` is written `int64(x)`: a conversion has the type's name")
  elseif last and last.kind == "name" and last.text:lower() == "distinct" and c.expected["`)`"] then
    return err("W001", last.from, last.to, "unexpected `distinct`, expected an expression",
      "`count(distinct x)` is written `count_distinct(x)`")
  elseif now.text == "*" and last and last.text == "(" then
    return err("W001", now.from, now.to, "unexpected `*`, expected an expression",
      "`count(*)` is written `count()`")
  elseif word and WORDS[word] and c.expected["an operator"] and c.rule ~= "list" then
    return err("W001", now.from, now.to, ("unexpected `%s`, expected %s"):format(now.text,
      expected_text(c.expected)), WORDS[word])
  end
  return nil
end

--- `Total Amount`: a name with a blank, unless an item begins there.
local function two_words(c)
  local now, last = c.now, c.last
  if now.kind == "name" and last and last.kind == "name" and last.to == now.from - 2
    and not c.text:find("^%s*=[^=]", now.to + 1)
  then
    return ("a name of two words stands in backticks: `` `%s` ``"):format(
      c.text:sub(last.from, now.to))
  end
  return nil
end

--- The words that may stand behind a value, in an order and elsewhere.
local BEHIND = { order = { "desc", "asc" }, other = { "and", "like" } }

--- `adn`, `dsc`: one edit away from a word that may stand here.
local function misspelt(c)
  local now = c.now
  local is_order = c.rule == "order"
  if now.kind ~= "name" or #now.text < 3
    or not is_order and not c.text:find("^%s+[%w_'\"(`]", now.to + 1)
  then
    return nil
  end
  for _, word in ipairs(is_order and BEHIND.order or BEHIND.other) do
    if require("weir.suggest").distance(now.text:lower(), word, 1) <= 1 then
      return ("did you mean `%s`?"):format(word)
    end
  end
  return nil
end

--- Two items with nothing between them, or `;`. Only outside of brackets.
local function separator(c)
  local now = c.now
  if c.rule ~= "list" or now.kind == "end" or not c.expected["the end"] then
    return nil
  end
  local word = now.kind == "name" and now.text:lower()
  if (now.kind == "symbol" or now.kind == "open") and now.text ~= ";" and now.text ~= "$" then
    return nil
  end
  local help = now.text == ";" and "items are separated by `,` or by lines" or WORDS[word]
    or misspelt(c) or two_words(c)
  return err("W010", now.from, now.to,
    ("expected `,` or a new line `name =` before `%s`"):format(shown(now.text)), help)
end

local PARAM_FORMS = { ["@"] = true, ["{"] = true, ["${"] = true }

-- Words of the language that SQL has in capitals.
local LOWER_CASE = {
  ["and"] = true, ["or"] = true, ["not"] = true, ["in"] = true, like = true, asc = true,
  desc = true,
}

-- Tokens that stand where an expression would; the help that each gets.
local NO_EXPRESSION = {
  ["*"] = "all columns are there without `select`; `drop` takes some away",
  ["."] = "a column is written by its name alone",
  ["+="] = "write `x = x + …`", ["-="] = "write `x = x - …`",
  ["["] = "a list of values is `x in (1, 2)`, or a parameter, `x in $list`; an odd name stands in "
    .. "backticks",
}
local DIRECTIONS = { ascending = "asc", descending = "desc" }

--- What stands where an expression would.
local function no_expression(c)
  local now, last = c.now, c.last
  if not last or now.text ~= "*" then
    return last and last.text == "in" and (now.text == "[" or now.text == "{")
      and "a list behind `in` stands in round brackets: `in (\"ok\", \"new\")`"
      or NO_EXPRESSION[now.text]
  end
  return c.rule == "list" and last.text == ","
    and "`derive` adds columns to those that are there, `rename` names them anew" or nil
end

--- Help where an expression was expected, or an order or a statement of SQL was meant.
local function habit(c)
  local now = c.now
  local help = c.expected["an expression"] and no_expression(c)
  if help then
    return help
  elseif c.rule == "order" and DIRECTIONS[now.text:lower()] then
    return ("write `%s`"):format(DIRECTIONS[now.text:lower()])
  elseif c.rule == "order" and now.text:lower() == "nulls" then
    return "nil comes last in every order: leave it out"
  elseif now.kind == "name" and c.tokens[1] and c.tokens[1].text:lower() == "select" then
    return "each clause of SQL is a stage: `:filter \"…\"`, `:group_by \"…\"`, `:select \"…\"`"
  end
  return nil
end

--- What else can be said about a token that stands wrong.
local function hint(c)
  local now = c.now
  local help = habit(c)
  if help then
    return help
  end
  if now.kind == "end" and c.open == "[" then
    return "the text ends with an open `[`: in a Lua string `[[ … ]]` the first `]]` ends it; "
      .. "write `[=[ … ]=]`, or `] ]`"
  elseif now.text == ";" then
    return "an expression has no `;`"
  elseif PARAM_FORMS[now.text] or (c.last and c.last.text == "$") then
    return "a parameter is written `$name`"
  elseif now.text == "=>" or now.text == "->" then
    return "there are no arrows; a function is a Lua function, given instead of the text"
  elseif now.text == "(" and c.expected["an operator"] then
    return "a function's name is `name` or `space.name`"
  elseif now.text == ":" and c.last and c.last.kind == "name" then
    return "stages stand outside of the text: is its closing quote missing before `:`?"
  elseif now.kind == "name" and LOWER_CASE[now.text:lower()] and c.expected["an operator"] then
    return ("write `%s`, in lower case"):format(now.text:lower())
  elseif now.kind == "name" and WORDS[now.text:lower()] then
    return WORDS[now.text:lower()]
  end
  return c.expected["an operator"] and (misspelt(c) or two_words(c)) or nil
end

--- The innermost bracket that is open before the token.
local function open_bracket(tokens)
  local stack = {}
  for _, found in ipairs(tokens) do
    if found.text == "(" or found.text == "[" then
      stack[#stack + 1] = found.text
    elseif found.text == ")" or found.text == "]" then
      stack[#stack] = nil
    end
  end
  return stack[#stack]
end

local CHECKS = { look_alike, lexical, foreign_operator, equals, is_null, keyword, sql, separator }

--- The error for a text that the grammar refused.
---@param rule "list"|"expr"|"order"
---@param text string
---@param at integer the furthest place that was reached
---@param expected table<string, true> what could stand there
---@return table err
function M.explain(rule, text, at, expected)
  local tokens, now = tokens_to(text, at)
  local c = {
    rule = rule, text = text, at = at, tokens = tokens, now = now, last = tokens[#tokens],
    expected = expected, open = open_bracket(tokens),
  }
  for _, check in ipairs(CHECKS) do
    local found = check(c)
    if found then
      return found
    end
  end
  local what = now.kind == "end" and "unexpected end" or ("unexpected `%s`"):format(shown(now.text))
  local from, to = now.from, now.to
  if now.kind == "end" then
    -- Behind the last token, not behind the blanks that follow it.
    from = c.last and c.last.to + 1 or 1
    to = from
  end
  return err("W001", from, to, ("%s, expected %s"):format(what, expected_text(expected)), hint(c))
end

return M
