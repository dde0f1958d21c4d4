-- Texts of times next to each other: the same one only while minute, day and offset are the same.
local starts = {
  "timestamp '1969-12-31T23:58:30Z'", "timestamp '2024-02-28T23:30:00Z'",
  "timestamp '2024-03-31T00:59:55Z'", "timestamp '2024-10-27T00:15:00Z'",
  "timestamp '1890-03-31T23:05:00Z'", -- Berlin's clock was not at whole minutes
}
local steps = { "37s", "23m", "0.4s" }
for i, start in ipairs(starts) do
  weir.generate { columns = "n = i", rows = 40 }
    :derive("t = " .. start .. " + (n // 2) * duration '" .. steps[(i - 1) % 3 + 1] .. "', " ..
      "f = case(n % 10 == 4, '%S', n % 10 == 5, '%:z', '%Y-%m-%d')")
    :select [[
      n, t, minute = format_time(t, '%H:%M', 'Europe/Berlin'),
      day = format_time(t, '%F %a', 'Europe/Berlin'), hour = format_time(t, '%H'),
      second = format_time(t, '%T %Z', 'Europe/Berlin'), mixed = format_time(t, f),
      fraction = format_time(t, '%S.%f'),
      zoned = format_time(t, '%H', case(n % 3 == 0, 'UTC', 'Asia/Tokyo'))
    ]]
    :write("times" .. i .. ".csv")
end
