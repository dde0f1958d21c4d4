--- The table of all error codes: {message=, help=, page=, wrong=, right=, later=} by code. `…` in a
--- message is filled in; `later`: what says it is not in this version. One file for some families
--- each; read only to show a page.
local M = {}
for _, part in ipairs({ "text", "names", "stages", "run" }) do
  for code, row in pairs(require("weir.error_codes." .. part)) do
    M[code] = row
  end
end
return M
