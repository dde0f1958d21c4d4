"""cases.py: the cases of one file of this folder, each in an empty folder of its own.

    @cases.case
    def what_is_shown(place): …

    sys.exit(cases.main(Place))      # of FILE PROGRAM [CASE...]
"""

import os
import random
import sqlite3
import sys
import tempfile

CASES = []


def case(function):
    CASES.append(function)
    return function


def main(place):
    """`place(program, folder)` is what a case is given. The exit code."""
    program, wanted, failed = os.path.abspath(sys.argv[1]), sys.argv[2:], 0
    seed = int(os.environ.get("WEIR_SEED", "0")) or random.getrandbits(32)
    random.seed(seed)
    chosen = [each for each in CASES if not wanted or each.__name__ in wanted]
    for each in chosen:
        with tempfile.TemporaryDirectory(prefix="weir-case-") as folder:
            os.chmod(folder, 0o755) # other users may look into it
            try:
                each(place(program, folder))
            except (AssertionError, sqlite3.OperationalError) as error:
                failed += 1
                print(f"{each.__name__} (WEIR_SEED={seed}): {each.__doc__ or ''}\n  {error}")
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed or not chosen else 0
