#!/usr/bin/env python3
"""streams.py: random pipelines of several stages over event time, run in many ways, and beside SQL.

    streams.py --weir PROGRAM [--seconds N | --cases N] [--jobs N] [--seed N] [--keep DIR]
               [--case JSON-FILE]

As run.py, with the stages of stream_cases.py: windows of all kinds, joins, ranks, frames, filled
gaps, tables, changelogs, over inputs of several partitions with rows behind and late. All runs of a
case must write the same bytes. DuckDB answers the same over all rows that are not late
(stream_oracle.py): rows are compared in any order, changes added up; late rows are counted. A pair
of pipelines that must say the same (stream_relations.py) is run beside each case. Reads WEIR_SEED
and WEIR_RANDOM_SECONDS.
"""

import os
import sys
from collections import Counter

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import compare  # noqa: E402
import run  # noqa: E402
import stream_cases  # noqa: E402
import stream_relations  # noqa: E402
from stream_oracle import StreamOracle, changed  # noqa: E402


def settled(rows):
    """The rows that are left of changes, `op` last. Raises ValueError where one is taken back that
    is not there."""
    left, values = Counter(), {}
    for *row, op in rows:
        key = repr(row)
        values[key] = row
        left[key] += -1 if op in ("delete", "update_before") else 1
        if left[key] < 0:
            raise ValueError(f"taken back before it was there: {row}")
    return [values[key] for key, n in left.items() for _ in range(n)]


class StreamRunner(run.Runner):
    program, regressions = "streams.py", "stream_regressions.txt"
    make, relations = staticmethod(stream_cases.make), stream_relations.RELATIONS

    def judge(self, case):
        return StreamOracle(self.db, case)

    @staticmethod
    def wrong_output(case, folder, number, output, found):
        columns, rows, _ = found
        if not changed(case, output):
            return compare.check_output(folder, number, output, columns, rows, False)
        try:
            changes = compare.read_output(folder, number, output, [*columns, ("op", "string")])
            left = settled(changes)
        except (ValueError, KeyError) as problem:
            return f"cannot be read: {problem}"
        return compare.compare_rows(columns, [list(row) for row in rows], left, False)


if __name__ == "__main__":
    sys.exit(run.main(StreamRunner))
