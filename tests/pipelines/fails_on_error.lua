-- A run whose script says so ends at the first row for which an expression fails.
-- test: exit 1
weir.settings { on_error = "fail" }
weir.rows("n int64", { { 1 }, { 0 }, { 2 } })
  :expect("small = n < 2", { on_fail = "warn" })
  :derive "share = 10 // n"
  :write "shares.csv"
