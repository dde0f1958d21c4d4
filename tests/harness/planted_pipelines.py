#!/usr/bin/env python3
"""planted_pipelines.py: sees tests/pipelines/run.py, restarts.py and tests/specs.sh find what is
planted.

A small program of our own stands in for weir: it does what the "script" says, in Python, so that
each difference can be planted alone. Specs are run by the program that WEIR_PROGRAM names.
"""

import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RUN = os.path.join(ROOT, "tests/pipelines/run.py")
RESTARTS = os.path.join(ROOT, "tests/pipelines/restarts.py")
SPECS = os.path.join(ROOT, "tests/specs.sh")

PROGRAM = f"""#!{sys.executable}
import sys
word, script, args = sys.argv[1], sys.argv[2], sys.argv[3:]
batch_rows = args[args.index("--batch-rows") + 1] if "--batch-rows" in args else None
source = "".join(line for line in open(script) if not line.startswith("--"))
exec(source)
"""


# Another stand-in, for scripts that are run often: the "script" is one of the shell.
SHELL = """#!/bin/sh
script=$2 all="$*" state= stop=99 shards=1
while [ $# -gt 0 ]; do
    case $1 in
        --state) state=$2 ;;
        --stop-after) stop=$2 ;;
        --shards) shards=$2 ;;
    esac
    shift
done
has() { case " $all " in *" $1 "*) return 0 ;; esac; return 1; }
. "./$script"
"""
# A pipeline of five rows, one in each step, that goes on from its state directory.
STEPS = """# :sort
first=0 lost=0
[ -n "$state" ] && [ -e "$state/at" ] && read first <"$state/at"
at=$first
step=0
while [ $at -lt 5 ] && [ $step -lt $stop ]; do
    row=$((at + lost)) at=$((at + 1)) step=$((step + 1))
    echo $row
    echo $row >>o.csv
done
[ -n "$state" ] && mkdir -p "$state" && echo $at >"$state/at"
[ $stop -lt $((6 - first)) ] && exit 130
if [ $first -eq 5 ]; then
    echo complete >&2
elif has --stop-after; then
    echo "note: the run ended in step $((6 - first)): too late" >&2
fi
echo "5 in, 0 rejected, 0 late, 0.1 s" >&2
"""


class TreeTest(unittest.TestCase):
    """A tree of its own, and one pipeline `a` in it."""
    runner = None

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = self.folder.name
        self.write("weir", PROGRAM)
        os.chmod(os.path.join(self.root, "weir"), 0o755)
        os.makedirs(os.path.join(self.root, "tests/pipelines"))

    def tearDown(self):
        self.folder.cleanup()

    def write(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def read(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8") as file:
            return file.read()

    def run_it(self, *args, **env):
        env = dict({name: value for name, value in os.environ.items() if name != "CI"}, **env)
        done = subprocess.run(
            [sys.executable, self.runner, "--root", self.root, "--weir",
             os.path.join(self.root, "weir"), *args],
            capture_output=True, text=True, check=False, env=env)
        return done.returncode, done.stdout + done.stderr

    def pipeline(self, script, expected):
        """One pipeline `a` with the expected files."""
        self.write("tests/pipelines/a.lua", script)
        self.write("tests/pipelines/expected/a/.keep", "")
        os.remove(os.path.join(self.root, "tests/pipelines/expected/a/.keep"))
        for name, text in expected.items():
            self.write(f"tests/pipelines/expected/a/{name}", text)


class PipelineTest(TreeTest):
    runner = RUN

    def passes(self, script, expected):
        self.pipeline(script, expected)
        code, output = self.run_it()
        self.assertEqual((0, "1 passed, 0 failed\n"), (code, output))

    def fails(self, script, expected, *texts):
        self.pipeline(script, expected)
        code, output = self.run_it()
        self.assertEqual(1, code, output)
        self.assertTrue(output.endswith("0 passed, 1 failed\n"), output)
        for text in texts:
            self.assertIn(text, output)

    def test_equal_output_passes(self):
        self.passes("print('x')\nopen('o.csv', 'w').write('y')", {"stdout": "x\n", "o.csv": "y"})

    def test_other_output_fails(self):
        self.fails("print('x')", {"stdout": "y\n"}, "stdout: differs", "-y", "+x",
                   "--batch-rows 1:", "--batch-rows 7:", "--batch-rows 4096:")

    def test_output_that_depends_on_the_batch_size_fails(self):
        self.fails("print('y' if batch_rows == '7' else 'x')", {"stdout": "x\n"},
                   "a with --batch-rows 7:")
        self.assertNotIn("batch-rows 1:", self.run_it()[1])

    def test_unexpected_standard_error_fails(self):
        self.fails("print('x', file=sys.stderr)", {"stdout": ""}, "stderr: differs", "+x")

    def test_the_seconds_in_standard_error_may_differ(self):
        self.passes("import time\nprint(f'1 row, {time.time() % 1:.3f} s', file=sys.stderr)",
                    {"stderr": "1 row, N.N s\n"})

    def test_another_exit_code_fails(self):
        self.fails("sys.exit(3)", {"stdout": ""}, "exit code: differs", "-0", "+3")
        self.passes("-- test: exit 3\nsys.exit(3)", {"stdout": ""})
        self.fails("-- test: exit 3\n", {"stdout": ""}, "exit code: differs")

    def test_a_missing_file_fails(self):
        self.fails("", {"o.csv": "x"}, "o.csv: expected, and not written")

    def test_a_file_too_many_fails(self):
        self.fails("open('o.csv', 'w').write('x')", {"stdout": ""},
                   "o.csv: written, and not expected")
        self.passes("-- test: ignore o.*\nopen('o.csv', 'w').write('x')", {"stdout": ""})

    def test_a_changed_input_fails(self):
        self.write("tests/pipelines/b/pipeline.lua", "open('in.csv', 'a').write('x')")
        self.write("tests/pipelines/b/in.csv", "1")
        self.write("tests/pipelines/b/expected/stdout", "")
        code, output = self.run_it()
        self.assertEqual(1, code)
        self.assertIn("in.csv: written, and not expected", output)
        self.assertEqual("1", self.read("tests/pipelines/b/in.csv"))

    def test_a_missing_newline_at_the_end_fails(self):
        self.fails("print('x', end='')", {"stdout": "x\n"}, "in the ends of its lines")

    def test_a_database_is_compared_by_its_rows(self):
        script = ("import sqlite3\nd = sqlite3.connect('o.db')\n"
                  "d.execute('create table t (a)')\nd.execute('insert into t values (?)', (1,))\n"
                  "d.commit()\n")
        dump = "BEGIN TRANSACTION;\nCREATE TABLE t (a);\nINSERT INTO \"t\" VALUES({});\nCOMMIT;\n"
        self.passes(script, {"o.db.sql": dump.format(1)})
        self.fails(script, {"o.db.sql": dump.format(2)}, "VALUES(1)")

    def test_a_compressed_file_is_compared_by_its_text(self):
        script = "import gzip\ngzip.open('o.gz', 'wb').write(b'x\\n')"
        self.passes(script, {"o.gz": "x\n"})
        self.fails(script, {"o.gz": "y\n"}, "+x")

    def test_arguments_input_and_other_words(self):
        self.write("tests/pipelines/b/pipeline.lua", "-- test: args -p 'a b'\n-- test: stdin in\n"
                   "print(args[-2:], sys.stdin.read())")
        self.write("tests/pipelines/b/in", "1")
        self.write("tests/pipelines/b/expected/stdout", "['-p', 'a b'] 1\n")
        self.assertEqual((0, "1 passed, 0 failed\n"), self.run_it())
        self.passes_with_word()

    def passes_with_word(self):
        self.pipeline("-- test: command check\nprint(word, batch_rows)", {"stdout": "check None\n"})
        self.assertEqual((0, "1 passed, 0 failed\n"), self.run_it("a"))

    def test_an_unknown_line_is_refused(self):
        self.pipeline("-- test: agrs x\n", {"stdout": ""})
        code, output = self.run_it()
        self.assertEqual(1, code)
        self.assertIn("unknown line: -- test: agrs", output)

    def test_update_writes_what_then_passes(self):
        self.write("tests/pipelines/a.lua", "print('x')\nopen('o.csv', 'w').write('y')")
        code, output = self.run_it()
        self.assertEqual(1, code)
        self.assertIn("nothing is expected yet", output)
        self.assertEqual(0, self.run_it("--update")[0])
        self.assertEqual("y", self.read("tests/pipelines/expected/a/o.csv"))
        self.assertEqual((0, "1 passed, 0 failed\n"), self.run_it())

    def test_update_is_refused_where_ci_is_set(self):
        self.pipeline("print('x')", {"stdout": "y\n"})
        code, output = self.run_it("--update", CI="true")
        self.assertNotEqual(0, code)
        self.assertIn("refused where CI is set", output)
        self.assertEqual("y\n", self.read("tests/pipelines/expected/a/stdout"))

    def test_update_writes_nothing_for_a_run_that_failed(self):
        self.pipeline("print('x')\nsys.exit(4)", {"stdout": "y\n"})
        self.assertEqual(1, self.run_it("--update")[0])
        self.assertEqual("y\n", self.read("tests/pipelines/expected/a/stdout"))

    def test_an_example_reads_its_data_and_leaves_the_tree_alone(self):
        self.write("examples/a.lua",
                   "print(script, open('examples/data/d').read())\nopen('examples/o', 'w')")
        self.write("examples/data/d", "1")
        self.write("examples/expected/a/stdout", "examples/a.lua 1\n")
        self.write("examples/expected/a/examples/o", "")
        self.assertEqual((0, "1 passed, 0 failed\n"), self.run_it("--examples"))
        self.assertFalse(os.path.exists(os.path.join(self.root, "examples/o")))

    def test_no_pipeline_at_all_fails(self):
        self.assertEqual((1, "0 passed, 0 failed\n"), self.run_it())
        self.assertIn("no such pipeline: b", self.run_it("b")[1])


class RestartsTest(TreeTest):
    runner = RESTARTS

    def setUp(self):
        super().setUp()
        self.write("weir", SHELL)

    def ends(self, script, passes, *args, **env):
        self.pipeline(script, {})
        code, output = self.run_it(*args, **env)
        self.assertEqual((0, "1 passed, 0 failed") if passes else (1, "0 passed, 1 failed"),
                         (code, output.rstrip("\n").split("\n")[-1]), output)
        return output

    def finds(self, old, new, text, *args):
        self.assertIn(old, STEPS)
        output = self.ends(STEPS.replace(old, new), False, *args)
        self.assertIn(text, output)
        self.assertRegex(output, rf"again: WEIR_SEED=\d+ .*{' '.join(args)} a\n")

    def test_a_pipeline_that_goes_on_passes(self):
        self.assertIn("stops 1 2 3 4 5 of 6", self.ends(STEPS, True))
        self.assertIn("stops 1 2 3 4 5 of 6; every step;", self.ends(STEPS, True, "--all"))
        self.assertIn("; every step;", self.ends(STEPS, True, CI="true"))

    def test_the_same_is_drawn_by_the_same_seed(self):
        drawn = [self.ends(STEPS, True, WEIR_SEED=seed) for seed in ("1", "1", "2")]
        self.assertEqual(drawn[0], drawn[1])
        self.assertNotEqual(drawn[0], drawn[2])

    def test_a_row_lost_behind_a_restart_is_found(self):
        self.finds("at=$first", "at=$first; [ $at -gt 0 ] && lost=1", "stopped after step 2 of 6")

    def test_a_row_lost_behind_one_stop_of_many_is_found_by_all(self):
        self.finds("at=$first", "at=$first; [ $at = 3 ] && at=4", "stopped after step 3 of 6",
                   "--all")

    def test_a_row_written_twice_is_found(self):
        self.finds("at=$first", "at=$first; [ $at = 0 ] || echo 0 >>o.csv", "o.csv: differs")

    def test_a_complete_state_that_goes_on_is_found(self):
        self.finds("echo complete", "echo 9; echo complete", "stdout: differs")

    def test_other_counts_are_found(self):
        self.finds('"5 in', '"$((5 - first)) in', "counts: differs")

    def test_another_exit_code_is_found(self):
        self.finds("echo complete >&2", "exit 3", "exit code: differs")

    def test_rows_that_hang_on_shards_are_found(self):
        self.finds("lost=0", "lost=$((shards == 3))", "--shards 3 --shard-seed")

    def test_rows_that_hang_on_threads_are_found(self):
        self.finds("lost=0", "lost=0; has --workers && lost=1", "--workers")

    def test_rows_that_hang_on_memory_are_found(self):
        self.finds("lost=0", "lost=0; has --spill-bytes && ! has --state && lost=1",
                   "--spill-bytes")

    def test_rows_that_hang_on_memory_behind_a_restart_are_found(self):
        self.finds("at=$first", "at=$first; has --spill-bytes && [ $at -gt 0 ] && echo 9",
                   "--stop-after")

    def test_a_program_that_does_not_tell_its_steps_fails(self):
        self.finds("note: the run ended", "note: it ended", "the number of its steps")


class SpecsTest(unittest.TestCase):
    def run_spec(self, text, **env):
        env = dict({name: value for name, value in os.environ.items() if name != "CI"}, **env)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a_spec.lua")
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            done = subprocess.run([SPECS, os.environ["WEIR_PROGRAM"], path], env=env,
                                  capture_output=True, text=True, check=False)
            return done.returncode, done.stdout.rstrip("\n").split("\n")[-1]

    def test_counts(self):
        good = "it('a', function() assert.same(1, 1) end) "
        bad = "it('b', function() assert.same(1, 2) end) "
        error = "it('c', function() error('x') end) "
        describe = "describe('x', function() {}end)".format
        self.assertEqual((0, "1 passed, 0 failed"), self.run_spec(describe(good)))
        self.assertEqual((1, "1 passed, 2 failed"), self.run_spec(describe(good + bad + error)))
        self.assertEqual((0, "1 passed, 0 failed, 1 skipped"),
                         self.run_spec(describe(good + "pending('p') ")))
        self.assertEqual((1, "1 passed, 0 failed, 1 skipped"),
                         self.run_spec(describe(good + "pending('p') "), CI="true"))
        self.assertEqual((6, "0 passed, 0 failed"), self.run_spec(""))
        self.assertEqual((1, "0 passed, 1 failed"), self.run_spec("describe("))


if __name__ == "__main__":
    unittest.main()
