-- A file whose lines end in CR alone would be one header and no rows.
-- test: exit 3
weir.read("old.csv"):print()
