-- test: exit 1
-- An audit of one write that fails: nothing of the run is published, and what was there stays.
local days = weir.rows("day date, country string, sales int64", [[
day,country,sales
2024-03-01,AT,10
2024-03-01,CH,
2024-03-02,DE,-40
]])
days:write("all.csv")
days:write("days/", {
  format = "csv", partition_by = "day",
  audit = [[
    local is_known = country in ('AT', 'CH', 'DE')
    enough = count() >= 3
    known  = all(is_known)
    money  = sum(sales) > 0 and count(sales) == count()
  ]],
})
days:write("sqlite:days.db", { table = "days", mode = "append", audit = "some = count() > 0" })
