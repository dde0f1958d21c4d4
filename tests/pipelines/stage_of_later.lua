-- A stage of a later version: the message names what there is instead.
-- test: command check
-- test: exit 3
weir.rows("id int64", { { 1 } }):map_batch(1)
