-- A type that does not suit and that nobody wrote: the message says where it is from.
-- test: command check
-- test: exit 3
weir.read "in.ndjson":filter "at > 1 and sensor ~= 'x'":print()
