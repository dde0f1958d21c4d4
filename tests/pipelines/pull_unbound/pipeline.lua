-- `schema pull` asks for the sources only: stages that do not bind with what they are now are
-- passed over, and the sources behind them are written all the same.
-- test: command schema pull
weir.read "in.ndjson":filter "at > 1":group_by "no_such":agg "n = sum(at)":print()
weir.read "other.csv":print()
