-- test: command check
-- test: args directory.lua glob.lua union.lua
-- test: exit 3
-- test: batch-rows none
-- What the first tries are told: a log that is read line by line, since nothing says what it holds.
weir.read("app.log", { schema = "level string, ms int64" }):print()
