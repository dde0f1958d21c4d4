--- W4 to W9: endpoints, rows, the run, Lua, hints.
return {
  W401 = {
    message = "no such file: …",
    page = "The file is not there, or the glob matches nothing. Paths are relative to the "
      .. "directory that weir was started in.",
    wrong = [[weir.read "clicks-*.ndjsn"]],
    right = [[weir.read "clicks-*.ndjson"]],
  },
  W402 = {
    message = "unknown scheme `…`",
    page = "What stands before `:` in an address says which endpoint is meant; a file's format "
      .. "comes from its name, or from `format`. A path that holds a colon is given as "
      .. "`weir.file \"a:b\"`.",
    wrong = [[:write("out.dat", { format = "excel" })]],
    right = [[:write("out.dat", { format = "csv" })]],
  },
  W403 = {
    message = "table `…` has column … of type …, the stream has …",
    page = "The table exists already and does not fit the stream. Nothing is converted on the "
      .. "way into a database: `derive` the column with the type that the table has, or write "
      .. "another table.",
    wrong = [[:write("sqlite:out.db", { table = "users" })  -- its column age is text]],
    right = [[:derive "age = string(age)":write("sqlite:out.db", { table = "users" })]],
  },
  W404 = {
    message = "upsert needs a key",
    help = "without one say `mode = \"append\"` or `\"replace\"`",
    page = "A stream without a key cannot replace its rows. `append` adds the rows of every "
      .. "run, so a second run doubles them; `replace` empties the table first. A stream of "
      .. "updates needs a key in any case: by it a row is found that is taken back.",
    wrong = [[clicks:write("sqlite:out.db", { table = "clicks" })]],
    right = [[clicks:write("sqlite:out.db", { table = "clicks", mode = "append" })]],
  },
  W405 = {
    message = "password in a URL",
    help = "`weir.secret`",
    page = "Addresses are shown in plans, logs and errors, so they hold no passwords. Secrets "
      .. "come from the run's secret store.",
    wrong = [[weir.read "postgres://app:s3cret@host/shop"]],
    right = [[weir.postgres("host/shop", { user = "app", password = weir.secret "shop" })]],
  },
  W406 = {
    message = "not allowed: …",
    help = "`--allow …`",
    page = "A script reads neither the environment nor what lies outside of its inputs, unless "
      .. "the command line allows it.",
    wrong = [[weir run job.lua]],
    right = [[weir run --allow env=REGION job.lua]],
  },
  W407 = {
    message = "schema differs from the lock file: …",
    page = "What was found is not what `SCRIPT.schema` says. A column is missing or new, or has "
      .. "values that its locked type cannot hold. Look at the difference, then pull the schema "
      .. "again and commit it.",
    wrong = [[weir run job.lua]],
    right = [[weir schema pull job.lua && weir run job.lua]],
  },
  W408 = {
    message = "the schema of … is not known",
    help = "`schema =`, or run `weir schema pull`",
    page = "The columns of a file come from a look at its first 16 MB, and there is nothing to be "
      .. "seen: it is empty, or not of this format. Written down, in the script or in its lock "
      .. "file, they are known all the same.",
    wrong = [[weir.read "clicks.ndjson"   -- which is empty today]],
    right = [[weir.read("clicks.ndjson", { schema = "user string, ts timestamp" })]],
  },
  W410 = {
    message = "`…` is read by this script",
    page = "A file is replaced as a whole when the run is complete, and this one is an input of "
      .. "the same run: a second run would read what the first has written. In the same way a "
      .. "place that is written twice would keep the rows of one write only. Links and other "
      .. "spellings of a path are the same file.",
    wrong = [[weir.read "a.csv":filter "x > 0":write "a.csv"]],
    right = [[weir.read "a.csv":filter "x > 0":write "b.csv"]],
  },
  W411 = {
    message = "`…` exists already",
    help = "`mode = \"replace\"` or `\"append\"`, or another name",
    page = "`mode = \"new\"` writes no file and no table that is there. Without `mode` a file is "
      .. "replaced as a whole when the run is complete. A write that had ended, by the state of "
      .. "an earlier run, takes no more rows either.",
    wrong = [[:write("out.csv", { mode = "new" })   -- which is there]],
    right = [[:write("out.csv", { mode = "replace" })]],
  },
  W501 = {
    message = "cannot parse …",
    page = "A row of the input is not what the format says: a quote that does not close, a bad "
      .. "escape, too many fields. The row goes to the rejects with its bytes and position; the "
      .. "run goes on.",
    wrong = [[{"user": "ann", "amount": }]],
    right = [[{"user": "ann", "amount": 12.5}]],
  },
  W502 = {
    message = "value … does not fit … (column …)",
    page = "The row was read, but a value is not of the column's type. Read the column as a "
      .. "string to look at it, or convert it by a function with `??`.",
    wrong = [[schema = "amount int64"   -- and a row says 12.5]],
    right = [[schema = "amount float64"]],
  },
  W503 = {
    message = "division by zero",
    page = "`//` and `%` of int64 and of durations fail for zero, as in Lua; `/` of numbers "
      .. "gives inf. `??` gives another value.",
    wrong = [[:derive "per_day = total // days"]],
    right = [[:derive "per_day = total // days ?? 0"]],
  },
  W504 = {
    message = "overflow",
    page = "The result of a decimal, a time or a sum has no room in its type. Products of int64 "
      .. "wrap as in Lua and do not fail; convert to float64 or decimal before.",
    wrong = [[:agg "total = sum(big)"]],
    right = [[:agg "total = sum(float64(big))"]],
  },
  W505 = {
    message = "wrong kind: … where …",
    page = "A json value was of another kind than the operator or the function needs, or a Lua "
      .. "function returned something else than its declaration says.",
    wrong = [[:derive "n = payload.count + 1"   -- and a row says "three"]],
    right = [[:derive "n = int64(payload.count) + 1 ?? 0"]],
  },
  W506 = {
    message = "no event time",
    page = "The column of `event_time` was nil, or its expression failed, in this row. It goes "
      .. "to the rejects, because it stands nowhere in time.",
    wrong = [[:event_time "ts"]],
    right = [[:event_time "ts = ts ?? received"]],
  },
  W507 = {
    message = "late by …",
    page = "The row came after its window, or its group, was complete. `late()` gives such "
      .. "rows; a larger `max_delay` waits longer for them.",
    wrong = [[:event_time("ts", { max_delay = "0s" })]],
    right = [[:event_time("ts", { max_delay = "30s" })]],
  },
  W508 = {
    message = "expectation `…`",
    page = "A condition of `expect` was not true for this row. All conditions that failed are "
      .. "named in the reject's `detail`.",
    wrong = [[:expect "positive = amount > 0"   -- and a row has -1]],
    right = [[:expect("positive = amount > 0", { on_fail = "warn" })]],
  },
  W509 = {
    message = "sink refused: …",
    page = "The sink cannot take this row, for instance a NaN in a database column. The other "
      .. "rows of the same write are not lost. A row that breaks a constraint which PostgreSQL "
      .. "checks at the commit (`deferrable initially deferred`) is rejected when all rows of its "
      .. "epoch are there, in whatever order they came. A row that a table leaves out without an "
      .. "error (a trigger that says `raise(ignore)` or gives null, a rule that does nothing "
      .. "instead, `on conflict ignore`) is no reject, since the table was told to: a note says so "
      .. "once, and the last line of the run how many there were.",
    wrong = [[:write("sqlite:out.db", { table = "t" })   -- and a row has NaN]],
    right = [[:filter "not is_nan(x)":write("sqlite:out.db", { table = "t" })]],
  },
  W510 = {
    message = "row longer than …",
    page = "One row of the input is longer than the limit, often because a quote does not close "
      .. "and the rest of the file is taken for one field. The row is skipped up to its line's "
      .. "end.",
    wrong = "user,comment\nann,\"never closed",
    right = "user,comment\nann,\"closed\"",
  },
  W511 = {
    message = "Lua error: …",
    page = "A Lua function of the script raised an error for this row. The row is rejected; the "
      .. "message has the line. nil is passed through arithmetic and calls, so most functions "
      .. "need no checks.",
    wrong = [[:derive("n int64", function(e) return error(e.user) end)]],
    right = [[:derive("n int64", function(e) return #e.user end)]],
  },
  W512 = {
    message = "missing required column",
    page = "A `required` column is nil in this row, or the file has no such column at all.",
    wrong = [[schema = "id int64 required"   -- and a row has no id]],
    right = [[schema = "id int64"]],
  },
  W513 = {
    message = "match rejected",
    page = "A match of `match` that is no result. Either `after` leads to no row behind the first "
      .. "one of the match (its variable took no row, or the first one), so that the next match "
      .. "would be the same again; the next row is tried then. Or there were more than 1000 ways "
      .. "to go on at once: conditions that look at the rows of the match keep ways apart that "
      .. "would be one; `within`, or a pattern with less choice, bounds them.",
    wrong = [[local m = { pattern = "a b*", after = "first a" }]],
    right = [[local m = { pattern = "a b*", after = "next" }]],
  },
  W514 = {
    message = "the run died at it",
    page = "Runs with a state died again and again when they came to this row in this stage: the "
      .. "process was killed or crashed, or a function ran out of time or memory (W701, W702). So "
      .. "the row was looked for, in smaller and smaller steps, and is left out. What the row is, "
      .. "where it stands and its text are in `:rejects()`, as of every rejected row: when the "
      .. "cause is mended it is read once more (`replay`). See `weir help quarantine`.",
    wrong = [[:derive("n int64", function(e) while e.size > 0 do end return 0 end)]],
    right = [[:filter "size == 0":derive "n = 0"]],
  },
  W601 = {
    message = "state … is of another script",
    page = "The script is not the one that wrote the state, and something in the state is not what "
      .. "this script would have made of the same rows: a stage, an expression, a schema (a file "
      .. "whose schema is inferred may have another now), the value of a parameter, the text of a "
      .. "Lua function, or --limit. `weir plan SCRIPT --state DIR` says what becomes of each "
      .. "source, stage and sink; --allow-rebuild goes on with what is left, unless something is "
      .. "refused. Or run it as it was, or begin anew: with another --state, or by removing that "
      .. "directory. `weir help evolution` says which changes keep a state.",
    wrong = [[weir run --state jobs.state other.lua]],
    right = [[weir run --state other.state other.lua]],
  },
  W602 = {
    message = "memory budget `…` is used up",
    page = "Groups, joins and buffers live within a budget, and this run needs more than it "
      .. "has: raise it, or keep less: fewer keys, shorter windows, `within`. The message names "
      .. "the stage and what it keeps. Rows of a `sort`, groups, keys of `dedup` and `distinct`, "
      .. "groups of a `top` of few rows, both sides of a `join` and the table of a `lookup` go to "
      .. "a scratch file where they do not fit. A single window does not, nor the list of what "
      .. "one row of a join meets, nor rows of `match`, `fill`, `asof`, of frames (`derive` behind "
      .. "`group_by`) and of a `top` of many rows.",
    wrong = [[weir.settings { memory = "64MB" }]],
    right = [[weir.settings { memory = "1GB" }]],
  },
  W603 = {
    message = "sink …: it is down for …, … attempts failed, the last with …",
    page = "The sink has not answered for longer than its `timeout`, or through all `retries`: the "
      .. "message says how many attempts failed, and with what the last one did. What was complete "
      .. "is kept; the next run goes on from there. With a `breaker` the run waits for it; without "
      .. "`limit` as long as that takes. It is on by itself where the input never ends "
      .. "(`weir help retries`).",
    wrong = [[:write("postgres:host/shop", { table = "t", timeout = "1s" })]],
    right = [[:write("postgres:host/shop", { table = "t", timeout = "5m", retries = 50 })]],
  },
  W604 = {
    message = "more than … bad rows",
    page = "More rows were rejected than `--max-bad` allows. The run is carried to its end and "
      .. "its results are written; the exit code, 4, says that they are not to be trusted. The "
      .. "summary names the reasons, with an example each.",
    wrong = [[weir run --max-bad 0 job.lua]],
    right = [[weir run --max-bad 100 --rejects bad.ndjson job.lua]],
  },
  W607 = {
    message = "second row for lookup key …",
    page = "A lookup expects one row for each key of its right side, and the run ends here, "
      .. "because nobody knows which row is meant. `many` gives a row for each of them; else the "
      .. "right side is made unique before.",
    wrong = [[orders:lookup(prices, { on = "item" })]],
    right = [[local one = prices:group_by "item":agg "price = max(price)"
orders:lookup(one, { on = "item" })]],
  },
  W608 = {
    message = "audit of … failed: `…` (…), where … is …",
    help = "nothing of this run was published",
    page = "What was about to be published does not meet a condition of `audit`, so nothing of "
      .. "this run was published: files and tables keep the content that they had. The "
      .. "conditions are aggregates over all rows of the write, and are looked at when the "
      .. "input has ended. So an input that never ends has no audit, nor has a file that is "
      .. "appended to or rolls. The rows of a table stay for looking at in a table beside it, "
      .. "`weir_new_NAME`, and keys that were to be deleted in `weir_del_NAME`, until the next "
      .. "run. With `--state` the same state says the same again: begin with a new one when "
      .. "the input is mended. Where the audit holds, all rows get to their table in one "
      .. "transaction; what the table refuses then fails the run.",
    wrong = [[:write("out.csv", { audit = "enough = count() >= 1000" })   -- of 12 rows]],
    right = [[:write("out.csv", { audit = "enough = count() >= 10" })]],
  },
  W609 = {
    message = "a source can be read only once: …",
    help = "keep the stream in a local; what must be read twice is written to a file first",
    page = "The standard input gives its rows once. A stream that is used twice is read once, so "
      .. "keep it in a local; what must be read a second time is written to a file first.",
    wrong = [[local s = weir.read "-":union(weir.read "-")]],
    right = [[local s = weir.read "-"]],
  },
  W610 = {
    message = "write …: No space left on device",
    help = "free some room, or write to another disk; with `--state` the next run goes on from "
      .. "the last checkpoint",
    page = "The disk, or the quota of its user, is full. The run has ended; with `--state` and a "
      .. "`breaker` it waits until there is room (`weir help retries`). A file that was to be "
      .. "replaced is still the old one; what a database has committed stays. Rows that are "
      .. "sorted or looked up also go to the folder of the state, or to `TMPDIR`.",
    wrong = "weir: error[W610]: write out.csv.part: No space left on device",
    right = "df -h . && rm old-results.csv && weir run job.lua",
  },
  W611 = {
    message = "open …: Permission denied",
    help = "`ls -ld` shows who may read and write there; run weir as a user who may",
    page = "The system does not let this user read or write the file, make one in its folder, or "
      .. "the file system is mounted to be read only. To replace a file weir makes a new one "
      .. "beside it, so the folder must be writable too.",
    wrong = [[:write "/etc/out.csv"]],
    right = [[:write "out.csv"]],
  },
  W612 = {
    message = "… is in use by another program",
    help = "stop the other program, or wait until it is done",
    page = "Another program holds a lock: on the state, which one run has at a time, on a file "
      .. "that is appended to or a directory that a run of a copy of this state writes into "
      .. "(from the begin of a run to its end), or on a SQLite database, to which one program "
      .. "writes at a time. `timeout` of the database says how long weir waits for it (5 s by "
      .. "default). weir itself holds it from the first row behind a checkpoint to the next "
      .. "one, not while no rows come; `weir.settings { checkpoint = \"200ms\" }` makes that "
      .. "short.",
    wrong = [[:write("sqlite:shop.db", { table = "orders" })   -- while another run writes]],
    right = [[:write("sqlite:shop.db", { table = "orders", timeout = "30s" })]],
  },
  W613 = {
    message = "… is damaged",
    help = "nothing of it was changed; get a whole copy of it",
    page = "What is stored there is not whole, or is not what its name says: compressed data that "
      .. "is cut short or altered, a database that is none, a state that its checksums refuse. "
      .. "weir does not guess what it may have been. A file is copied again from where it came "
      .. "(`gzip -t`, `zstd -t` and `sqlite3 FILE 'pragma integrity_check'` tell whether it is "
      .. "whole). A state is taken from a copy, or made anew: with another `--state` the run "
      .. "begins at the first row. The files of a state belong together: one whose "
      .. "`state.db-wal` was removed or cut has lost its last checkpoints, and is refused. A "
      .. "file of `mode = \"append\"` that is longer than it was when the last run ended in "
      .. "order has bytes of another program at its end, and so has one that is longer than a "
      .. "run that was killed, or that failed or waits for room, had come. weir neither removes "
      .. "them nor writes behind them: the "
      .. "message says at which byte they begin. What a run that was killed has written behind "
      .. "its last checkpoint is cut off, which a note says; how far that is stands in an "
      .. "attribute of the file (`getfattr -d`), with sums of the beginning of what was about to "
      .. "be written: so less than 4 bytes that somebody appends behind a kill at that moment may "
      .. "be held to be its own. A copy without that attribute is refused too where it is longer. "
      .. "Behind a power cut, or where a file system "
      .. "keeps no attributes, nobody knows whose such bytes are: then all are cut off, but for a "
      .. "file whose last bytes before them are not those that were written. A "
      .. "directory whose files are older than the state, since it was put back from a copy, is "
      .. "refused, also where the run was complete: rows would be missing. Files that got their "
      .. "names may be taken away. With `--from`, a file that was completed since is refused, and "
      .. "the message says what to rename; without, that is W617. A "
      .. "table, or a whole SQLite file, that rows of this state went into and that is not "
      .. "there any more is not made anew either, since it would have the rest of the rows "
      .. "alone: put it back, or begin with another --state. That its rows were deleted nobody "
      .. "can tell: a table that was emptied, or made empty on purpose, gets what comes from "
      .. "now on.",
    wrong = "weir: error[W613]: day.csv.gz: the gzip data is cut short",
    right = "gzip -t day.csv.gz || cp /backup/day.csv.gz .",
  },
  W614 = {
    message = "input or output failed: …",
    help = "the message of the system says why; a second run does no harm",
    page = "The system could not read or write: a disk or a network that fails, too many open "
      .. "files, a name that is too long. The run has ended; a file that was to be replaced is "
      .. "still the old one, and with `--state` the next run goes on from the last checkpoint.",
    wrong = "weir: error[W614]: read day.csv: Input/output error",
    right = "dmesg | tail   # what the system says of its disks",
  },
  W615 = {
    message = "a limit was reached: …",
    page = "Everything in weir has a bound, and this input is beyond one of them: compressed data "
      .. "that unfolds without end, more files, columns or stages than a script may have. A "
      .. "file may also be as large as `ulimit -f`, or its file system, allows: that is no full "
      .. "disk, and is not waited for. The message says which bound it is, and how it is raised "
      .. "where it can be.",
    wrong = [[weir.read "bomb.ndjson.gz"]],
    right = [[weir.read("logs.ndjson.gz", { max_ratio = 5000 })   -- a file that you trust]],
  },
  W616 = {
    message = "… was changed: it is not the file that was read …",
    help = "a state goes on in files that are the same, or have grown; put the old file back, or "
      .. "begin anew with another `--state`",
    page = "A state stands at a byte of a file, and what is before that byte is counted already. "
      .. "The first bytes of the file, or those just before the place, are others now, so what "
      .. "follows would not belong to what was counted. A file that only has more behind it is "
      .. "read on. A file of a watched directory may go at any time; only where a run was killed "
      .. "between a table and its state, so that rows of the file may be in the table already, it "
      .. "must be there as it was.",
    wrong = [[weir run --state old.state job.lua]],
    right = [[weir run --state new.state job.lua]],
  },
  W617 = {
    message = "another instance of this pipeline has taken over",
    page = "Two runs went on from copies of one state directory, and write to one table of a "
      .. "database, one file or one directory. One of them owns the table's row in "
      .. "`weir_commit`: in PostgreSQL the one that came last, in SQLite the one that committed "
      .. "first. The other one ends here, and nothing of its open epoch is written. A file has "
      .. "such a row as an attribute (`user.weir`, as `getfattr -d` shows it), a directory as "
      .. "a file `.weir.….part` in it: a state that is behind it is an old copy, and is "
      .. "refused with nothing changed. When the run has come to its end these marks go, and the "
      .. "files have their names: a state that still has rows to write to them is old, too. A file "
      .. "that was put back from a copy together with the "
      .. "state has the length that the state knows: it goes on, whatever the attribute says; so "
      .. "does a directory, with the file in it. Where you know better, `setfattr -x user.weir "
      .. "FILE` takes the attribute away, and `--state NEW --from COPY` does not ask for it, nor "
      .. "for the file of a directory. Where a file system keeps no attributes a file has only a "
      .. "lock, for as long as a run lives (W612). A state directory alone lets in one run at a "
      .. "time.",
    wrong = [[cp -r job.state copy.state && weir run --state copy.state job.lua]],
    right = [[weir run --state job.state job.lua]],
  },
  W618 = {
    message = "the run that holds state … has made no checkpoint in …",
    help = "`--timeout` says how long is waited; `weir.settings { checkpoint = … }` how often a "
      .. "run makes one",
    page = "`weir state save` of a state that a run holds asks that run for a copy, which it makes "
      .. "behind its next checkpoint. It did not come to one in time, or could not make the copy: "
      .. "the message says which. Nothing stands at the other place, and the run goes on.",
    wrong = [[weir state save job.state before.state --timeout 1s]],
    right = [[weir state save job.state before.state --timeout 5m]],
  },
  W619 = {
    message = "…: … attempts failed in … (…): nothing more is read, and one attempt is made …",
    help = "mend it, and the run goes on by itself; `breaker = false` ends the run instead",
    page = "What a sink writes to has failed so often that it is left alone for a while: the "
      .. "breaker is open. It is a warning, and the run lives: it reads nothing meanwhile, its "
      .. "last checkpoint stands, and a signal ends it. One attempt is made each `cooldown`; the "
      .. "first that goes well closes the breaker (W620). See `weir help retries`.",
    wrong = "weir: warning[W619]: postgres:db/shop: 5 attempts failed in 3.1s (…)",
    right = "systemctl start postgresql",
  },
  W620 = {
    message = "…: it is there again after … and … failed attempts",
    page = "The breaker of a sink was open (W619), and an attempt went well: the run goes on, and "
      .. "nothing was lost or written twice. The last line of the run says how long sinks were "
      .. "waited for.",
    wrong = "weir: warning[W619]: sqlite:out.db: 20 attempts failed in 4.2s (…)",
    right = "weir: warning[W620]: sqlite:out.db: it is there again after 31.0s and …",
  },
  W621 = {
    message = "state …: runs that begin behind checkpoint … die, at a row that comes there or "
      .. "killed from outside (kill -9, no memory left): rows are read in steps of …",
    help = "leave it to it: such a row is rejected when it is found (W514); `dmesg` says whether "
      .. "the system killed them",
    page = "Three runs in a row have died shortly behind one another's checkpoints. There may be a "
      .. "row that no run survives, so it is looked for: each step is kept, of 1,024 rows, then "
      .. "of 32, then each row. That is slow, and ends by itself after some rows or 10 s. Runs "
      .. "that were killed from outside (`kill -9`, a system or a control group that had no memory "
      .. "left, a supervisor that did not wait) look the same to weir: then no row is found, and "
      .. "what kills them is to be mended. `weir.settings { quarantine = "
      .. "false }` turns it off. See `weir help quarantine`.",
    wrong = "weir: warning[W621]: state s: runs that begin behind checkpoint 8 die, …",
    right = "weir run --state job.state job.lua   # again, as a supervisor does",
  },
  W622 = {
    message = "state …: runs that begin behind checkpoint … die, and at no row that could be "
      .. "left out: perhaps killed from outside (kill -9, no memory left)",
    help = "the message of the last run, or of the system (`dmesg`), says what ended it",
    page = "Runs with this state die again and again, also when each row is taken by itself, and "
      .. "it is not while a stage works on a row: it is when a window fires, when a source is "
      .. "read, or somebody kills it from outside: `kill -9`, a supervisor that does not wait, the "
      .. "system when no memory is left (then `weir.settings { memory = … }` makes it take less). "
      .. "Nothing was rejected for it. The "
      .. "run goes on as always, and is likely to die again.",
    wrong = "weir: warning[W622]: state s: runs that begin behind checkpoint 8 die, …",
    right = "weir state ls job.state   # how many rows are kept, and where it stands",
  },
  W623 = {
    message = "…/…: rows that the state does not know of cannot be taken back: …",
    help = "a row or a rule that somebody added since is in the way: take it away, and run again",
    page = "A run was killed when a table had rows of its last epoch and the state did not know of "
      .. "them yet. What the table had before is kept beside it, and the next run puts it back "
      .. "first. It could not: somebody has added a row with the same value of a unique column "
      .. "meanwhile, a rule that rows of before do not keep, or has taken a column away. The "
      .. "message says which. Nothing was changed, and the next run tries it again.",
    wrong = "sqlite:out.db/t: … cannot be taken back: UNIQUE constraint failed: t.name",
    right = "sqlite3 out.db \"delete from t where name = 'x'\"   # what is in the way",
  },
  W624 = {
    message = "state:… is a table of the run's state file, and this run keeps none",
    help = "`weir run --state DIR`, or `weir.settings { state = \"DIR\" }`",
    page = "A table in the state file is written in the transaction of each checkpoint, and "
      .. "without a state there is neither. Nothing was read. Rows that are wanted without a state "
      .. "go into a file of their own.",
    wrong = [[:write("state:totals")             -- weir run job.lua]],
    right = [[:write("state:totals")             -- weir run --state job.state job.lua]],
  },
  W625 = {
    message = "…: … complete files with … rows are gone (`…`), and nothing says that they got …",
    help = "if nobody has them, another `--state` writes all rows anew",
    page = "Files that a write rolls get their names when the state knows that they are complete, "
      .. "and whoever takes them away then may do so: a start notes how many are gone, and goes "
      .. "on. These are under neither their temporary name nor their final one, and the state's "
      .. "file `NAMED` does not say that they were renamed. So they were removed before, with a "
      .. "temporary name that begins with a dot, or the file `NAMED` is not that of the run: the "
      .. "state is a copy, or the power went in the moment between a name and its note. The run "
      .. "goes on, since nothing that it could write would bring them back.",
    wrong = "find out -name '.*' -delete   # between two runs",
    right = "mv out/part-* done/           # what is complete has a name without a dot",
  },
  W626 = {
    message = "…: behind the … bytes that this run left there stand … more: another program has …",
    help = "nothing of it was touched; with `--state` put it back as it was, and the next run goes "
      .. "on from the last checkpoint",
    page = "While a run wrote to a file, or into a directory, somebody else has appended to it, "
      .. "cut it, moved or removed it, put another one in its place, or mounted something over "
      .. "it. weir looks before it writes and before each checkpoint, with a state or without, "
      .. "and stops: what others "
      .. "wrote is not cut off, and nothing is written behind it. What this run wrote since its "
      .. "last checkpoint comes again when it goes on. Where a file was moved to make room for "
      .. "another one, write into a `directory/` with `roll`: its files are complete when they "
      .. "have their names, and may be taken away at once. Rows of two programs go into two "
      .. "files.",
    wrong = [[:write("log.ndjson", { mode = "append" })   -- and `mv log.ndjson old` then]],
    right = [[:write("log/", { format = "ndjson", roll = { every = "1d" } })]],
  },
  W701 = {
    message = "ran longer than …",
    page = "The script's Lua code did not come back in time: a loop that does not end, or far "
      .. "too much work for one row. A script has 5 s while it is read, and 250 ms for every 256 "
      .. "calls of a row function. With a state the third run that ends so looks for the row and "
      .. "leaves it out (`weir help quarantine`).",
    wrong = [[while true do end]],
    right = [[for i = 1, 10 do end]],
  },
  W702 = {
    message = "used up its memory of …",
    page = "The script's Lua code used more memory than a script may have, 64 MB. Data belongs "
      .. "into streams, not into tables.",
    wrong = [[local t = {} for i = 1, 1e9 do t[i] = i end]],
    right = [[local numbers = weir.generate { rows = 1000000000, columns = "n = i" }]],
  },
  W703 = {
    message = "`…` is not available in a pipeline",
    page = "Scripts describe pipelines and touch nothing outside, so Lua's `os`, `io`, `debug`, "
      .. "`load` and the environment `_ENV` are not there; files are read by `weir.read`. `__c` "
      .. "and `__f` are used by weir.",
    wrong = [[local text = io.open("users.csv"):read "a"]],
    right = [[local users = weir.read "users.csv"]],
  },
  W704 = {
    message = "no module `…`",
    page = "`require \"clean\"` reads `clean.lua` beside the script; a dot in the name is a "
      .. "folder. Names are made of a-z, 0-9 and `_`, and no module requires itself.",
    wrong = [[local clean = require "../lib/Clean"]],
    right = [[local clean = require "lib.clean"]],
  },
  W705 = {
    message = "a row function assigns to `…`",
    page = "Rows are worked on in batches, by several workers, and again after a crash, so a "
      .. "function of a row keeps nothing between rows. What rows have in common "
      .. "is what aggregates are for.",
    wrong = [[local n = 0
s:derive("n int64", function(e) n = n + 1 return n end)]],
    right = [[s:group_by "user":agg "n = count()"]],
  },
  W901 = {
    message = "`a and b or c` gives c when b is nil or false",
    help = "`case`",
    page = "Lua's idiom for a choice goes wrong when the middle value can be nil or false. "
      .. "`case` does what is meant.",
    wrong = [[:derive "x = big and discount or price"]],
    right = [[:derive "x = case(big, discount, price)"]],
  },
  W902 = {
    message = "stream goes nowhere",
    page = "The stream is made and no `write`, `print` or other stream uses it. Streams are "
      .. "values: a stage returns a new one and does not change the old.",
    wrong = [[clicks:filter "amount > 0"
clicks:write "out.csv"]],
    right = [[clicks:filter "amount > 0":write "out.csv"]],
  },
  W903 = {
    message = "unused parameter `…`",
    page = "It was declared, or given by `-p`, and nothing reads it: often a name that was "
      .. "changed in one place only.",
    wrong = [[weir.params "min int64 = 1" clicks:filter "amount > 1"]],
    right = [[weir.params "min int64 = 1" clicks:filter "amount > $min"]],
  },
  W904 = {
    message = "this may fail and has no `??`",
    page = "A row for which the expression fails is rejected. With `--strict` every such place "
      .. "must say what to take instead.",
    wrong = [[:derive "n = int64(text)"]],
    right = [[:derive "n = int64(text) ?? 0"]],
  },
  W905 = {
    message = "name `…` is not NFC",
    page = "Names are compared byte by byte, and letters with accents can be written in two "
      .. "ways that look the same. Use the composed form.",
    wrong = [[:select "cafe\u{301}"]],
    right = [[:select "café"]],
  },
  W906 = {
    message = "int64 product may wrap",
    page = "Sums, differences and products of int64 wrap around as in Lua. With `--strict` such "
      .. "places are named; float64 or decimal do not wrap, and the aggregate `sum` fails (W504).",
    wrong = [[:derive "area = width * height"]],
    right = [[:derive "area = float64(width) * height"]],
  },
  W907 = {
    message = "column hides `…`",
    page = "A column of the data has the name of a hidden column, and wins. The hidden one is "
      .. "reached after the data's column is renamed.",
    wrong = [[weir.read "a.csv":derive "line = _line"   -- and a.csv has a column _line]],
    right = [[weir.read "a.csv":rename "its_line = _line"]],
  },
  W908 = {
    message = "`count` of a condition counts all rows, true or false",
    page = "`count(x)` counts the rows for which x is not nil, and a comparison is never nil. "
      .. "`where` counts those for which a condition holds; divided by `count()` that is a share.",
    wrong = [[flights:agg "late = count(dep_delay > 15)"]],
    right = [[flights:agg "late = count(where dep_delay > 15)"]],
  },
  W910 = {
    message = "`…` is not constant",
    page = "A Lua function reads a variable that the script assigns more than once. The value "
      .. "at the start of the run holds, and the function is not turned into native code.",
    wrong = [[local limit = 10 limit = 20 s:filter(function(e) return e.x > limit end)]],
    right = [[local limit = 20 s:filter(function(e) return e.x > limit end)]],
  },
}
