-- test: command check
-- test: exit 3
-- An error shows the line, the place in it, and what was meant.
local s = weir.rows("user string, amount float64", { { "ann", 1.5 } })
s:derive [[
    fee   = amount * 0.02
    total = amuont + fee
  ]]
  :print()
