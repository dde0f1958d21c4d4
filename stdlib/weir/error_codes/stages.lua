--- W2 and W3: stages; time, state and updates.
return {
  W201 = {
    message = "no stage `…`",
    page = "Streams have no method of this name, or this version does not have it yet. `weir "
      .. "help` lists the stages.",
    wrong = [[clicks:where "amount > 100"]],
    right = [[clicks:filter "amount > 100"]],
  },
  W202 = {
    message = "unknown option `…` of `…`",
    page = "Every key of an options table is an option of the stage, or a parameter that occurs "
      .. "as `$key` in one of its strings. Anything else is a mistake and is not passed over.",
    wrong = [[:event_time("ts", { delay = "5s" })]],
    right = [[:event_time("ts", { max_delay = "5s" })]],
  },
  W203 = {
    message = "option `…` must be …, got …",
    page = "Durations are texts as \"1h30m\", sizes are texts as \"64MB\", counts are numbers.",
    wrong = [[:event_time("ts", { max_delay = 5 })]],
    right = [[:event_time("ts", { max_delay = "5s" })]],
  },
  W204 = {
    message = "union: `…` is missing in stream …",
    page = "`union` puts rows together by the names of their columns, and the types must agree. "
      .. "A column that one stream does not have is made by `derive`.",
    wrong = [[web:union(shop)]],
    right = [[web:union(shop:derive "country = string(nil)")]],
  },
  W205 = {
    message = "column `…` exists on both sides",
    help = "`prefix =`, or `rename`",
    page = "A join, or a stage that adds columns of its own, would make two columns of one "
      .. "name. `prefix` renames all columns of the right side.",
    wrong = [[orders:lookup(users, { on = "user" })]],
    right = [[orders:lookup(users, { on = "user", prefix = "user_" })]],
  },
  W206 = {
    message = "this script writes nothing",
    page = "A run needs a stream that ends in `write` or `print`. Nothing else makes weir read.",
    wrong = [[weir.read "clicks.ndjson":filter "amount > 100"]],
    right = [[weir.read "clicks.ndjson":filter "amount > 100":write "big.csv"]],
  },
  W207 = {
    message = "`group_by` waits for agg, derive, top, …",
    help = "put `…` before it",
    page = "`window`, `group_by` and `emit` only say how the next consumer works. A stage that "
      .. "works row by row cannot stand between them and it, and a script cannot end with one.",
    wrong = [[:group_by "user":filter "amount > 0":agg "n = count()"]],
    right = [[:filter "amount > 0":group_by "user":agg "n = count()"]],
  },
  W208 = {
    message = "`…` given twice",
    page = "One consumer takes one `window`, one `group_by` and one `emit`. Several keys are "
      .. "one list.",
    wrong = [[:group_by "user":group_by "country":agg "n = count()"]],
    right = [[:group_by "user, country":agg "n = count()"]],
  },
  W209 = {
    message = "options go inside the call: `…(\"x\", { … })`",
    page = "Lua reads `f \"x\" { … }` as two calls: the result of the first is called with the "
      .. "table. With options the brackets are needed. A line that begins with `(` is a call, "
      .. "too.",
    wrong = [[:expect "positive = amount > 0" { on_fail = "warn" }]],
    right = [[:expect("positive = amount > 0", { on_fail = "warn" })]],
  },
  W210 = {
    message = "a stream is expected, got …",
    page = "Joins and unions take streams: what `weir.read` or a stage returns, not an address.",
    wrong = [[orders:lookup("users.csv", { on = "user" })]],
    right = [[orders:lookup(weir.read "users.csv", { on = "user" })]],
  },
  W211 = {
    message = "key column `…` is not in the output",
    page = "A sink that replaces rows by their key must get all columns of that key.",
    wrong = [[totals:select "n":write("sqlite:out.db", { table = "t", key = "user" })]],
    right = [[totals:select "user, n"
  :write("sqlite:out.db", { table = "t", key = "user" })]],
  },
  W212 = {
    message = "`…` gave no stream to `pipe`",
    page = "`s:pipe(f)` is `f(s)`, and the function must return the stream that goes on.",
    wrong = [[clicks:pipe(function(s) s:filter "amount > 0" end)]],
    right = [[clicks:pipe(function(s) return s:filter "amount > 0" end)]],
  },
  W301 = {
    message = "no event time",
    help = "add `:event_time \"…\"` before",
    page = "Windows, `asof_join` and frames as `over '1h'` go by the time at which something "
      .. "happened. `event_time` says which column that is.",
    wrong = [[clicks:window(weir.tumbling "1m"):agg "n = count()"]],
    right = [[clicks:event_time "ts":window(weir.tumbling "1m"):agg "n = count()"]],
  },
  W302 = {
    message = "`event_time` must come before `…`",
    page = "Lateness is judged for each part of the source, so only stages that work row by row "
      .. "may stand before `event_time`; behind a `union` the parts can no longer be told apart. "
      .. "The same holds for `processing_time`.",
    wrong = [[web:union(shop):event_time "ts"]],
    right = [[web:event_time "ts":union(shop:event_time "ts")]],
  },
  W303 = {
    message = "this `…` never ends",
    help = "add a window",
    page = "A final result over an input that goes on for ever would never come. A window cuts "
      .. "the input into parts that end; or the input itself is made to end, by `rows` of "
      .. "`generate`.",
    wrong = [[weir.generate { columns = "user = i % 3" }:group_by "user":agg "n = count()"]],
    right = [[weir.generate { columns = "user = i % 3, ts = timestamp(i, 's')" }
  :event_time "ts":window(weir.tumbling "1m")
  :group_by "user":agg "n = count()"]],
  },
  W304 = {
    message = "state grows without bound",
    page = "The stage would have to remember every key for as long as it runs, and its input "
      .. "never ends. A window forgets its keys when it ends.",
    wrong = [[endless:distinct "user"]],
    right = [[endless:event_time "ts":window(weir.tumbling "1h"):group_by "user"
  :agg "n = count()"]],
  },
  W305 = {
    message = "`…` does not take updates",
    page = "Its input corrects rows that were sent before, and this stage can only take rows "
      .. "that stay. The help names the line to add.",
    wrong = [[totals:asof_join(rates, { on = "currency" })]],
    right = [[totals:changes():asof_join(rates, { on = "currency" })]],
  },
  W306 = {
    message = "`…` cannot take updates",
    help = "`:changes()`, or a sink with keys",
    page = "A file cannot replace rows. A stream that updates its rows goes into a sink with "
      .. "keys, or `changes` turns each change into a row of its own. Updates come of `emit "
      .. "\"update\"`, of a window with `allowed_lateness` and of `as_table`: `weir help "
      .. "changelog`.",
    wrong = [[clicks:group_by "user":emit "update":agg "n = count()":write "out.csv"]],
    right = [[clicks:group_by "user":emit "update":agg "n = count()"
  :changes():write "out.csv"]],
  },
  W307 = {
    message = "key of the sink (…) is not the stream's key (…)",
    page = "Updates of different keys of the stream would overwrite one another in the sink.",
    wrong = [[per_user_and_day:write("sqlite:out.db", { table = "t", key = "user" })]],
    right = [[per_user_and_day:write("sqlite:out.db", { table = "t", key = "user, day" })]],
  },
  W308 = {
    later = true,
    message = "`…` before a stage that retracts",
    page = "A row is taken back by computing it again, and `now()` or `random()` would give "
      .. "something else then. Compute it behind that stage, or use the event time.",
    wrong = [[:derive "seen = now()":group_by "user":emit "update":agg "last = max(seen)"]],
    right = [[:group_by "user":emit "update":agg "last = max(ts)"]],
  },
  W309 = {
    later = true,
    message = "freshness … is shorter than the hold-back … of `derive`",
    page = "A grouped `derive` sends rows in order of time, once no earlier one can come. The "
      .. "sink asks for results sooner than that. `order = \"arrival\"` does not wait.",
    wrong = [[:derive "n = count() over '1h'":write(weir.view("v", { freshness = "1s" }))]],
    right = [[:derive("n = count() over '1h'", { order = "arrival" })
  :write(weir.view("v", { freshness = "1s" }))]],
  },
}
