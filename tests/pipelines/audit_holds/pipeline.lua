-- Audits that hold: of a file, of directories and of a table.
local days = weir.rows("day date, country string, sales int64", [[
day,country,sales
2024-03-01,AT,10
2024-03-01,CH,20
2024-03-02,DE,40
]])
days:write("all.csv", { audit = "enough = count() >= 3, money = sum(sales) > 0" })
days:write("days/", {
  format = "csv", partition_by = "day", audit = "two = count_distinct(day) == 2",
})
days:write("sqlite:days.db", { table = "days", mode = "append", audit = "some = count() > 0" })
