-- The input of the measurements: bids of an auction site, as tests/bench/bids.c writes them.
local M = {}

M.schema = [[
  auction  int64
  bidder   int64
  price    int64
  channel  string
  url      string
  dateTime timestamp
  extra    string
]]

return M
