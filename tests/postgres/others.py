#!/usr/bin/env python3
"""others.py PROGRAM [TEST...]: what somebody else does to the tables and the server of a run."""

import sys

from runs import Place, main, same

ROWS = 3000
SCRIPT = '''
local s = weir.generate { rows = %d, columns = "x = i, k = i %% 101" }
%s:write(weir.postgres("%s", { table = "t", user = "weir", timeout = "10s"%s })%s)
'''
FEW = ("--state", "s", "--batch-rows", "64")


def script(postgres, chain="s", more=', mode = "append"', behind=""):
    return SCRIPT % (ROWS, chain, postgres.address, more, behind)


def wipe(postgres):
    postgres.sql("drop table if exists t, weir_new_t, weir_del_t, weir_commit, weir_refused "
                 "cascade")


def a_table_that_was_dropped_is_not_made_anew(weir, postgres):
    """It would have the rest of the rows alone."""
    for name, table, *words in (
            ("append", "t"), ("upsert", "t", 's:group_by "k":emit "update":agg "n = count()"', ""),
            ("replace", "weir_new_t", "s", ', mode = "replace"'),
            ("audit", "weir_new_t", "s", ', mode = "append"',
             ', { audit = "enough = count() > 10" }')):
        wipe(postgres)
        place = Place(weir, script(postgres, *words))
        place.run(*FEW, "--stop-after", "5", code=130)
        before = postgres.sql("select rows, epoch from weir_commit")
        rows = before.split("|", maxsplit=1)[0]
        postgres.sql(f"drop table {table}")
        for _ in range(2):
            said = place.run(*FEW, code=1)
            for text in ("[W613]", f"{rows} rows of this state went into the table `{table}`",
                         "it is not there", "help: put it back from a copy"):
                same(f"{name}: `{text}` in {said}", text in said, True)
        same(name, postgres.sql(f"select to_regclass('{table}') is null"), "t\n")
        same(name, postgres.sql("select rows, epoch from weir_commit"), before)
    wipe(postgres)
    place = Place(weir, script(postgres))
    place.run(*FEW)
    postgres.sql("drop table t")
    same("a complete run", f"{ROWS} rows of this state" in place.run(*FEW, code=1), True)
    postgres.sql("create table t (x int8, k int8)")
    place.run(*FEW)
    same("one that was made on purpose", postgres.sql("select count(*) from t"), "0\n")


if __name__ == "__main__":
    sys.exit(main([a_table_that_was_dropped_is_not_made_anew], "others.py"))
