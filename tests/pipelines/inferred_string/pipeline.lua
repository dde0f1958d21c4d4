-- A column of numbers in which one value is none: the message says which, where, and what to do.
-- test: command check
-- test: exit 3
weir.read "in.csv":group_by "carrier":agg "delay = avg(delay)":print()
