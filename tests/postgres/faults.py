#!/usr/bin/env python3
"""faults.py PROGRAM [--all] [TEST...]: what a run has written into a PostgreSQL database after
something died: the program, the server, the link at each byte of a commit, or the other instance.
After it all the table has what a run that nothing happened to has written."""

import os
import random
import shutil
import signal
import sys
import threading
import time

from runs import Failure, Place, main, same
from server import COMMIT, Proxy, kill

ALL = "--all" in sys.argv
SEED = int(os.environ.get("WEIR_SEED") or random.randrange(1 << 30))
ROWS = 3000
FIRST_BYTES = 3000  # until it is connected: a server that is not there then is an error
TABLES = ["added", "kept", "news"]

# Rows that are added, a changelog, and a table that is replaced, in one transaction an epoch.
SCRIPT = '''
weir.settings { checkpoint = "1ms" }
local s = weir.generate { rows = %d, columns = "id = i, k = i * 7919 %% 101, " ..
  "t = 'row ' .. string(i)" }
local function to(name)
  return weir.postgres("%s", { table = name, user = "weir", timeout = "%s" })
end
s:write(to "added", { mode = "append" })
s:group_by "k":emit "update":agg "n = count(), last = max(id)":write(to "kept")
s:filter "id %% 10 == 0":write(to "news", { mode = "replace" })
'''


def script(address, timeout="20s"):
    return SCRIPT % (ROWS, address, timeout)


def wipe(postgres):
    for name in TABLES + ["weir_new_news", "weir_commit"]:
        postgres.sql(f"drop table if exists {name}")


def content(postgres):
    return [postgres.sql(f"select * from {name} order by 1, 2, 3") for name in TABLES]


def wanted():
    kept = {}
    for i in range(1, ROWS + 1):
        count, _ = kept.get(i * 7919 % 101, (0, 0))
        kept[i * 7919 % 101] = (count + 1, i)
    rows = [f"{i}|{i * 7919 % 101}|row {i}" for i in range(1, ROWS + 1)]
    return ["\n".join(text) + "\n" for text in (
        rows, [f"{k}|{n}|{last}" for k, (n, last) in sorted(kept.items())], rows[9::10])]


def bytes_of_a_run(weir, postgres, proxy):
    wipe(postgres)
    proxy.watch()
    Place(weir, script(proxy.address)).run("--state", "s", "--batch-rows", "64")
    same("undisturbed", content(postgres), wanted())
    return dict(proxy.passed)


def points(count, sampled, first=1):
    dice = random.Random(SEED)
    return range(first, count, 197) if ALL else sorted(dice.sample(range(first, count), sampled))


def started(place, state):
    return place.start("--state", state, "--batch-rows", "64")


def a_killed_program_goes_on(weir, postgres):
    """kill -9 before a byte that it would send, or after one that it would receive; then again a
    second time before it has come to its end."""
    proxy = Proxy(postgres)
    sums = bytes_of_a_run(weir, postgres, proxy)
    killed = 0
    for way in ("up", "down"):
        for after in points(sums[way], 5):
            wipe(postgres)
            place = Place(weir, script(proxy.address))
            for again in (after, after // 3 + 1):
                proxy.watch(way, again)
                killed += place.end(
                    proxy.start(lambda place=place: started(place, "s"), kill))[0] < 0
            proxy.watch()
            place.run("--state", "s", "--batch-rows", "64")
            same(f"killed at byte {after} {way}, seed {SEED}", content(postgres), wanted())
    same(f"{killed} lives were ended", killed >= 10, True)
    proxy.close()


def a_cut_link_is_connected_again(weir, postgres):
    """Anywhere, with and without a state; in one process."""
    proxy = Proxy(postgres)
    sums = bytes_of_a_run(weir, postgres, proxy)
    for state in (["--state", "s"], []):
        for way in ("up", "down"):
            for after in points(max(sums[way] // (1 if state else 3), 2 * FIRST_BYTES), 3,
                                FIRST_BYTES):
                wipe(postgres)
                proxy.watch(way, after)
                Place(weir, script(proxy.address)).run(*state, "--batch-rows", "64")
                same(f"cut at byte {after} {way}, {state}, seed {SEED}", content(postgres),
                     wanted())
    proxy.close()


def a_commit_whose_answer_is_lost_is_read(weir, postgres):
    """The link is cut at each byte of a commit, and of its answer."""
    proxy = Proxy(postgres)
    answer = 17 + 6  # CommandComplete "COMMIT", ReadyForQuery
    for state in (["--state", "s"], []):
        for way, count in (("up", len(COMMIT)), ("down", answer)):
            for after in range(0, count, 1 if ALL else 5):
                for skip in (0, 2) if state and ALL else (1,) if state else (0,):
                    wipe(postgres)
                    proxy.watch(way, after, COMMIT, skip)
                    Place(weir, script(proxy.address)).run(*state, "--batch-rows", "64")
                    same(f"the link was cut at byte {after} {way}", proxy.hit, True)
                    same(f"commit {skip}, byte {after} {way}, {state}", content(postgres),
                         wanted())
    proxy.close()


def a_server_that_dies_is_waited_for(weir, postgres):
    """It stops at once, as in a crash, in the middle of an epoch and of a commit, and starts."""
    proxy = Proxy(postgres)
    sums = bytes_of_a_run(weir, postgres, proxy)

    def crash():
        postgres.stop("immediate")
        postgres.start()

    plans = [{"way": "down", "after": 0, "word": COMMIT}, {"way": "up", "after": sums["up"] // 5},
             {"way": "up", "after": 12, "word": COMMIT}]
    for state in (["--state", "s"], []) if ALL else (["--state", "s"],):
        for plan in plans if ALL else plans[:2]:
            wipe(postgres)
            proxy.watch(**plan, hurt=crash)
            Place(weir, script(proxy.address)).run(*state, "--batch-rows", "64")
            same(f"it crashed, {plan}", proxy.hit, True)
            same(f"crash, {plan}, {state}", content(postgres), wanted())
    proxy.close()


def a_server_that_stays_away_ends_the_run(weir, postgres):
    proxy = Proxy(postgres)
    sums = bytes_of_a_run(weir, postgres, proxy)
    wipe(postgres)
    place = Place(weir, script(proxy.address, "1s"))
    proxy.watch("up", sums["up"] // 2, hurt=lambda: postgres.stop("immediate"))
    try:
        said = place.run("--state", "s", "--batch-rows", "64", code=1)
    finally:
        postgres.start()
    same(said, "[W603]" in said and "is down for" in said, True)
    place.run("--state", "s", "--batch-rows", "64")
    same("the next run", content(postgres), wanted())
    proxy.close()


TWO = '''
local s = weir.generate { rows = 300, columns = "n = i" }
local function to(name, mode)
  return weir.postgres("%s", { table = name, user = "weir", mode = mode or "replace" })
end
s:write(to "first")
s:filter "n %% 3 == 0":write(to "second")
s:filter "n %% 3 == 1":write(to("third", "append"))
'''
TWO_WANTED = "300|45150\n100|15150\n100|14950\n"


def two_tables(postgres):
    return "".join(postgres.sql(f"select count(*), sum(n) from {name}")
                   for name in ("first", "second", "third"))


def a_link_that_is_cut_while_tables_are_replaced(weir, postgres):
    """Two tables take their places in one transaction, beside one that has had its rows: it begins
    anew with both. What its commit did is not told by the table that it did not change."""
    proxy = Proxy(postgres)
    for state in (["--state", "s"], []):
        for word in (b'drop table if exists "second"', b'alter table "weir_new_second"'):
            postgres.sql("drop table if exists first, second, third, weir_commit")
            proxy.watch("up", 0, word)
            Place(weir, TWO % proxy.address).run(*state)
            same(f"the link was cut at {word}, {state}", proxy.hit, True)
            same(f"{word}, {state}", two_tables(postgres), TWO_WANTED)
        for way in ("up", "down"):
            skip = 0
            while True: # each commit
                postgres.sql("drop table if exists first, second, third, weir_commit")
                proxy.watch(way, 0, COMMIT, skip)
                Place(weir, TWO % proxy.address).run(*state)
                same(f"commit {skip} {way}, {state}", two_tables(postgres), TWO_WANTED)
                if not proxy.hit:
                    break
                skip += 1
            same(f"{skip} commits", skip >= 2, True)
    proxy.close()


def a_complete_run_stays_complete(weir, postgres):
    """Begun again and again, it reads nothing more and leaves its tables alone."""
    postgres.sql("drop table if exists first, second, third, weir_commit")
    place = Place(weir, TWO % postgres.address)
    for turn in range(4):
        place.run("--state", "s")
        same(f"turn {turn}", two_tables(postgres), TWO_WANTED)


STRICT = '''
weir.settings { checkpoint = "1ms" }
weir.generate { rows = 1000, columns = "n = i" }
  :write(weir.postgres("%s", { table = "strict", user = "weir", mode = "append" }))
weir.rejects():select("code, detail, position"):write "refused.ndjson"
'''


def what_was_refused_is_refused_again(weir, postgres):
    """The program dies behind a commit of the server, before its state knows of it."""
    proxy = Proxy(postgres)
    rejects = []
    for skip in (None, 1, 2, 3, 5):
        postgres.sql("drop table if exists strict, weir_commit, weir_refused; "
                     "create table strict (n int8, check (n % 7 <> 3))")
        place = Place(weir, STRICT % proxy.address)
        proxy.watch()
        if skip is not None:
            proxy.watch("down", 0, COMMIT, skip)
            result = place.end(proxy.start(lambda place=place: started(place, "s"), kill))
            same(f"it was killed: {result}", result[0] < 0, True)
            proxy.watch()
        place.run("--state", "s", "--batch-rows", "64", "--max-bad", "1000")
        with open(f"{place.folder}/refused.ndjson", encoding="utf-8") as file:
            rejects.append(file.read())
        same(f"rows, {skip}", postgres.sql("select count(*) from strict"), "857\n")
        same(f"rejects, {skip}", rejects[-1] == rejects[0] and rejects[0].count("\n") == 143, True)
        same("what is kept of them", postgres.sql("select count(*) from weir_refused"), "0\n")
    proxy.close()


def wait_until_taken_over(postgres, fences):
    """Until the other instance has a fence, or waits for the row of one."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if postgres.sql("select sink, fence from weir_commit order by 1") != fences or postgres.sql(
                "select 1 from pg_stat_activity where wait_event_type = 'Lock'"):
            return
        time.sleep(0.02)
    raise Failure("the second instance did not come so far")


def of_two_instances_one_writes(weir, postgres):
    """One stands still in the middle, or just before its commit, as a machine that hangs; another
    goes on from a copy of its state."""
    proxy = Proxy(postgres)
    sums = bytes_of_a_run(weir, postgres, proxy)
    for plan in ({"way": "up", "after": sums["up"] // 2}, {"way": "up", "after": 0, "word": COMMIT,
                                                           "skip": 1}):
        wipe(postgres)
        place = Place(weir, script(proxy.address))
        stopped = threading.Event()
        proxy.watch(**plan, cut=False)

        def hang(process, stopped=stopped):
            os.kill(process.pid, signal.SIGSTOP)
            stopped.set()

        old = proxy.start(lambda place=place: started(place, "s"), hang)
        if not stopped.wait(30):
            kill(old)
            raise Failure(f"{plan}: the first instance did not come so far: {proxy.passed} of "
                          f"{sums}, {place.end(old)}")
        shutil.copytree(f"{place.folder}/s", f"{place.folder}/copy")
        fences = postgres.sql("select sink, fence from weir_commit order by 1")
        new = started(place, "copy")
        wait_until_taken_over(postgres, fences)
        os.kill(old.pid, signal.SIGCONT)
        results = [place.end(new), place.end(old)]
        won = [result for result in results if result[0] == 0]
        lost = [result for result in results if result[0] != 0]
        same(f"{plan}: one of them: {results}", (len(won), len(lost)), (1, 1))
        same(lost, "[W617]" in lost[0][2], True)
        same(f"two instances, {plan}", content(postgres), wanted())
    proxy.close()


def an_old_state_is_refused(weir, postgres):
    wipe(postgres)
    place = Place(weir, script(postgres.address))
    place.run("--state", "s", "--batch-rows", "64", "--stop-after", "10", code=130)
    shutil.copytree(f"{place.folder}/s", f"{place.folder}/old")
    place.run("--state", "s", "--batch-rows", "64")
    said = place.run("--state", "old", "--batch-rows", "64", code=1)
    same(said, "[W613]" in said and "older than the table" in said, True)
    same("the table", content(postgres), wanted())
    wipe(postgres)
    said = place.run("--state", "s", code=1)
    same(said, "another database" in said, True)


if __name__ == "__main__":
    sys.argv = [word for word in sys.argv if word != "--all"]
    print(f"seed: WEIR_SEED={SEED}")
    sys.exit(main([a_killed_program_goes_on, a_cut_link_is_connected_again,
                   a_commit_whose_answer_is_lost_is_read, a_server_that_dies_is_waited_for,
                   a_server_that_stays_away_ends_the_run,
                   a_link_that_is_cut_while_tables_are_replaced, a_complete_run_stays_complete,
                   what_was_refused_is_refused_again, of_two_instances_one_writes,
                   an_old_state_is_refused], "faults.py"))
