-- test: args -p day=2024-03-31 -pmin=2 --limit 5
-- Parameters are typed, stand in strings and addresses, and a list is a list.
local p = weir.params [[
    day date
    min int64 = 100
    factor float64 = 1.5
    out string = 'sums'
]]
local users = { "ann", "bob" }
weir.generate {
    rows = 20, columns = "id = i, user = case(i % 3 == 0, 'ann', i % 3 == 1, 'bob', 'eve')",
  }
  :filter("user in $users and id >= $min", { users = users })
  :derive "day = $day, score = id * $factor"
  :write "$out-$day.csv"
assert(tostring(p.day) == "2024-03-31" and p.min == 2)
