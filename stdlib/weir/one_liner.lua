--- Texts of `-e`: what they read where they begin with `:`, and how their result is shown.
local diag = require("weir.diag")

local M = {}

--- Are these different plain files of one format? Then one read takes them, as it does a glob.
local function are_alike(files, format)
  local formats, seen = require("weir.formats"), {}
  local first = formats.of_name(files[1] or "")
  for _, file in ipairs(files) do
    if seen[file] or file == "-" or file:find("[*?%[:]")
      or not format and formats.of_name(file) ~= first then
      return false
    end
    seen[file] = true
  end
  return #files > 1 and (format or first) ~= nil
end

--- The stream that an `-e` text beginning with `:` is applied to: the files named, or stdin.
function M.input(made, files, read_options)
  local weir = require("weir").new(made)
  local function read(place)
    if next(read_options) then
      return weir.read(place, read_options)
    end
    return weir.read(place)
  end
  if are_alike(files, read_options.format) then
    return read(require("weir.endpoint").of_files(files))
  end
  local streams = { read(files[1] or "-") }
  for i = 2, #files do
    streams[i] = read(files[i])
  end
  if #files < 2 then
    return streams[1]
  end
  local ok, result = pcall(streams[1].union, table.unpack(streams))
  if not ok and diag.is(result) then -- of files, where the union speaks of streams
    result.message = result.message:gsub("stream (%d+)", function(number)
      return ("`%s`"):format(files[tonumber(number)])
    end)
  end
  return ok and result or error(result, 0)
end

--- The values of `--read`, which are texts, as an option takes them: `header=false` is a boolean.
function M.options(texts)
  local values = {}
  for name, text in pairs(texts) do
    local kind = require("weir.places").option_kind(name)
    if kind == "boolean" and (text == "true" or text == "false") then
      values[name] = text == "true"
    elseif kind == "count" or kind == "number" then
      values[name] = tonumber(text) or text
    else
      values[name] = text
    end
  end
  return values
end

--- Shows the result of an `-e` text, unless it is written by its last stage.
function M.show(_, result)
  local stream = require("weir.stream")
  local data = stream.is(result) and stream.data(result)
  if data and not data.pending and not data.written then
    result:print()
  end
end

return M
