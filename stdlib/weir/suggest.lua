--- Which of some known names was meant.
local M = {}

--- Names longer than this are compared without their rest.
M.NAME_BYTES_MAX = 64
--- Of more names only these are looked at.
M.NAMES_MAX = 10000

--- Edits between two texts: insert, delete, replace, swap of neighbours; by bytes. Stops when more
--- than `limit` are needed, and then returns limit + 1.
--- Source: Damerau, "A technique for computer detection and correction of spelling errors", 1964
--- (restricted: no text is edited twice).
---@param a string
---@param b string
---@param limit integer
---@return integer
function M.distance(a, b, limit)
  local a_length, b_length = math.min(#a, M.NAME_BYTES_MAX), math.min(#b, M.NAME_BYTES_MAX)
  if math.abs(a_length - b_length) > limit then
    return limit + 1
  end
  local before, above, row = {}, {}, {}
  for j = 0, b_length do
    above[j] = j
  end
  for i = 1, a_length do
    row[0] = i
    local least = i
    for j = 1, b_length do
      local same = a:byte(i) == b:byte(j)
      local cost = math.min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        cost = math.min(cost, before[j - 2] + 1)
      end
      row[j] = cost
      least = math.min(least, cost)
    end
    if least > limit then
      return limit + 1
    end
    before, above, row = above, row, before
  end
  return above[b_length]
end

--- Letters only, in lower case: `userId`, `user_id` and `User-ID` are one.
local function plain(name)
  return (name:lower():gsub("[%s_%-.]", ""))
end

local function singular(name)
  return (name:gsub("ies$", "y"):gsub("s$", ""))
end

--- How far a known name is from what was written; smaller is nearer, nil is too far.
local function score(word, name)
  if word:lower() == name:lower() then
    return 0
  end
  local short_word, short_name = plain(word), plain(name)
  if short_word == short_name and short_word ~= "" then
    return 0.25
  elseif singular(short_word) == singular(short_name) and #short_word > 2 then
    return 0.5
  end
  local limit = #word <= 2 and 1 or #word <= 5 and 2 or 3
  local edits = M.distance(short_word, short_name, limit)
  -- Half of a name that is wrong is another name.
  if edits <= limit and edits * 2 < math.max(#short_word, #short_name) then
    return edits
  end
  local least = math.min(#short_word, #short_name)
  if least >= 3 and short_word:sub(1, least) == short_name:sub(1, least) then
    return 3.5 + math.abs(#short_word - #short_name) / 100
  end
  return nil
end

--- The known name that is nearest to `word`, or nil when none is near.
---@param word string
---@param names string[]
---@return string?
function M.nearest(word, names)
  local best, best_score
  for i = 1, math.min(#names, M.NAMES_MAX) do
    local found = names[i] ~= word and score(word, names[i])
    if found and (not best_score or found < best_score) then
      best, best_score = names[i], found
    end
  end
  return best
end

return M
