-- Web events out of nothing: examples/data/web_events.ndjson.gz was made by this script.
--
-- `weir.generate` computes rows from their number `i`, so that the same script gives the same file
-- on every machine. `random()` belongs to the row and the seed; hash64 makes more numbers that look
-- like chance.
local p = weir.params "rows int64 = 2000, seed int64 = 7, out string = 'web_events.ndjson.gz'"

weir.generate {
    rows = p.rows,
    seed = p.seed,
    columns = [[
      local luck = hash64('page' .. i) & 1023              -- 0 to 1023
      local land = hash64('land' .. i) & 15
      -- Three events a second. They travel up to a minute, so some stand behind newer ones.
      ts      = timestamp'2024-03-31T10:01:05Z' + i * duration'333ms'
                - (hash64('way' .. i) & 63) * duration'1s'
      user    = 'u' .. floor(random() ^ 2 * 200)           -- some come often
      page    = case(luck < 400, '/', luck < 620, '/search', luck < 800, '/shoes',
                     luck < 900, '/hats', luck < 980, '/cart', '/paid')
      country = case(land < 9, 'DE', land < 14, 'AT')      -- no `else`: of some it is not known
      ms      = 20 + (hash64('time' .. i) & 255)           -- what the server took
    ]],
  }
  :write "$out"
