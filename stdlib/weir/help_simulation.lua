--- The topic `simulation` of `weir help`.
return {
  title = "Simulated runs: is a pipeline repeatable?",
  text = [[
  weir sim clicks.lua                     100 seeds
  weir sim clicks.lua --seeds 10000 --time-limit 60
  weir sim clicks.lua --seed 17 --trace   one of them, call by call

The script runs on the real engine in a simulated world, many times. Its disk
begins as the machine's, and nothing of the machine is written. Each seed draws
how rows come in batches, the order of shards, when checkpoints are, how inputs
grow (`follow = true`, the standard input), and what goes wrong: `--faults` of
  kill    the process dies in the middle of a call
  power   the power goes; what was not synced is lost, torn or out of order
  io      a call fails: EIO, a full disk, a short read
  memory  an allocation fails (not where Lua functions are called)
  stop    a signal, and the run goes on later
  second  a second process with the same state
  clock   the wall clock is set, forward and back
  server  of a PostgreSQL server: its link is lost before or behind a
          statement, also a commit's; it restarts, is away or slow, says no;
          another instance takes over
or `none`. The run goes on from its state each time. What it leaves in the end
is compared with what an undisturbed run leaves: files to the byte, databases
row by row, counts; rows on the standard output may come twice, and none is
missing.

A seed that differs is shown with the line that plays it again. Where it
differs without any fault, the script depends on how rows come, on a clock, on
chance, or on what a Lua function keeps. Without `state =` one is made on the
simulated disk. The clock of that disk ticks by seconds, by 4 ms, or not at
all, and numbers of files that are gone are given again. An input without an
end is read until nothing more is there, and is quiet for up to 1 s: one whose
`idle` is shorter falls idle, and how many rows are late is not compared then.
Files of a watched directory come in any order, or by their names where rows
before decide what comes of a row (windows, `dedup`); rejects of an input
without an end are compared in any order. A generator makes 1,000 rows, or
`--limit N`. Inputs lie in memory, which is 256 MB at most.

  weir sim shop.lua --sql shop.sql        with tables of PostgreSQL

`postgres:…` is played by a twin of a server, for each address one with the
tables that `--sql FILE` makes: `create table` (types, keys, `not null`,
`unique`, `check`, `default`, `references`), `create index`, `insert`, `update`,
`delete`, as PostgreSQL has them; values are fitted into their columns, casts by
`::` are left out. Tables of sinks are made by them. A `query =` is SQLite's to
understand; what it computes is an int64, a float64 or a string. Arrays, enums,
views and triggers are not played. `--left FILE` writes what the undisturbed run
leaves, as it is compared: each table, row by row.
]],
}
