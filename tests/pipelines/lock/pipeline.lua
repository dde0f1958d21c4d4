-- The schema comes from the lock file beside the script, and the input is as it says.
weir.read "in.ndjson":derive "amount = float64(amount)":print()
