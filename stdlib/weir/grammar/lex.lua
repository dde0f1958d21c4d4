--- Lexical pieces that the grammars share: names, keywords, blanks, strings, numbers. They are
--- those of Lua 5.4 ("Lua 5.4 Reference Manual", 3.1), for expressions, schemas and scripts alike.
local lpeg = require("lpeg")
local P, R, S, C, Cmt, Cs = lpeg.P, lpeg.R, lpeg.S, lpeg.C, lpeg.Cmt, lpeg.Cs
local byte, char, find, match, rep, sub =
  string.byte, string.char, string.find, string.match, string.rep, string.sub
local M = {}

--- Entries of LPeg's backtrack stack; it grows as needed and this is only the bound. 200 nested
--- levels of Lua (its own bound) take about 6000.
M.STACK_MAX = 20000
lpeg.setmaxstack(M.STACK_MAX)

local idchar = R("az", "AZ", "09", "\x80\xff") + "_"
M.idchar = idchar
--- Lua's reserved words, as a set.
M.keywords = {}
local keyword = P(false)
for word in
  ([[and break do else elseif end false for function goto if in local nil not or repeat return
  then true until while]]):gmatch("%a+")
do
  M.keywords[word] = true
  keyword = keyword + P(word) * -idchar
end
M.keyword = keyword

local idstart = R("az", "AZ", "\x80\xff") + "_"
--- A whole word, not the beginning of a longer one.
---@param text string
function M.word(text)
  return P(text) * -M.idchar
end
--- A name that needs no quotes.
M.ident = -M.keyword * idstart * M.idchar ^ 0
--- A name of expressions and schemas, captured: plain, or between backticks where `` is one.
M.name = C(M.ident) + P("`") * Cs((1 - P("`") + P("``") / "`") ^ 1) * P("`")

-- Levels that nothing closes in the text that was looked at last, and from where on: without this
-- a text full of open brackets is searched to its end for each of them.
local searched, unclosed = nil, {}

--- The end of the long bracket whose opening `[==[` ends before `i`, or nil when it is not closed.
local function long_end(text, i, open)
  if text ~= searched then
    searched, unclosed = text, {}
  elseif unclosed[open] and unclosed[open] <= i then
    return nil
  end
  local _, last = find(text, "]" .. rep("=", #open - 2) .. "]", i, true)
  if not last then
    unclosed[open] = i
  end
  return last and last + 1
end
M.long_open = P("[") * P("=") ^ 0 * P("[")
--- A long string or the rest of a long comment; no captures.
M.long = Cmt(C(M.long_open), function(text, i, open)
  return long_end(text, i, open)
end)
--- The same, but only when it stays on one line.
M.long_inline = Cmt(C(M.long_open), function(text, i, open)
  local past = long_end(text, i, open)
  return past and not find(sub(text, i, past), "[\r\n]") and past
end)
local line_comment = -M.long_open * (1 - S("\r\n")) ^ 0
--- Blanks and comments, possibly none. A long comment that is not closed is not taken.
M.skip = (S(" \t\r\n\v\f") + P("--") * (M.long + line_comment)) ^ 0
--- Blanks and comments that hold a line break.
M.skip_newline = (S(" \t\v\f") + P("--") * (M.long_inline + line_comment)) ^ 0
  * (S("\r\n") + P("--") * M.long)
  * M.skip

-- `\z` swallows line breaks that would otherwise end the string.
local function short(quote)
  local escape = P("\\") * (P("z") * S(" \t\r\n\v\f") ^ 0 + P("\r\n") + P("\n\r") + 1)
  return P(quote) * ((1 - S("\\\r\n" .. quote)) + escape) ^ 0 * P(quote)
end
--- A string in quotes, with its quotes; escapes are looked at by `decode`.
M.short = short("'") + short('"')
--- Any string literal.
M.string = M.short + M.long

local digit, hex = R("09"), R("09", "af", "AF")
local function numeral(digits, exponent)
  local power = (exponent * S("+-") ^ -1 * digit ^ 1) ^ -1
  return (digits ^ 1 * (P(".") * digits ^ 0) ^ -1 + P(".") * digits ^ 1) * power
end
--- A whole numeral: what follows may not continue it (`3..2` and `5m` are none).
M.number = (P("0") * S("xX") * numeral(hex, S("pP")) + numeral(digit, S("eE"))) * -(M.idchar + ".")
--- What Lua's reader would take as one numeral, good or bad.
M.number_like = (P(".") ^ -1 * digit) * (S("eEpP") * S("+-") + M.idchar + ".") ^ 0

--- The value of a good numeral. An integer that does not fit 64 bits gives nil.
---@param text string
---@return integer|number|nil
function M.number_value(text)
  local value = tonumber(text)
  if match(text, "^0[xX]") then
    if not find(text, "[.pP]") and #match(text, "^..0*(%x*)") > 16 then
      return nil
    end
  elseif math.type(value) == "float" and not find(text, "[.eE]") then
    return nil
  end
  return value
end

local ESCAPES = {
  a = "\a", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", v = "\v",
  ["\\"] = "\\", ['"'] = '"', ["'"] = "'",
}

--- Bytes of `\u{…}`; Lua allows up to 2^31.
local function utf8_escape(raw, i)
  local digits = match(raw, "^u{(%x+)}", i)
  local code = digits and #digits <= 16 and tonumber(digits, 16)
  if not code or code < 0 or code > 0x7fffffff then
    return nil
  end
  return utf8.char(code), #digits + 3
end

--- The escape whose letter is at `i` in `raw`: its bytes and its length without the backslash.
local function escape_at(raw, i)
  local letter = sub(raw, i, i)
  if ESCAPES[letter] then
    return ESCAPES[letter], 1
  elseif letter == "x" then
    local digits = match(raw, "^%x%x", i + 1)
    return digits and char(tonumber(digits, 16)), 3
  elseif letter == "u" then
    return utf8_escape(raw, i)
  elseif letter == "z" then
    return "", #match(raw, "^z%s*", i)
  elseif find(letter, "^%d") then
    local digits = match(raw, "^%d%d?%d?", i)
    local code = tonumber(digits)
    return code < 256 and char(code) or nil, #digits
  elseif letter == "\n" or letter == "\r" then
    local pair = sub(raw, i, i + 1)
    return "\n", (pair == "\r\n" or pair == "\n\r") and 2 or 1
  end
  return nil
end

local function decode_short(raw, map)
  local parts, count, decoded = {}, 0, 0
  local i, last = 2, #raw - 1
  while i <= last do
    local text, width
    if byte(raw, i) == 92 then
      text, width = escape_at(raw, i + 1)
      if not text then
        return nil, i, i + 1
      end
      width = width + 1
    else
      text = match(raw, "^[^\\]+", i)
      text = sub(text, 1, last - i + 1)
      width = #text
    end
    if map then
      for k = 1, #text do
        local whole = width ~= #text -- an escape: its bytes all come from the whole of it
        map[decoded + k] = whole and i or i + k - 1
        map.past[decoded + k] = whole and i + width or i + k
      end
    end
    decoded = decoded + #text
    count = count + 1
    parts[count] = text
    i = i + width
  end
  if map then
    map[decoded + 1], map.past[decoded + 1] = #raw, #raw + 1
  end
  return table.concat(parts)
end

local function decode_long(raw, map)
  local open = #match(raw, "^%[=*%[")
  local i, last = open + 1, #raw - open
  local first = sub(raw, i, i + 1)
  if first == "\r\n" or first == "\n\r" then
    i = i + 2
  elseif find(first, "^[\r\n]") then
    i = i + 1
  end
  if not map and not find(raw, "\r", 1, true) then
    return sub(raw, i, last)
  end
  local parts, count, decoded = {}, 0, 0
  while i <= last do
    local text = match(raw, "^[^\r\n]+", i)
    local width
    if text then
      text = sub(text, 1, last - i + 1)
      width = #text
    else
      local pair = sub(raw, i, i + 1)
      text, width = "\n", (pair == "\r\n" or pair == "\n\r") and i < last and 2 or 1
    end
    if map then
      for k = 1, #text do
        map[decoded + k], map.past[decoded + k] = i + k - 1, i + k
      end
    end
    decoded = decoded + #text
    count = count + 1
    parts[count] = text
    i = i + width
  end
  if map then
    map[decoded + 1], map.past[decoded + 1] = last + 1, last + 2
  end
  return table.concat(parts)
end

--- The value of a string literal. A bad escape gives nil and its first and last byte in `raw`.
---@param raw string the literal with its quotes or brackets
---@param map table? filled: map[i] is the byte of `raw` where decoded byte i begins, map.past[i]
---  the one behind it; one entry more for the end
---@return string? value, integer? from, integer? to
function M.decode(raw, map)
  if map then
    map.past = {}
  end
  if byte(raw, 1) == 91 then
    return decode_long(raw, map)
  end
  if not map and not find(raw, "\\", 1, true) then
    return sub(raw, 2, -2)
  end
  return decode_short(raw, map)
end

--- A name as an expression or schema has to write it.
---@param name string not empty
---@return string
function M.quote(name)
  local plain = match(name, "^[%a_\x80-\xff][%w_\x80-\xff]*$")
  if plain and not M.keywords[name] and not M.nil_words[name] then
    return name
  end
  return "`" .. name:gsub("`", "``") .. "`"
end
-- Characters that word processors and web pages put in place of others; between backticks they
-- are letters as any.
local LOOK_ALIKES = {
  ["\u{2018}"] = "a quote is written `'`", ["\u{2019}"] = "a quote is written `'`",
  ["\u{201a}"] = "a quote is written `'`", ["\u{201c}"] = "a quote is written `\"`",
  ["\u{201d}"] = "a quote is written `\"`", ["\u{201e}"] = "a quote is written `\"`",
  ["\u{2260}"] = "not equal is written `~=`", ["\u{2264}"] = "write `<=`",
  ["\u{2265}"] = "write `>=`", ["\u{2212}"] = "minus is written `-`",
  ["\u{2013}"] = "minus is written `-`", ["\u{2014}"] = "minus is written `-`",
  ["\u{d7}"] = "times is written `*`", ["\u{f7}"] = "divided by is written `/`",
  ["\u{2026}"] = "three dots are written `...`", ["\u{2192}"] = "there are no arrows",
}
for code in ("a0 feff 2000 2001 2002 2003 2004 2005 2006 2007 2008 2009 200a 200b 200c 200d 200e "
  .. "200f 2028 2029 202f 205f 2060 3000"):gmatch("%x+") do
  LOOK_ALIKES[utf8.char(tonumber(code, 16))] = ("this is U+%04X, which only looks like a blank, or "
    .. "like nothing: write a plain blank"):format(tonumber(code, 16))
end

--- The first character of a bare word that was hardly meant: its place in `word`, itself and what
--- to write instead; or nil.
---@param word string
---@return integer? at, string? character, string? help
function M.look_alike(word)
  if not find(word, "[\x80-\xff]") then
    return nil
  end
  for at, character in word:gmatch("()([\xc2-\xf4][\x80-\xbf]+)") do
    if LOOK_ALIKES[character] then
      return at, character, LOOK_ALIKES[character]
    end
  end
  return nil
end

--- Words of other languages for nil: as bare names they are refused (W004).
M.nil_words = { null = true, NULL = true, Null = true, None = true }

return M
