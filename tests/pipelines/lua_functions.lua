-- A stage takes a Lua function where it takes a string, and both say the same.
local rows = weir.rows("user string, n int64, x float64, at timestamp", {
  { "ann", 3, 1.5, "2024-01-01T10:00:00Z" },
  { "bob", nil, nil, "2024-01-02T11:30:00Z" },
  { nil, -7, 0.25, nil },
})
local limit = 1
weir.def("twice(n int64) int64", function(n)
  return n and n * 2
end)

local function tag(s, text)
  return s:derive("tag = $tag", { tag = text })
end

local by_text = rows:filter "n ~= nil and n > 1":derive "m = twice(n) + 1"
local by_function = rows
  :filter(function(e)
    return e.n ~= nil and e.n > limit
  end)
  :derive("m int64", function(e)
    return e.n * 2 + 1
  end)
by_text:pipe(tag, "text"):union(by_function:pipe(tag, "function")):print()
rows:derive("first string, sign string", function(e)
    return e.user and e.user:sub(1, 1), e.n and (e.n < 0 and "minus" or "plus")
  end)
  :select "first, sign"
  :write "signs.ndjson"

-- What a function reads is its row, also where a result before takes a column's name.
rows
  :select("n, user")
  :derive("n string, before int64", function(e)
    return "n", e.n
  end)
  :write "redefined.ndjson"
