--- Topics of `weir help`: what no single stage or function says. Lines of at most 80 columns.
local topics = {
  script = {
    title = "A script",
    text = [[
A script is Lua. Every stage returns a new stream; a branch is a local variable.
Reading a script runs nothing: `weir check` tells what is wrong, at its place,
and `weir explain` what would happen. Paths of files start at the directory that
weir is started in; `require "clean"` reads clean.lua beside the script.

  local clicks = weir.read("clicks.ndjson", {
    schema = "user string, amount float64, country string, ts timestamp",
  })
  clicks
    :event_time("ts", { max_delay = "5s" })
    :filter("amount > $min", { min = 100 })
    :window(weir.tumbling "1m")
    :group_by "country"
    :agg "n = count(), revenue = sum(amount)"
    :write("sqlite:out.db", { table = "revenue" })
]],
  },
  expressions = {
    title = "Expressions and lists",
    text = [=[
Strings hold Lua's expressions over columns: `amount > 100 and country == 'DE'`.
Added to Lua: paths `a.b[1]`, `x in (1, 2)`, `x like 'a%'`, `x ?? 0` (when x is
nil or fails), `case(c, v, …, else)`, `$name` (a parameter), `f(x where c)`.
Not there: Lua variables by name. `!=` is `~=`, `&&` is `and`, null is `nil`.

Text is UTF-8. `#x`, len, sub, left, find, lpad, … count bytes, as Lua does, and
upper, lower change a to z alone; char_length counts characters, and in a
pattern of regex_find, regex_match, … `.` is one.

A list is `name = expr` lines or commas; a bare column needs no name. A later
item sees earlier ones; `local x = …` is a helper that becomes no column.

  :derive [[
    local net = amount - tax
    margin = net / amount
    big    = net > 1000
  ]]

Any expression or list may be a Lua function instead:
  :filter(function(e) return e.amount > 100 end)
  :derive("host string", function(e) return e.url:match("//([^/]+)") end)
]=],
  },
  lua = {
    title = "Lua functions",
    text = [=[
Where a string stands, a Lua function may stand, and both mean the same:

  :filter(function(e) return e.amount > 100 end)
  :derive("host string", function(e) return e.url:match("//([^/]+)") end)
  weir.def("vat(x float64) float64", function(x) return x * 0.2 end)

`e` is the row: e.name, e["Total Amount"]; it is read-only and lasts for the
call. All functions of expressions are there, as globals and as methods; nil
passes through arithmetic and calls; times and decimals are values with
operators. There is no `??`, `in` or `like`: write coalesce(a, b),
contains(list, x), like(x, p), and pcall where something may fail.

A row function keeps nothing between rows: one that assigns to a variable
outside is refused (W705). Lua's io, os, debug and load are not there (W703); a
name that nothing defines is told before the run (W511). A script may use 64 MB
(W702) and 5 s while it is read, and 250 ms for every 256 calls (W701).

A json value is a table in a function, which has no order of members and no
null: given back, its members are in the order of their names, and those that
were null are gone. What is to stay as it was is not handed through a function.

A string is faster: it runs as native code over a batch of rows, a function row
by row in the Lua machine. `weir explain` says which is which.
]=],
  },
  types = {
    title = "Types",
    text = [[
bool int64 float64 decimal(p,s) string bytes timestamp date duration json
list<T> struct<name T, …> map<K,V>. Every type includes nil.

Nothing is converted by itself but int64 beside float64. The type's name is its
conversion: int64(x), string(x), timestamp(x, '%d.%m.%Y'). They fail rather
than lose: the row is rejected; `int64(x) ?? 0` catches it.
A json value is looked at row by row: j + 1 and j > 1 take any number. Where a
function has a form for int64 and one for float64, as abs(j), it is float64.
int64 wraps as in Lua; sum() does not. `/` of int64 and float64 is float64, `//`
of int64 is int64.
Decimals are exact and stay decimals, with int64 too: `+ - * %` keep all digits
behind the point, `/` has at least 6 of them, `//` none; more than 38 digits
fail. Beside float64, and for `^`, write float64(x) or decimal'0.5'. sum, min,
max are decimals; avg has 6 digits more; median, quantile, stddev are float64.
Literals: timestamp'2024-03-31T10:00:00Z', date'2024-03-31', duration'1h30m',
decimal'0.908'. Timestamps are microseconds, UTC.
]],
  },
  ["nil"] = {
    title = "nil",
    text = [[
nil equals only nil: `x == nil`, `x ~= nil`. It is ordered against nothing:
`x < 5` is false when x is nil, and so is `x >= 5`. It passes through
arithmetic, `..` and calls: `nil + 1` is nil. A condition that is nil is not
true. Aggregates skip nil; count() counts rows. nil is a group of group_by, and
comes last in every sort. `x ?? y` and coalesce(x, y) replace it.
]],
  },
  time = {
    title = "Event time and lateness",
    text = [[
`:event_time("ts", { max_delay = "5s" })` says which column is the time of a row
and how far rows may be out of order. The frontier is the newest time seen minus
max_delay: windows that end at or before it are complete, and their results
leave. A row that comes for complete windows only is late: `:late()` is a stream
of such rows, and where nobody reads it they are rejected (W507).
Lateness is judged for each part of the input by its own newest time (a glob is
one part, in the order of the names; `partitions = "each"` makes a part of each
file), so it depends on nothing else: not on batches, not on what came first
from another part. An input that ends completes everything. Inputs that never
end are waited for as long as `idle` says ("5s"); when none has a row for that
long, time goes on by the clock, so that the last windows close, and rows that
come later than that are late. Where files come every hour: `idle = "2h"`.

  local hourly = flights:event_time("ts", { max_delay = "1d" })
    :window(weir.tumbling "1h"):group_by "carrier":agg "n = count()"
  hourly:late():group_by "carrier":agg "late = count()":print()

`:window(weir.tumbling "1h", { allowed_lateness = "1h" })` takes such rows for
so long after the end of a window, and corrects its result: a changelog
(`weir help changelog`). Later ones are late.
]],
  },
  windows = {
    title = "Windows",
    text = [[
  :window(weir.tumbling "1h")                       one after the other
  :window(weir.hopping("10m", { every = "1m" }))    overlapping
  :window(weir.cumulative("1d", { every = "1h" }))  growing: the day so far
  :window(weir.calendar "month")                    by the calendar of a zone
  :window(weir.session "30m")                       a key's rows without a gap
  :window(weir.count(100))                          so many rows of a key

A window holds rows with start <= time < end. It needs `event_time` before, and
a consumer behind: `:group_by "k":agg "n = count()"` gives
window_start, window_end, k, n. Results come when the frontier passes the end.
Windows are aligned to 1970-01-01T00:00Z; `offset` moves them. Days of New York,
of 23 to 25 hours: `weir.calendar("day", { timezone = "America/New_York" })`.
An agg, top or dedup may take rows that are late, over all windows but count:
`:window(weir.tumbling "1h", { allowed_lateness = "10m" })` (`weir help time`).

Results have their windows as columns, which group them again. The first of each
hour; without the `group_by` it would be the first of all hours:

  :window(weir.tumbling "1h"):group_by "user":agg "n = count()"
  :group_by "window_start, window_end":top(1, "n desc")
]],
  },
  frames = {
    title = "Frames: over the rows before",
    text = [[
In a `derive` behind `group_by` each row stays, and aggregates are over rows of
its group, in the order of event time:

  :group_by "user":derive [=[
    total = sum(amount)             -- from the first row to this one
    hour  = sum(amount) over '1h'   -- the hour up to the time of this row
    five  = avg(amount) over 5      -- this row and the four before
  ]=]

`:group_by()` makes all rows one group. Every aggregate takes a frame, one of
`weir.aggregate` too; lag, lead, row_number, rank, dense_rank, delta and rate
take none.

`over '1h'` includes the row that is exactly one hour before, and all rows of
this row's own time, also those that come behind it; with `order = "arrival"`
only those that have come. `over 5` counts rows: this one, and those in which
the value is nil, so an avg may be over fewer values. `count(where c) over 5` is
of the last five rows those for which c holds. Rows of the same time stand in
the order of their sources in the script, then as they were read.

Under a window a frame sees only rows of that window.
]],
  },
  changelog = {
    title = "Changelogs: streams that correct themselves",
    text = [[
A stream of updates takes rows back and sends others in their place. `weir
explain` says `updates` of it, `:print()` shows each change with a column `op`:
insert, update (the new row) or delete.

Makes one:
  :emit "update"                before agg, top, derive, dedup, join, …
  allowed_lateness              of a window: late rows correct its result
  :as_table "id"                rows as versions of the row with their key
  join                          an outer one without `within`, of endless input

Takes one, and gives one: stages that work row by row, agg, pivot, top, dedup,
distinct, derive behind group_by, join, union, unnest, unpivot, and lookup.
asof_join takes one as its other stream and gives rows that stay. An agg behind
`:emit "final"` gives the last result alone, when its input has ended.

Does not (W305): sort, limit, sample, match, as_table, count windows.
`:changes()` before them makes a row of each change, with `op`, and an ordinary
stream of it.

Sinks: SQLite and PostgreSQL replace rows by the stream's key (the columns of
group_by), or by `key = "…"`; a file or stdout takes `:changes()` only (W306).
A row that is taken back deletes the row of its key, one from before the run
too. But changes that come to nothing within one batch do not get there, and
leave such a row: keep the table to one pipeline, or say `mode = "replace"`.
]],
  },
  flink = {
    title = "For those who know Flink",
    text = [[
Results are those of Flink where event time says what they are. What differs is
meant to:

  late rows     Judged by the frontier of their own partition just before them,
                not by how far an operator happens to be: which rows are late
                is a property of the input, for any batches and any shards.
  frontier      Exclusive: rows with time >= W may still come. A window fires
                when its end is <= W.
  inputs        Several are merged by event time into one order, always the
                same; `first`, `row_number`, `dedup` and changelogs follow it.
  idle inputs   Step aside when they were polled and had nothing, and that for
                as long as `idle =` says. A file has no such moment.
  count windows The last one leaves at the end of the input, though not full.
  updates       Two rows next to each other, the old one and the new. Where
                nobody sees each of them, those of a step are netted.
  outer joins   Within bounds of time, rows without a match leave when nothing
                can meet them any more, in the order of their times; without
                bounds they leave at once and are taken back.
  dedup, top    Stages of their own, not a pattern over ROW_NUMBER. Behind
                windows, `window_end` among the keys makes results final.
  nil keys      Meet nothing in a join; in `group_by` they are one group.
  match         Rows with equal times stand in the order of the input, and
                `within` ends an attempt when the frontier proves it.
  processing    `processing_time` is the clock of the step, the same for all
  time          rows of it.

As in Flink: a session goes on over a gap that is exactly as long, and a row
near a session that was dropped, which is not late itself, begins one of its
own; a row may be late for the older of the windows that overlap and count in
others.
]],
  },
  rejects = {
    title = "Rejected rows",
    text = [[
A row that cannot be read, whose expression fails, or that breaks `expect` is
rejected with a code (W501 to W514); the run goes on. `:rejects()` is a stream
of those of a chain, `weir.rejects()` of the script, with the columns

  at        the event time of the row, where it had one
  stage     what rejected it: "derive", …, a `read`'s address; or its `name`
  code      "W502"; `weir help W502` explains it
  reason    what went wrong, to group by; of `expect` the name of the condition
  detail    what is particular to the row: "value `four` does not fit int64
            (column `delay`)", "late by 3s", all conditions that failed; of an
            expression the item that it is of: "`share`: 10 // 0"
  script    where the stage stands: "clean.lua:8:4"
  source    the file
  position  where in it: "line 188 byte 13619"
  attempt   1; of a record that is read again (`replay`) one more than before
  raw       the record as it was read: bytes, which JSON and CSV have as base64;
            `:rejects():derive "raw = string(raw)"` makes text of them
  row       the row as JSON

Their order is that of the records that they came from: source, partition,
record, then stage; rows that were made of many come last. So those of several
sources or partitions leave when the input has ended, a pipe too (`weir state
ls` counts those that wait); of an input that never ends they leave as they
come. What lies behind the last row that a `limit` wanted has not happened,
unless another branch reads on.

A field that no stage reads is not converted, so it rejects nothing (in `row` it
is nil where it does not fit);
`weir.read("x.csv", { check = "all" })` looks at every field of every row.

`--rejects FILE` writes them, in the format that the name says (`r.ndjson`,
`r.csv.gz`); without either, a summary by reason is shown at the end.
`--max-bad N`: where more are rejected, the run is carried to its end and the
exit code is 4.
]],
  },
  partitions = {
    title = "Partitions of the input",
    text = [[
A partition is a part of a source with its own order and its own newest time;
lateness is judged in each by itself (`weir help time`). The files of a glob are
one partition, read in the order of their names:

  weir.read "log/*.ndjson"                            one, day after day
  weir.read("shop/*.ndjson", { partitions = "each" }) one for each file

With "each" the files are read side by side, as by machines that wrote them at
the same time: a stage that waits for event time takes the least of their
times, and the rows of a machine that is behind are not late. Rows of one
partition keep their order; those of several are merged by event time where a
stage is ordered by it, and always in the same way.
]],
  },
  promises = require("weir.promises").TOPIC,
  endpoints = {
    title = "Files and other endpoints",
    text = [[
  weir.read "in/*.csv.gz"         a path, glob or directory/, in name order
  weir.read("a.log", { follow = true })           as it grows: weir help follow
  weir.read "-"                   the standard input (NDJSON)
  weir.read("sqlite:a.db", { table = "t" })       or { query = "select …" }
  :write "out.ndjson"             replaced as a whole when the run is complete
  :write("out.csv", { mode = "append" })          or "new"
  :write("sqlite:a.db", { table = "t" })          upsert by the stream's key
  :write("state:t")               a table in the state file: weir help tables
  weir.postgres("db:5432/shop", { table = "t", user = "app", password = … })
  :write "stdout:"  :write "blackhole:"  :print()

The text "x:address" is weir.x "address". Formats by file name, or `format =`:
csv tsv ndjson json lines; md and table are only written. `.gz` and `.zst` are
read by what they hold and written by their name.

What a run appends to is its own while it runs: a second run is refused (W612),
and where another program writes there, or takes the file away, the run ends and
leaves it as it is (W626).
]],
  },
  stdin = {
    title = "The standard input",
    text = [[
  zcat log.gz | weir run job.lua          in it: weir.read "-"
  kubectl logs -f app | weir -e ":filter \"level == 'error'\""

`weir.read "-"` reads it: NDJSON, unless `format` says otherwise; gzip and zstd
are known by their first bytes. Without a `schema` it is taken from what comes
first. It is read once: a script has one such source, whose stream may branch
(W609). `weir -` reads the script itself from there.

Rows go on as they come, and the input ends when who writes it closes it, or by
`--until` and signals. What cannot be asked for twice has its price: a run that
goes on from a --state needs all of the input from its start once more, and
refuses other bytes (W616); without that, rows behind the last checkpoint are
gone with a run that is killed. Let such a program write a file, and read that
by `follow` (`weir help follow`).
]],
  },
  follow = {
    title = "Files that grow, directories that fill",
    text = [[
  weir.read("app.log", { follow = true })             one file, as it grows
  weir.read("in/", { follow = true, format = "csv" }) files that come
  weir.read("logs/*.log", { follow = true })          both

Such an input never ends: SIGINT and SIGTERM end the run, with a last
checkpoint, or --limit does. With --state it goes on where it was, after a kill
too, and each row is in files and SQLite tables once. What is written by
`mode = "append"`, or into a table, is there after each `checkpoint` (1 s), with
a state or without; a file that is replaced appears when the run is complete, so
never: a note says that, and `weir check`. When no input has had a row for the
`idle` of its `event_time` (5 s), time goes on by the clock, so that the last
windows close: where files come seldom `idle` must be longer than the time
between them, else their rows are late. Give a `schema`: then the first file may
come later.

One file. A last line without its end waits for it. Where the file is renamed
and a new one made in its place, it is read to its end under its new name, for a
second behind its last byte, then the new one. If that happened more than once,
also while weir was down, those between are read too: files beside it whose
names begin with its own and go on with `.` or `-`, also .gz and .zst, by when
they were changed. Where that is the same, as clocks of file systems tick by ms
or by s, by their names: `app.log.1` is younger than `app.log.2`, unless their
times say that numbers grow; dates by their order. A file is known again by its
number (inode) and its content; where it is gone, a run with a state does not
start (W616), since rows would be missing. A file that is cut, or emptied and
written anew (copytruncate), is told and read from its start: what was written
just before may be missing, so rename.

A directory or glob. Files that are there, then those that come: at each look in
the order of their names, also those that sort before others that were read.
Write a file under a name that begins with `.` or `_`, or ends in .tmp, .part or
.partial, and rename it when it is whole: such names are passed over. A file
that grows is read on. When nothing has changed for 10 s its last line needs no
end. Compressed files are read once, as they come. A file that is renamed is
read to its end and not again, whatever its new name: the 128 that changed last
are kept open; of others, and after a restart, it must begin with the old name
and `.` or `-`. What was rotated in between is read too, as of one file, and a
.gz or .zst of a file that was read, which has its name and begins as it did, is
not, but for what that file had more. What a new name has beside it (`b.log.1`,
a number or a date) is read if it was changed since the last look, and not where
it was there before the first. A file with several names (hard links) is read
once. The same name and the same content up to where reading stood is the same
file (a job that was copied, rsync); another file under a known name is a new
one: it is told, and read from its start. A file that is away for a while (moved
out and back, copied back, compressed meanwhile) goes on where it was, if it has
its number, its time or more than it had: the 1,000 that went last are known,
and all that went at once. One that is written again with the same content, a
second or more behind the first, is new by its time. Where the directory is
gone, or is another one without any file (a disk that is not mounted), its files
are waited for, not read again. All files are one partition, read one after the
other: `max_delay` must cover how far the times in them overlap, and behind a
stop how much came meanwhile.
A directory is looked at every 100 ms, or less often: 2 % of the time at most.
With --state a look is kept before its rows are read: up to one `checkpoint`
more.
]],
  },
  audit = {
    title = "Checks of all rows before any is published: audit",
    text = [[
  orders:write("orders.csv", { mode = "append",
    audit = "enough = count() >= 1000, money = sum(amount) > 0" })

Conditions over all rows of a write, each with a name: aggregates as in `agg`.
The unit is the run: they are looked at when the input has ended, and one that
is not true fails the run (W608, exit code 1) with nothing published by it. The
input must end; `expect` checks each row, also where it does not.

Until then the rows stand beside their place, and then get there:

  a file            a file `.part`, which takes its name
  mode = "append"   a file `.part`, whose bytes are copied behind those of the
                    file. Another program must not write to it meanwhile.
  partition_by      files that begin with a dot, which get their names
  roll              the same: all files of the run, behind the audit
  sqlite, state,    a table `weir_new_NAME`; one transaction puts its rows into
  postgres          their place. An audit that fails leaves it for looking at.

With --state a run that was killed anywhere goes on, and what is published is
there once. Its rows beside stay when an audit fails; without a state those of
files go. All audits of a script are looked at before any of it is published;
without a state they hold back all that the script writes. Each write is
published by itself, so a kill between two of them leaves the first one
published, until the run has gone on.
]],
  },
  roll = {
    title = "Files that roll",
    text = [[
  :write("out/", { format = "ndjson", roll = { rows = 100000, every = "1h" } })
  :write("out/", { format = "csv", partition_by = "country",
    roll = { size = "64MB", quiet = "10m" } })

Rows go into one file after the other: out/part-0000000000.ndjson, …, by
`partition_by` in each directory. A file is complete, and the next row begins
another, by whichever comes first:

  rows    it has so many rows
  size    it has so many bytes, before compression, behind its last row
  every   event time has passed the next multiple of this behind its first row
  quiet   event time is so far behind its last row (roll = "10m" says it alone)

or when the input ends. A late row, whose interval is over, goes into the file
that is open; where none is it begins one, which late rows to come go into too,
until event time passes the next multiple of `every`, or for `quiet`. Which row
is in which file depends on the rows alone: with --state it is the same whenever
the run was stopped or killed. `every` by the clock: `:processing_time "at"`
before. A file has a name that begins with a dot until it is complete; with
--state it gets its own when a checkpoint knows that. A run without a state that
is stopped completes the file that it writes. Names sort in the order of the
files. Files of an earlier run are removed when the first new one is there;
`mode = "append"` counts on, "new" refuses them.
With `size` each row is written by itself, which is slower.
]],
  },
  text = {
    title = "Values as text",
    text = [[
                 NDJSON, JSON             CSV, TSV           SQLite
  timestamp      RFC 3339, Z              same               same, TEXT
  date           2024-03-31               same               same, TEXT
  duration       ISO 8601, PT1H30M        same               same, TEXT
  int64          digits                   same               INTEGER
  float64        shortest that reads      same               REAL
                 back equal
  nan, inf       null                     nan inf -inf       inf; nan is W509
  decimal        "0.90"                   0.90               TEXT
  bool           true                     true               0, 1
  bytes          base64                   base64             BLOB
  nil            null                     empty, or `null =` NULL
  json, list, …  JSON                     JSON               JSON, TEXT

How many nan and inf became null is said at the end of a run. An empty string is
"" in CSV. Every output is UTF-8: a string that a function has cut between the
bytes of a character leaves with U+FFFD for each byte that cannot stand, in all
of these and in tables. Bytes that are no text are of type bytes.

A table that weir makes in SQLite declares its columns as TIMESTAMP TEXT,
DECIMAL TEXT(38,2), BOOLEAN, …, so that they are read back as they were. SQLite
adds a DECIMAL TEXT up as floats. The key is a unique index on ifnull(key, x''),
in which nil is one key; ON CONFLICT needs these words too.

In PostgreSQL the types are boolean, bigint, double precision, numeric(p,s),
text, bytea, timestamptz, date, interval, and jsonb for json, list, struct, map.
nan and inf are values there. The key is a unique index, nulls not distinct.
]],
  },
  schemas = {
    title = "Schemas",
    text = [[
  schema = "id int64 key, name string required, ts timestamp(ms)"

Without one, a local file is sampled (16 MB). `weir schema pull clicks.lua`
writes the lock file, clicks.schema: commit it, and a source that has changed
ends the run with W407. Values that fit into the locked type are no change, and
are read by it: integers as float64, any text of a CSV as string, a column
without values as whatever it is.
timestamp(ms), timestamp('%d.%m.%Y') say how text is read. `key` is the default
key of sinks. @pii(id) and other notes are kept. A comment describes its column.
]],
  },
  parameters = {
    title = "Parameters",
    text = [[
  weir.params "day date, min int64 = 100"
  weir.read "sales_$day.csv":filter "amount > $min":print()
  weir run sales.lua -p day=2024-03-31

Without a default they are required. `$name` stands in expressions and
addresses; `local p = weir.params …` gives them to Lua, as p.min.
A key beside a string is a parameter of that string alone:
  :filter("amount > $min", { min = 5 })
]],
  },
  ["exit-codes"] = {
    title = "Exit codes",
    text = [[
  0    done
  1    the run failed, or a test
  2    wrong use of the command line
  3    an error in a script
  4    done, but more bad rows than --max-bad
  6    a file to read is not there, or none matches; no tests were found
  130  interrupted (SIGINT); 143 ended (SIGTERM)

The standard output holds data only; messages, summaries and progress go to the
standard error.
]],
  },
  tests = {
    title = "Tests of scripts",
    text = [=[
In clicks_spec.lua beside clicks.lua (`weir help script`), run by `weir test`:

  describe("clicks", function()
    it("counts a minute", function()
      local t = weir.test("clicks.lua")
      t:feed("clicks.ndjson", {
        { user = "a", amount = 200, country = "DE", ts = "2024-01-01T00:00Z" },
      })
      t:finish()
      t:expect_rows("revenue", [[
        window_start,window_end,country,n,revenue
        2024-01-01T00:00:00Z,2024-01-01T00:01:00Z,DE,1,200
      ]])
    end)
  end)

The engine is the one that `weir run` uses, with a clock that the test moves.
Also: weir.test("x.lua", { params = { min = 1 } }), t:advance_watermark(ts),
t:advance_time "10s", t:crash(), t:rows(name), t:rejects(),
t:expect_rejects { code = "W506", n = 1 }. Expected rows may be CSV text or a
golden file (.csv, .ndjson) beside the script; `weir test --update` writes it.
]=],
  },
  simulation = require("weir.help_simulation"),
}
for name, topic in pairs(require("weir.help_topics_state")) do
  topics[name] = topic
end
return topics
