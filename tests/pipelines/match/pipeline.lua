-- Patterns of rows: what each option means, with rows out of order, late ones, nil keys, conditions
-- that look back, at the match, and that fail. Any batch size gives the same bytes.
local s = weir.read("in.csv", {
  schema = "k string, v int64, w float64, name string, ts timestamp",
})
  :event_time("ts", { max_delay = "2s" })

local v_shape = {
  pattern = "start down+ up+",
  define = "down = v < lag(v), up = v > lag(v)",
  measures = "from_v = start.v, bottom = last(down.v), to_v = last(up.v), ended = last(up.ts)",
}
local function shaped(options)
  for key, x in pairs(v_shape) do
    options[key] = x
  end
  return options
end
local v = s:group_by "k":match(shaped {})
v:write "v.csv"
v:late():write "late.csv"
s:group_by "k":match(shaped { after = "last up" }):write "v_last_up.csv"
s:group_by "k":match(shaped { after = "next", within = "4s" }):write "v_within.csv"
s:group_by "low = lower(k), big = v > 100":match(shaped { rows = "all" }):write "v_all.csv"
s:group_by():match(shaped { after = "last down" }):write "one_group.csv"

-- What a match has taken: sums so far, the first row, rows of a variable.
s:group_by "k":match {
  pattern = "a+ b?",
  define = "a = avg(a.v) < 4, b = v > a.v and count(a) >= 2",
  measures = [[
    number = match_number(), rows = count(), a_rows = count(a), mean = avg(a.v), b_v = b.v
    names = string_agg(name, ' '), first_a = first(a.name), big = sum(v where v > 2), last_v = v
  ]],
  within = "forever",
}:write "taken.csv"
s:group_by "k":match {
  pattern = "any (up | same)+ down",
  define = "up = v > lag(v), same = v == lag(v), down = v < first(v) or v < up.v",
  measures = "class = classifier(), so_far = count(), most = max(w), number = match_number()",
  rows = "all", after = "next",
}:write "classes.csv"
s:group_by "k":match {
  pattern = "a _*? c", define = "a = a.v > 2, c = c.v < a.v", measures = "a = a.v, c = c.v",
  after = "first c", within = "10s",
}:write "reluctant.csv"

-- The event time is that of the last row: a window behind takes it.
s:group_by "k":match {
  pattern = "a b", define = "b = v > a.v", measures = "d = b.v - a.v", within = "20s",
}:window(weir.tumbling "10s"):agg "n = count(), d = sum(d)":write "windows.csv"

-- Where the next match cannot begin, where a measure fails, where a condition does: that is told.
local still = s:group_by "k":match {
  pattern = "a b?", define = "a = v // (v - 3) ~= nil, b = lag(v) // (v - 8) >= 0",
  measures = "v = a.v, q = 10 // (first(v) - 2)", after = "last b",
}
still:write "still.csv"
still:rejects():select "at, code, reason, detail, row":write "rejects.csv"
