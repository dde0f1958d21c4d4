#!/usr/bin/env python3
"""evolve.py: what becomes of a state when its script is changed.

    evolve.py PROGRAM [NAME...]

Each case is a script, an edit of it, and what `weir plan` must say of each thing in the state. The
script is stopped in the midst of its input and its changed form goes on. Where that needs no flag,
what it writes must be to the byte what the changed script writes that was never stopped, but for
the files that it says begin late. Where it does need one, it must be refused without, and leave the
state as it was: the unchanged script then goes on, and writes what it writes undisturbed.
"""

import datetime
import json
import os
import subprocess
import sys
import tempfile

RUN_SECONDS_MAX = 60
ROWS = 6000
STOP_AFTER = 4
CASES = []

HEAD = """local s = weir.read("in.csv"):event_time("t", { max_delay = "5s" })
local plain = weir.read "plain.csv"
"""
AGG = """s:group_by "k":window(weir.tumbling "7s"):agg("n = count(), t = sum(v)"):write "agg.csv"
"""
ALL = """s:filter "v > 3":write "all.csv"
"""
PLAIN = """plain:filter "x % 2 == 0":write "plain.ndjson"
"""
BASE = HEAD + AGG + ALL + PLAIN
KEPT = {"in.csv": "kept", "plain.csv": "kept", "agg": "kept", "agg.csv": "kept", "all.csv": "kept",
        "plain.ndjson": "kept", "event_time": "kept"}


def case(before, after, said, **more):
    """`said`: by address or stage what becomes of it. `late`: files that begin late. `args`: of the
    changed run. `complete`: the first run goes to its end. `allowed`: what must hold of the files
    when --allow-rebuild was given: "fresh" as of a fresh run."""
    def register(function):
        CASES.append((function.__name__, function.__doc__, before, after, said, more))
        return function
    return register


@case(BASE, "-- a comment\n\n" + HEAD + AGG.replace(":agg(", "\n  :agg(") + ALL + PLAIN, KEPT)
def lines_that_moved():
    """A comment, other lines, another layout."""


@case(BASE, HEAD + PLAIN + ALL + AGG, KEPT)
def chains_in_another_order():
    """Chains that have nothing to do with each other may stand in any order."""


@case(BASE, "\n".join(HEAD.split("\n")[1::-1]) + "\n" + AGG + ALL + PLAIN, KEPT)
def sources_in_another_order():
    """So may sources."""


@case(BASE, "weir.read('late.csv'):write 'new.csv'\n" + BASE,
      {**KEPT, "late.csv": "new", "new.csv": "new"})
def a_chain_of_its_own():
    """A new source before all others changes nothing of them, and is read whole."""


@case(BASE, BASE + 's:filter "v > 5":write "new.csv"\n', {**KEPT, "new.csv": "new"},
      late=["new.csv"])
def a_new_sink():
    """It gets the rows to come."""


@case(BASE, HEAD + AGG + PLAIN, {**{k: v for k, v in KEPT.items() if k != "all.csv"},
                                 "all.csv": "dropped", "event_time": "migrated"})
def a_sink_less():
    """What was written to it stays."""


@case(BASE, HEAD + AGG.replace("agg.csv", "other.csv") + ALL + PLAIN,
      {**{k: v for k, v in KEPT.items() if k != "agg.csv"}, "agg.csv": "dropped",
       "other.csv": "new"}, late=["other.csv"])
def another_file_behind_an_aggregate():
    """The aggregate goes on; the results to come go to the new file."""


@case(BASE, HEAD + AGG.replace('sum(v)")', 'sum(v)", { name = "sums" })') + ALL + PLAIN,
      {**KEPT, "sums": "migrated"} | {"agg": None})
def a_name():
    """A stage that gets a name is the same stage."""


@case(BASE.replace('sum(v)")', 'sum(v)", { name = "old" })'),
      BASE.replace('sum(v)")', 'sum(v)", { name = "sums" })'),
      {**KEPT, "sums": "migrated"} | {"agg": None})
def another_name():
    """And so is one that gets another."""


CHANGED = {**KEPT, "agg": "rebuilt", "agg.csv": "rebuilt"}


@case(BASE, HEAD + "s = s:filter 'v > 2'\n" + AGG + "\n" + ALL.replace("s:", "s:") + PLAIN,
      {**CHANGED, "all.csv": "rebuilt"})
def a_filter_above():
    """Its groups would have other rows in them."""


@case(BASE, BASE.replace('"7s"', '"8s"'), CHANGED)
def another_window():
    """Its windows are others."""


@case(BASE, BASE.replace("n = count(), t = sum(v)", "n = count(), t = sum(v), m = max(v)"),
      {**CHANGED, "agg.csv": "refused"})
def another_column():
    """Rows of two forms would stand in one file."""


@case(BASE, BASE.replace(":write \"agg.csv\"", ":filter \"n > 1\":write \"agg.csv\""),
      {**KEPT, "agg.csv": "rebuilt"})
def a_filter_below():
    """The aggregate goes on; the file would have rows of both scripts."""


@case(BASE, HEAD + ALL + PLAIN,
      {**{k: v for k, v in KEPT.items() if k not in ("agg", "agg.csv")}, "agg": "dropped",
       "agg.csv": "dropped"})
def an_aggregate_less():
    """Its state is thrown away: that must be allowed."""


@case(BASE, HEAD + AGG + ALL, {**{k: v for k, v in KEPT.items() if not k.startswith("plain")},
                               "plain.csv": "dropped", "plain.ndjson": "dropped"})
def a_source_less():
    """How far it was read would be forgotten."""


@case(BASE, BASE + 's:group_by "k":agg("m = max(v)"):write "new.csv"\n',
      {**KEPT, "agg": ["kept", "rebuilt"], "new.csv": "new"})
def a_new_aggregate():
    """It would know nothing of the rows before."""


@case(BASE, BASE.replace('"5s"', '"6s"'),
      {**CHANGED, "event_time": "rebuilt", "all.csv": "rebuilt"})
def another_delay():
    """What is late is another matter."""


@case(BASE, 'weir.settings { timezone = "Europe/Berlin" }\n' + BASE,
      {"in.csv": "rebuilt", "plain.csv": "rebuilt", "agg": "rebuilt", "agg.csv": "rebuilt",
       "all.csv": "rebuilt", "plain.ndjson": "rebuilt", "event_time": "rebuilt"}, allowed="fresh")
def another_time_zone():
    """All begins anew."""


@case(BASE, BASE.replace('"plain.csv"', '("plain.csv", { schema = "x int64, y string" })'),
      {**KEPT, "plain.csv": "rebuilt", "plain.ndjson": "rebuilt"}, allowed="fresh")
def another_schema():
    """A source with other columns is read anew, and so is all that comes of it alone."""


TWO = HEAD + """local a = s:group_by "k":agg("n = count(), t = sum(v)")
a:select "k, n":write "n.csv"
"""
SUM = 'a:select "k, t":write "t.csv"\n'
TWO_KEPT = {"in.csv": "kept", "event_time": "kept", "agg": "kept", "n.csv": "kept"}


@case(TWO + SUM, TWO, {**TWO_KEPT, "agg": "migrated", "t.csv": "dropped"})
def a_column_that_is_read_no_more():
    """The aggregate keeps it all the same."""


@case(TWO, TWO + SUM, {**TWO_KEPT, "agg": "rebuilt", "t.csv": "new", "n.csv": "rebuilt"})
def a_column_that_is_read_now():
    """The aggregate has not kept it."""


FUNCTIONS = """local function odd(r) return r.x % 2 == 1 end
plain:filter(odd):agg("n = count()"):write "odd.csv"
"""
FUNCTIONS_KEPT = {"plain.csv": "kept", "agg": "kept", "odd.csv": "kept"}


@case(HEAD + FUNCTIONS, HEAD + 's:filter(function(r) return r.v > 4 end):write "new.csv"\n'
      + FUNCTIONS, {**FUNCTIONS_KEPT, "in.csv": "new", "new.csv": "new", "event_time": "new"})
def a_function_before_another():
    """The number of a Lua function in the script is no part of what it means."""


@case(HEAD + FUNCTIONS, HEAD + FUNCTIONS.replace("== 1", "== 0"),
      {**FUNCTIONS_KEPT, "agg": "rebuilt", "odd.csv": "rebuilt"})
def another_function():
    """Its text is."""


DEFINED = """weir.def("double(x int64) int64", function(x) return x * 2 end)
plain:agg("n = sum(double(x))"):write "sum.csv"
s:filter "v > 1":write "all.csv"
"""


@case(HEAD + DEFINED, HEAD + DEFINED.replace("x * 2", "x * 3"),
      {"plain.csv": "kept", "in.csv": "kept", "event_time": "kept", "agg": "rebuilt",
       "sum.csv": "rebuilt", "all.csv": "kept"})
def another_declared_function():
    """It matters to the stages that call it."""


ALIKE = HEAD + 'plain:agg("n = count()"):write "a.csv"\n'


@case(ALIKE + 'plain:agg("n = count()"):filter "n > 0":write "b.csv"\n',
      ALIKE.replace("a.csv", "c.csv") + 'plain:agg("n = count()"):filter "n > 1":write "b.csv"\n'
      'plain:agg("n = count()"):write "d.csv"\n',
      {"plain.csv": "kept", "agg": ["rebuilt", "refused", "refused"], "a.csv": "dropped",
       "b.csv": "rebuilt", "c.csv": "new", "d.csv": "new"})
def stages_that_mean_the_same():
    """Which of them had the state is not known: a name must tell."""


@case(BASE, BASE + 's:write "new.csv"\n', {**KEPT, "new.csv": "rebuilt"}, complete=True)
def a_new_sink_of_a_complete_run():
    """Nothing would be written to it."""


ONCE = """local f = s:filter "v > 2"
f:group_by "k":agg("n = count()"):write "n.csv"
f:group_by "k":agg("t = sum(v)"):write "t.csv"
"""
TWICE = ONCE.replace("local f = s:filter \"v > 2\"\n", "").replace("f:", 's:filter "v > 2":')
ONCE_KEPT = {"in.csv": "kept", "event_time": "kept", "agg": ["kept", "kept"], "n.csv": "kept",
             "t.csv": "kept"}


@case(HEAD + ONCE, HEAD + TWICE, ONCE_KEPT)
def a_filter_that_is_said_twice():
    """A stage that keeps nothing may become two …"""


@case(HEAD + TWICE, HEAD + ONCE, ONCE_KEPT)
def a_filter_that_is_said_once():
    """… and two that mean the same one."""


REJECTS = BASE + 'weir.rejects():write "rejects.ndjson"\n'


@case(REJECTS, REJECTS + 's:filter "v > 5":write "new.csv"\n',
      {**KEPT, "rejects.ndjson": "kept", "new.csv": "new"}, late=["new.csv"])
def rejects_of_one_stage_more():
    """Rejects go on where no stage that was there has changed."""


@case(REJECTS, REJECTS.replace("v > 3", "v > 4"),
      {**KEPT, "rejects.ndjson": "rebuilt", "all.csv": "rebuilt"})
def rejects_of_a_changed_stage():
    """Else rejects of two scripts would stand in one file."""


BAD_ROWS = HEAD.replace('"plain.csv"', '("plain.csv", { schema = "x int64, y int64" })') + PLAIN
APPENDED = 'weir.rejects():write("rejects.ndjson", { mode = "append" })\n'
OF_STREAM = APPENDED.replace("weir.", "plain:")
TABLE = 'weir.rejects():write(weir.state "r", { mode = "append" })\n'
READ_ANEW = {"plain.csv": "rebuilt", "plain.ndjson": "rebuilt"}


@case(BAD_ROWS + APPENDED, (BAD_ROWS + APPENDED).replace("x int64", "x float64"),
      {**READ_ANEW, "rejects.ndjson": "refused"}, complete=True)
def rejects_that_would_be_appended_again():
    """A source that is read anew has its rejects again."""


@case(BAD_ROWS + OF_STREAM, (BAD_ROWS + OF_STREAM).replace("x int64", "x float64"),
      {**READ_ANEW, "rejects.ndjson": "refused"}, complete=True)
def rejects_of_a_stream_that_would_be_appended_again():
    """Whoever reads them."""


@case(BAD_ROWS + TABLE, (BAD_ROWS + TABLE).replace("x int64", "x float64"),
      {**READ_ANEW, "r": "refused"}, complete=True)
def rejects_that_would_be_added_again_to_a_table():
    """Wherever they go."""


@case(BAD_ROWS + APPENDED.replace("append", "replace"),
      (BAD_ROWS + APPENDED.replace("append", "replace")).replace("x int64", "x float64"),
      {**READ_ANEW, "rejects.ndjson": "rebuilt"}, allowed="fresh", complete=True)
def rejects_that_are_written_anew():
    """A file of their own begins anew with all sources."""


@case(BAD_ROWS + ALL + APPENDED.replace("append", "replace"),
      (BAD_ROWS + ALL + APPENDED.replace("append", "replace")).replace("x int64", "x float64"),
      {**READ_ANEW, "in.csv": "kept", "event_time": "kept", "all.csv": "kept",
       "rejects.ndjson": "refused"})
def rejects_of_a_source_that_is_read_anew_beside_another():
    """Some of them would come twice."""


@case("""weir.read("*n.csv", { partitions = "each", schema = "t timestamp, k string, v int64" })
  :event_time("t", { max_delay = "5s" }):write "all.csv"
""", """weir.read("*n.csv", { partitions = "each", schema = "t timestamp, k string, v int64" })
  :event_time("t", { max_delay = "5s" }):filter "v > 3":write "all.csv"
""", {"*n.csv": "kept", "event_time": "kept", "all.csv": "rebuilt"}, reason="rows that waited")
def a_filter_before_a_file_of_several_partitions():
    """Rows of one partition that waited for those of another are of the script before."""


UNION = """local u = s:select("x = v"):union(plain:select "x")
u:agg("n = count(), t = sum(x)"):write "union.csv"
u:write "rows.csv"
"""


@case(HEAD + UNION, 'weir.read("late.csv"):limit(5):write "new.csv"\n' + HEAD
      + UNION.replace("local u", "\nlocal u"),
      {"in.csv": "kept", "plain.csv": "kept", "event_time": "kept", "agg": "kept",
       "late.csv": "new", "limit": "new", "union": "kept", "union.csv": "kept",
       "rows.csv": "kept", "new.csv": "new"})
def rows_that_wait():
    """Rows of one input that wait for another know where they are from, whatever comes before."""


@case(HEAD + "plain:limit(5000):write 'l.csv'\n", "weir.read('late.csv'):write 'new.csv'\n" + HEAD
      + "plain:limit(5000):write 'l.csv'\n",
      {"plain.csv": "kept", "limit": "kept", "l.csv": "kept", "late.csv": "new", "new.csv": "new"})
def a_limit():
    """How far a limited input is read does not depend on what else is."""




class Place:
    """An empty folder with the inputs, and runs of the program in it."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        rows = (f"{time_text(i // 3 - i * 7 % 4)},{'abcde'[i * 31 % 5]},{i * 17 % 11}\n"
                for i in range(ROWS))
        self.put("in.csv", "t,k,v\n" + "".join(rows))
        self.put("plain.csv", "x,y\n" + "".join(f"{i},y{i}\n" for i in range(ROWS)))
        self.put("an.csv", "t,k,v\n" + "".join(f"{time_text(i)},x,{i % 11}\n" for i in range(2000)))
        self.put("late.csv", "z\n" + "".join(f"{i}\n" for i in range(ROWS)))

    def put(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    def run(self, command, script, *args):
        self.put("script.lua", script)
        return subprocess.run([self.program, command, "script.lua", "--state", "st", *args],
                              cwd=self.folder, capture_output=True, timeout=RUN_SECONDS_MAX,
                              check=False, text=True)

    def outputs(self):
        """What was written, by the names under which it appears."""
        found = {}
        for name in sorted(os.listdir(self.folder)):
            if name not in ("st", "script.lua", "in.csv", "plain.csv", "late.csv", "an.csv"):
                with open(os.path.join(self.folder, name), encoding="utf-8") as file:
                    found[name] = file.read()
        return found


def time_text(seconds):
    return (datetime.datetime(2024, 3, 31) + datetime.timedelta(seconds=seconds)).isoformat() + "Z"


def name_of(change):
    if "name" in change:
        return change["name"]
    return change["address"].split(" ", 1)[1] if "address" in change else change["stage"]


def said_of(place, script, args):
    """What `weir plan` says, by name: a word, or several; and whether the run would go on."""
    done = place.run("plan", script, "--json", *args)
    assert "error" not in done.stderr and done.returncode in (0, 1), done.stderr
    plan, found = json.loads(done.stdout), {}
    for change in plan["changes"]:
        assert change["reason"], change
        found.setdefault(name_of(change), []).append(change["what"])
    assert plan["goes_on"] == (done.returncode == 0), plan
    return {name: words[0] if len(words) == 1 else words for name, words in found.items()}, plan


def in_place(program, work):
    with tempfile.TemporaryDirectory(prefix="weir-evolve-") as folder:
        return work(Place(program, folder))


def undisturbed(program, script, args=()):
    def work(place):
        done = place.run("run", script, *args)
        assert done.returncode == 0, done.stderr
        return place.outputs()
    return in_place(program, work)


def stopped(place, before, more):
    stop = [] if more.get("complete") else ["--stop-after", str(STOP_AFTER)]
    done = place.run("run", before, *stop)
    assert done.returncode == (0 if more.get("complete") else 130), done.stderr


def check_files(expected, found, but):
    for name in expected:
        if name not in but:
            assert expected[name] == found.get(name), f"{name} is not what a fresh run writes"


def check(program, before, after, said, more):
    args = more.get("args", ())

    def goes_on(place):
        stopped(place, before, more)
        found, plan = said_of(place, after, args)
        assert any(more.get("reason", "") in change["reason"] for change in plan["changes"]), plan
        wanted = {name: what for name, what in said.items() if what is not None}
        assert found == wanted, f"said {found}\n  not  {wanted}"
        assert said_of(place, after, args)[0] == found, "comparing changed the state"
        if plan["goes_on"]:
            done = place.run("run", after, *args)
            assert done.returncode == 0, done.stderr
            check_files(undisturbed(program, after, args), place.outputs(), more.get("late", ()))
            assert said_of(place, after, args)[1]["goes_on"]
            return
        refused = place.run("run", after, *args)
        assert refused.returncode == 1 and "error[W601]" in refused.stderr, refused.stderr
        assert "rebuilt" in refused.stderr or "dropped" in refused.stderr \
            or "refused" in refused.stderr, refused.stderr
        done = place.run("run", before)
        assert done.returncode == 0, done.stderr
        check_files(undisturbed(program, before), place.outputs(), ())

    def allowed(place):
        stopped(place, before, more)
        plan = said_of(place, after, args)[1]
        if plan["goes_on"]:
            return
        done = place.run("run", after, "--allow-rebuild", *args)
        if not plan["needs_allow_rebuild"]:
            assert done.returncode == 1 and "error[W601]" in done.stderr, done.stderr
            return
        assert done.returncode == 0, done.stderr
        assert "note: another script goes on" in done.stderr, done.stderr
        assert said_of(place, after, args)[1]["goes_on"], "it was not all done"
        fresh = undisturbed(program, after, args)
        kept = [name for name, what in said.items() if what == "kept"]
        but = [] if more.get("allowed") == "fresh" else [n for n in fresh if n not in kept]
        check_files(fresh, place.outputs(), but)

    in_place(program, goes_on)
    in_place(program, allowed)


def main():
    program = os.path.abspath(sys.argv[1])
    wanted, failed = sys.argv[2:], 0
    cases = [each for each in CASES if not wanted or each[0] in wanted]
    for name, doc, before, after, said, more in cases:
        try:
            check(program, before, after, said, more)
        except AssertionError as error:
            failed += 1
            print(f"{name}: {doc}\n  {error}")
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
