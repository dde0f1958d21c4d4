--- A tree as one line of text without its positions, so that trees can be compared and read.
local POSITIONS = {
  from = true, to = true, at = true, name_from = true, name_to = true, newline = true,
}
local function shape(value)
  if type(value) ~= "table" then
    return type(value) == "string" and ("%q"):format(value) or math.type(value) == "float"
      and ("%a"):format(value) or tostring(value)
  end
  local keys, parts = {}, {}
  for key in pairs(value) do
    if not POSITIONS[key] then
      keys[#keys + 1] = key
    end
  end
  table.sort(keys, function(a, b)
    return tostring(a) < tostring(b)
  end)
  for i, key in ipairs(keys) do
    parts[i] = tostring(key) .. "=" .. shape(value[key])
  end
  return "{" .. table.concat(parts, " ") .. "}"
end
return shape
