-- What luacheck is told; `./dev tidy` runs it over every Lua file.
std = "lua54"
max_line_length = 100
max_cyclomatic_complexity = 25
codes = true
unused_args = true
self = false
files["spec"] = { std = "lua54+busted" }
-- Scripts as a user writes them: `weir` and the like are there without a `require`.
files["examples"] = { std = "lua54", read_globals = { "weir" } }
files["examples/*_spec.lua"] = { std = "lua54+busted", read_globals = { "weir" } }
files["tests/sim"] = { std = "lua54", read_globals = { "weir" } }
files["tests/pipelines"] = {
  std = "lua54",
  read_globals = { "weir", "date", "decimal", "duration", "timestamp", "list_filter", "list_map",
    "upper" },
}
files["tests/faults/pipelines"] = { std = "lua54", read_globals = { "weir" } }
files["tests/oracle"] = { std = "lua54", read_globals = { "weir" } }
files["tests/bench/scripts"] = { std = "lua54", read_globals = { "weir" } }
exclude_files = { "build", "build-*" }
