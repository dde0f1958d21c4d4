--- The topics of `weir help` about a state: by name {title=, text=}.
return {
  inspection = {
    title = "Looking into a state",
    text = [[
  weir state ls DIR                    what it has: rows, bytes, watermarks
  weir state show DIR NAME             rows of one stage
  weir state query DIR "select …"      SQL (of SQLite) over the rows of stages
  weir state export DIR NAME > f.ndjson        with --format csv, tsv, …
  weir state verify DIR                each part is read, and its sums compared
  weir state save DIR TO               a copy of the last checkpoint: savepoint
  weir state reset DIR [NAME] --yes    begins anew, or one stage does
  weir run SCRIPT --state NEW --from TO     goes on where the savepoint stands

A stage is called by its `name = "…"`, its number or its kind; a sink or source
by its address. In SQL the tables are `name`, or as `agg_3`, with the number.

Rows of a stage are those that it would give if its input ended now: groups with
their results, rows that wait to be sorted. A stage that gives nothing then (one
that only remembers keys, as distinct, or sends each change at once) has none to
show; `ls` counts what it keeps. They are read by the script that wrote the
state, found where it was, or named: --script FILE, with the same -p.

All of this takes the state's lock: while a run has it, the answer is that run's
process number. Nothing but reset changes what a state holds. But one that an
older weir wrote gets the format of this one when it is opened, by all of these,
by `weir plan` and by a run that is refused: then the older weir does not take
it any more. Where you may go back to that, copy the directory before. `save`
alone does not mind a run: it asks it for a copy, which that makes behind its
next checkpoint, and waits for that, a minute or --timeout (W618). The run
stands still while it copies. To look into the state of a run, look into the
copy.

A savepoint holds positions, groups and what sinks need, no files that were
written: a run from it cuts a file that it goes on with to the length that it
had, and a file that is gone, or was finished since, is refused (W613 says which
and what to do; `weir plan SCRIPT --from TO` says so before, and what becomes of
another script). A start that is refused makes no NEW. The same words
again, behind a kill or an end, go on with NEW; a state that did not begin from
TO is refused (W411).
]],
  },
  tables = {
    title = "A table in the state: state:TABLE",
    text = [[
  orders:write("state:orders", { mode = "append" })
  totals:write("state:totals")                    upserts by the stream's key
  weir run job.lua --state job.state

The table stands in the run's state file, job.state/state.db, and its rows are
written in the transaction of the checkpoint itself. So each is there once,
whatever happens and whatever the pipeline gives when it runs again, with no
second file and no second sync. Modes, types and keys are those of `sqlite:`
(`replace` takes its place when the input has ended, `audit` works as there).

  weir state ls job.state                         tables, and their rows
  weir state query job.state "select …"           SQL over them and over stages
  weir state export job.state totals > f.ndjson
  weir.read("sqlite:job.state/state.db", { table = "totals" })    in a script

While a run holds the state nobody else reads it (another reader is told that
the database is locked): `weir state save DIR TO` makes a copy of a running one.
A savepoint holds the tables as they were at its checkpoint, and `--from` goes
on from that. `weir state reset` throws them away with the state. When a script
writes a table no more it stays as it is, and `weir plan` says so; one with new
columns is another table, or `weir plan` refuses.

Names that weir has there itself are refused: meta, part, piece, rows, spool,
and those that begin with `weir_`. Without --state the run is refused (W624).
]],
  },
  quarantine = {
    title = "A row at which the run dies",
    text = [[
A row that cannot be read or computed is a reject, and the run goes on (`weir
help rejects`). A row at which the process itself ends is none: a function that
does not come back (W701) or takes all memory (W702), a crash, a kill by the
system. With --state the next run begins at the last checkpoint, comes to the
same row, and dies again, for ever.

So the third of such lives in a row looks for it. Each step is kept: of 1,024
rows; when it dies there, of 32; then each row, and before a stage takes a row
it is written down which. A row at which two lives have died is rejected in that
stage (W514), with its source, position and text, and the run goes on as
always. A stopped function is looked for within one process; a crash takes
some seven lives, so something must start the run again: a supervisor, systemd.

  weir: warning[W621]: state s: … rows are read in steps of 32, …
  stage   code  reason              position            row
  derive  W514  the run died at it  line 7777 byte 92205  {"id":7777}

Nothing is lost: when the cause is mended, the row is read once more from the
rejects (`replay`). Which row it was is decided once, in a step that is kept,
and so is the same for every later run.

It is a search by deaths, so it can be led astray: who kills a run while one row
is taken by itself, twice at the same row, has it rejected. Where lives are only
ended from outside, the search ends after some rows, or 10 seconds, without
anything. A death outside of any row (a window that fires, a source that is
read) is told (W622) and rejects nothing. Rows of a pipe are looked for too,
where all of it is given from its start again.

What is known of dead lives lies in DIR/deaths until a run has gone on. A run
behind one that ended well writes none of it. `weir.settings { quarantine =
false }` turns it off.
]],
  },
  bookkeeping = {
    title = "Tables of weir's own in a database",
    text = [[
What makes each row come once with --state stands beside the rows, in the same
file or schema, and changes in the same transactions:

  weir_commit     how many rows of each sink are there, and whose they are
  weir_undo_N     what rows had before those that the state may not know of yet
                  came, to be taken back after a kill. N is the sink's number
                  in weir_commit; in SQLite `weir_undo` has a row for each
  weir_refused    rows that the database did not take, and why, until the state
                  knows of their rejects
  weir_new_TABLE  the rows of `mode = "replace"`, until the run is complete

Leave them alone as long as their state may go on, and take them along where you
copy or restore the table: without weir_commit the run is refused (W613), and
without weir_undo_N rows of the last checkpoint may stay, or the run is refused
(W623). A run without a state makes none but weir_new_TABLE.

A run that is complete drops its weir_undo_N and weir_new_TABLE itself, and
leaves a row in weir_commit. Of a state that is gone for good nobody drops
anything, nor of a sink that the script does not have any more, as `weir plan`
says: a savepoint of before may still need it. When none is left, drop it by
hand, `drop table weir_undo_…`, and `delete from weir_commit where sink = …`
(and from weir_undo, in SQLite); or all of them, when no state is left that
writes to this database. The name of the table stands beside the number.

A state that begins where a table with a key has rows says so: rows that come
replace those of the same key, whatever went into these, and the others stay.
Where that is not meant (the input of before is not all there any more), empty
the table or name another one.

In state.db itself `weir_partitions` has, of each partition of a `directory/`
that no row has come to for long, how many files it had. It goes with the state.
]],
  },
  retries = {
    title = "When a sink fails for a while: retries, breaker",
    text = [[
  :write("postgres:db/shop", { table = "t", timeout = "5m", retries = 100 })
  :write("sqlite:out.db", { table = "t", breaker = { cooldown = "30s" } })
  :write("out/", { format = "csv", roll = "10m", breaker = true })

What may be tried again is tried again, behind pauses that are drawn between 0
and a bound, which doubles from `retry_min` to `retry_max`:

  PostgreSQL  a lost connection, a server that starts or stops, a deadlock: the
              rows of the epoch are written once more on a new connection. A
              commit whose answer was lost is asked for in `weir_commit`, and
              never repeated blindly.
  SQLite      a lock of another program is waited for by the statement that
              needs it. After any other error nothing is tried in place.
  a full disk (W610) of files, a database or the state: an unknown part of what
              was written stands there. With --state and a `breaker` the run
              goes back to its last checkpoint, as a restart would, without
              ending. Not where a source is a pipe, which gives nothing twice.

Errors that time does not mend (a table that is not as it should be, no
permission, a failed read or sync of a disk) end the run at once.

Without a breaker it ends with W603 when `retries` or `timeout` is used up. So
it is where the input ends: what started the run hears of it. Where the input
never ends the breaker is on, and neither of the two ends the run:

  failures  so many in a row open it (a warning, W619): no attempt is made,
  cooldown  … for so long, then one. It fails: once more. It goes well: the
            breaker closes (W620) and the run goes on.
  limit     after so long the run ends after all. None by default.

A source waits too: one that reads PostgreSQL connects again as its `timeout`
and `retries` say. A table with a primary key is read on behind its last key; of
a query, or a table without one, nobody knows the order on another connection,
so the run ends where rows of it had come, and the next one goes on.

While it waits the run reads nothing, so what feeds it is held up and nothing
piles up here. The checkpoint before stands: SIGTERM ends the wait at once, and
the next run goes on from there, as it does after a kill. The last line of a run
says how long sinks were waited for. `breaker = false` turns it off.
]],
  },
  ranges = {
    title = "From here to there: start, stop, --until, --drain",
    text = [[
  weir.read("a.csv", { start = 1000, stop = 2000 })          1,000 records
  weir.read("a.csv", { start = "2026-01-31", stop = "2026-02-01" })
  weir run job.lua --until 5000rows
  weir run job.lua --until 2026-01-31T10:00:00Z --state job.state

`start` and `stop` say which records of a source are read: of files, SQLite,
PostgreSQL. A number counts records from 0, bad ones too, those of all files of
a glob together; `stop` is the first that is not read. A time is an event time:
of the first row that has it or a later one, so `event_time` must stand behind
the read. The source is cut there and not filtered: a row that is out of order
is in the range in which it stands. What ends at a place and what begins there
have together each record once; the input ends at `stop`, so windows fire.

`--until` stops a run there, of whatever sources:
  5000rows    when so many records of each were read (from its `start` on).
              Where others wait for one of them, they are read no further.
  a time      when no row before it can come any more: the frontier of each
              source has passed it, so all windows that end there have fired.
              Sources without event time are read to their end.
The tables of a `lookup` are read whole. The same rows are read for any
--batch-rows and --workers.

With --state the run stops with a checkpoint: what waits goes on waiting, files
that are written keep their other name, and the same command without --until
goes on with the next record. With --drain, and always without --state, the
input counts as ended there: all windows fire, files are complete, and with a
state the run is done for good.

A time is found by reading, so the standard input and a directory that fills
take numbers of records there (W203). Rows are looked at before they are taken:
Lua functions before `event_time` are called twice, and used once.

To run a part again, through a script that was mended: give it another --state
or none, and `start`, `stop`. What it writes is written again: a table with a
key takes the rows over the old ones; a file is made anew; `mode = "append"`
has them twice.
]],
  },
  replay = {
    title = "Rejected rows, once more",
    text = [[
  local rows = weir.read("in/*.csv", { schema = "id int64, day date" })
  local good = rows:expect "id > 0"
  rows:rejects():write "rejects.ndjson"

  local again = weir.read("rejects.ndjson",
    { replay = true, schema = "id int64, day date" })
  again:rejects():write "still_bad.ndjson"

With `replay` a file of rejects (`rejects()`, `weir.rejects()`, --rejects FILE;
NDJSON, JSON, CSV or TSV) is read as the records that were rejected: the text in
`raw` is decoded again, by the format that the name in `source` says, or by the
one that is named: `replay = "csv"`, `replay = weir.csv { delimiter = ";" }`.
They then go whatever way the script says, as those of a source do, and what is
mended in it is mended for them.

`schema` is that of the source. A text of CSV has no header, so its columns must
stand there in the order that they have in the file. A record that is bad still
is rejected again, at its place in the file of rejects: into another file than
the one that is read, else the run would never end (W203). So is a row without
`raw`, which was made of many, or came of a database. Late rows that `late()`
has written are rows of the stream, and read as any file, without `replay`.

Rows that a stage behind the read had rejected went no further than that stage,
but other branches have taken them: read them into a table with a key, which
takes them over, or into a branch of their own.
]],
  },
  evolution = {
    title = "A changed script and its state",
    text = [[
  weir plan clicks.lua --state clicks.state      what becomes of it
  weir plan clicks.lua --from SAVEPOINT          the same of a copy
  weir run clicks.lua --state clicks.state       goes on, or says why not
  weir run clicks.lua --state … --allow-rebuild  goes on without what is lost

Each source, stage and sink is found again by what it means: its expressions and
options, and those of all stages above it up to the sources. Where it stands in
the script, what stands beside it, comments and layout are no part of that; nor
is `name = "…"`, which tells stages apart that mean the same.

  kept      goes on as if nothing had changed
  migrated  the same; it has another name, or columns of it are read no more
            (they are kept as before)
  new       was not there. A sink gets the rows to come, none of those before
  rebuilt   what the state has of it is not what this script would have made
  dropped   the script has it no more. What was written to a sink stays
  refused   cannot go on, whatever is allowed; also a sink of files where those
            were completed since, or are older copies

A run goes on by itself with what is kept, migrated or new, and with a sink
less: then every file and table has what a run of the new script from the
beginning would have written, but for sinks that begin late. All else needs
--allow-rebuild, which says what is lost:

  a stage whose meaning, or that of a stage above it, has changed begins empty,
    with the rows to come: so does a new aggregate of rows that were read before
  a sink below such a stage, or below a changed filter, keeps what was written;
    rows of the new script follow. With other columns it is refused: write to
    another place
  a source that is another one (address, schema, options) is read from its
    beginning, and what comes of it alone is made anew
  the state of a stage, or the position of a source, that is in the script no
    more is thrown away

--limit and --shards must be as they were. A state of another format of weir is
refused, and says so.
]],
  },
  state = {
    title = "State: stop and go on",
    text = [[
  weir run clicks.lua --state clicks.state

Saves what the run knows (places in the sources, groups, windows, waiting rows)
in that directory, every second (`weir.settings { checkpoint = "5s" }`). A run
that was stopped or killed goes on from there when it is started again with the
same words, and says so:

  note: clicks.state: it goes on behind its checkpoint 9 of
        2026-03-31T10:00:00Z; 1200 rows are read already

Files and SQLite tables then hold each row once, also tables in the state itself
(`weir help tables`); the terminal may show rows twice.
`weir.settings { state = "clicks.state" }` says it in the script; the flag wins.

A changed script goes on with what means what it meant (`weir help evolution`);
else it is refused (W601), unless --allow-rebuild gives up what is lost. One
run at a time has a state; a second is refused and told the first one's process
number. A file that was read in part may have grown, but what was read of it
must be the same (W616). Files that have come since are read where their names
sort behind the place reached; others, and all of them once a run was complete,
are not read by this state. To begin anew, name another directory or remove
that one; a state.db that was emptied, or whose state.rows (the rows of large
tables) is gone, is refused (W613), and so is one whose rows went into a table
that somebody has dropped; that its rows were deleted nobody can tell.
`weir state save` copies a state; who copies the directory by other means does
so while no run has it, and whole. Of two copies one can go on: the other is
told that files, directories and tables are ahead of it, or complete (W617), and
while one runs it is kept out (W612). Where files are older than their state,
copies that were put back, it is refused too (W613); complete ones may be taken
away. What a state that was thrown away has left in a
directory (`.part` files) stays, and a note names it a day later. Without
--state a run keeps nothing and starts at the beginning.

Nor are rows that are appended to a file once the run was complete: with this
state it reads nothing more, which a note says. For data that grows every day
write a file for each day, and read it without a state (`weir run day.lua -p
day=2024-03-31`) into a table with a key, or by `mode = "append"`; or read all
of it anew each time, by `mode = "replace"`.

The standard input cannot be asked for what was read before: a run that goes on
needs all of it from the start once more, and refuses other bytes (W616). Rows
of a live pipe behind the last checkpoint are gone with a run that is killed.
Let such a program write a file, and read that by `follow` (`weir help follow`).

State is bounded by `weir.settings { memory = "1GB" }`. What does not fit goes
to a scratch file without a name, in `TMPDIR` or /var/tmp (W610 where that is
full): the rows of a `sort` that take more than a quarter of that, and those
windows of an `agg` that no row has come to for the longest, where all take
more than a half. A row for such a window brings it back whole, so rows that
jump between many windows take long.

Groups of an `agg` without a window, keys of `dedup` and `distinct` and groups
of a `top` of few rows go there where they take more than a half, which the
stages of a script share. Groups that leave once, at the end: those in memory
stay, and rows of other keys wait in the file for the end, which costs little;
groups are then made of one part of the keys after the other; groups of a `top`
or a `dedup` of the first or last row leave in order, and are merged at the end.
With a state all rows of an `agg` wait for the next checkpoint, which then takes
longer. Elsewhere pages of the tables leave that were not asked for, and a key
of such a page brings it back: keys in no order then cost a read and a write of
some kilobytes a row.

Rows of a `join` go there where both sides take more than that share, those
first that can be met for the shortest time, and so does the table of a
`lookup`. A row that looks for its like reads 4 KB for each that it finds there.

With little memory batches are smaller, at most a row for 4 KB of it whatever
--batch-rows says, and stages have one shard for each 4 MB, whatever --workers
says. A run takes more than `memory` by what it has read, up to 64 MB or an
eighth, by a checkpoint that is being written, and by 10 to 30 MB for the
program and its threads.

The list of what one row of a join meets must fit (24 bytes for each), and what
a single window or another stage (`match`, `fill`, `asof`, frames, a `top` of
many rows) needs, else the run ends (W602), and says which stages hold how much,
and a `memory` with which it would have gone on from there. `weir check` says
what a script takes before its first row, and refuses less; `weir explain
--analyze` shows what each stage kept, and how much of it in the file.
]],
  },
}
