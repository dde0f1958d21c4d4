#!/usr/bin/env python3
"""stall.py: how long a checkpoint keeps the run from its next step.

    ./dev bench stall [--mb N] [--dirty SHARE] [--checkpoints N] [--only NAME]

The state is filled with keys up to so many megabytes; from then on a checkpoint stands whenever so
many rows have come as are that share of the keys, drawn uniformly. The stall is the processor time
of the run's thread from the beginning of the checkpoint to the end of its step; beside it the clock
of the wall, what the same thread sees as its largest pause while it spins for 2 ms behind each
checkpoint, and the steps between two (1,024 rows each), which would show what a checkpoint leaves
to them. Milliseconds.
"""

import argparse
import sys

import measured
import probed

# name: (what, bytes of state a key as measured, script)
SCRIPTS = {
    "sums": ("count and sum by int64", 48, """
weir.settings {{ checkpoint = "1h", memory = "16GB" }}
weir.generate {{ rows = {rows}, columns = [[
  k = case(i <= {keys}, i, abs(hash64(i)) % {keys} + 1), v = i % 1000]] }}
  :group_by "k":agg "n = count(), s = sum(v)":write "blackhole:"
"""),
    "texts": ("count and last text of 60 bytes by text of 20", 262, """
weir.settings {{ checkpoint = "1h", memory = "16GB" }}
weir.generate {{ rows = {rows}, columns = [[
  k = "customer" .. (100000000000 + case(i <= {keys}, i, abs(hash64(i)) % {keys} + 1)),
  said = "what was said by this customer, at length, is " .. (10000000000000 + i)]] }}
  :group_by "k":agg "n = count(), said = last(said)":write "blackhole:"
"""),
    "wide": ("last text of 1,000 bytes by int64", 1700, """
weir.settings {{ checkpoint = "1h", memory = "16GB" }}
weir.generate {{ rows = {rows}, columns = [[
  k = case(i <= {keys}, i, abs(hash64(i)) % {keys} + 1),
  page = rep("0123456789 ", 90) .. i]] }}
  :group_by "k":agg "page = last(page)":write "blackhole:"
"""),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=int, default=1000)
    parser.add_argument("--dirty", type=float, default=0.01)
    parser.add_argument("--checkpoints", type=int, default=60)
    parser.add_argument("--only", choices=list(SCRIPTS))
    options = parser.parse_args()
    print(f"{measured.machine()}; {options.dirty:.1%} of the rows dirty, "
          f"{options.checkpoints} checkpoints, ms: p50 / p99 / most\n")
    print("| state | keys | MB | dirty rows | stall, CPU | stall, wall | spin, CPU | spin, wall | "
          "step, CPU |")
    print("|---|---:|---:|---:|---|---|---|---|---|")
    folder = probed.Folder("stall")
    for name, (what, key_bytes, script) in SCRIPTS.items():
        if options.only not in (None, name):
            continue
        keys = options.mb * 1000000 // key_bytes
        dirty = max(1, int(keys * options.dirty))
        folder.remove("STATE")
        folder.write("stall.lua", script.format(
            keys=keys, rows=keys + dirty * (options.checkpoints + 2)))
        folder.end(folder.start("stall.lua", ["--state", "STATE"], rows=f"{keys} {dirty}", spin=1))
        # The first two hold the rows that filled the state; the last stands at the end of input.
        notes = [note for note in folder.notes("stall") if note["rows_in"] > keys][2:-1]
        if not notes:
            sys.exit("stall: a step of 1,024 rows is more than the checkpoints of so few keys are "
                     "apart: take more --mb")
        columns = [f"{what} | {keys:,} | {notes[-1]['state_bytes'] / 1e6:,.0f} | {dirty:,}"]
        for kind in ("cpu_ns", "ns", "spin_cpu_ns", "spin_ns"):
            values = [note[kind] for note in notes]
            columns.append(" / ".join(probed.ms(value) for value in (
                probed.at(values, 0.5), probed.at(values, 0.99), max(values))))
        columns.append(" / ".join(probed.ms(max(note[kind] for note in notes))
                                  for kind in ("step_p50", "step_p99", "step_most")))
        print(f"| {' | '.join(columns)} |", flush=True)
    folder.remove("STATE")
    return 0


if __name__ == "__main__":
    sys.exit(main())
