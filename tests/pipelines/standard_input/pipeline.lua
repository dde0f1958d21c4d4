-- test: stdin clicks.ndjson
-- The standard input is NDJSON unless told otherwise; what is printed into a pipe is, too.
weir.read "-":print()
