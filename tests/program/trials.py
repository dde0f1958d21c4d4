"""trials.py: what the tests beside it that start one life after the other have in common."""

import os
import random
import time

SEED = int(os.environ.get("WEIR_SEED") or random.randrange(1 << 30))
DICE = random.Random(SEED)


class Failure(AssertionError):
    pass


def same(what, has, wanted):
    """Of two lists only what differs is shown."""
    if isinstance(has, list) and has != wanted:
        has, wanted = ([row for row, other in zip(a + [None], b + [None]) if row != other][:20]
                       + [f"{len(a)} rows"] for a, b in ((has, wanted), (wanted, has)))
    if has != wanted:
        raise Failure(f"{what}:\n  has    {str(has)[:2000]}\n  wanted {str(wanted)[:2000]}")


def run_all(tests, names, given):
    """Runs tests `name(given)`, those of `names` where there are some; the exit code."""
    passed = failed = 0
    print(f"seed: WEIR_SEED={SEED}")
    for test in tests:
        if names and test.__name__ not in names:
            continue
        began = time.monotonic()
        try:
            test(given)
            passed += 1
        except Failure as failure:
            failed += 1
            print(f"{test.__name__}: {failure}")
        print(f"{test.__name__}: {time.monotonic() - began:.1f} s")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1
