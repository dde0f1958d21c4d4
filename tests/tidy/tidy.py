#!/usr/bin/env python3
"""tidy: checks of the tree that no compiler makes. Usage: tidy.py [ROOT]

Prints one line for each finding, `path:line: [check] what`, and exits 1 where there is any. The
checks, each with a planted violation in test_tidy.py:

  floors   an include of a room's file names the own room or a lower floor (tests/tidy/floors)
  lines    at most 600 lines a file
  function at most 70 lines a function
  columns  at most 100 columns
  banned   no call that hides memory, time or randomness, or that cannot be used safely
  twice    no call that does something in WR_MIN or WR_MAX, which evaluate it twice
  header   `#pragma once`, and each header compiles by itself
  comment  a file says first what it is for; a .c may leave that to the header of its name, and a
           spec to the module that it mirrors
  blanks   no trailing blanks, no tab, no carriage return, one newline at the end
  paths    no path of somebody's machine
  todo     a TODO names its issue, as TODO(#41)

A deviation is written where it is, with its reason:
  /* tidy: long: <reason> */        before or inside the one function that is longer
  /* tidy: long file: <reason> */   in the first 30 lines of a file (a table of data)
  /* tidy: allow <name>: <reason> */ on the line of a banned call, or the line before it
In Lua and Python the same words follow `--` and `#`.
"""

import os
import re
import subprocess
import sys
import tempfile

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100

C_ENDINGS = (".c", ".h", ".cpp")
CHECKED_ENDINGS = C_ENDINGS + (".lua", ".py", ".sh", ".cmake", ".S", ".md")
CHECKED_NAMES = ("dev", "run", "CMakeLists.txt", ".luacheckrc", ".clang-format")
SKIPPED_FOLDERS = re.compile(
    r"^(\.git|build|build-[^/]*|examples/data|tests/fuzz/corpus|(.*/)?__pycache__)$")

MEMORY = "malloc calloc realloc reallocarray free strdup strndup asprintf vasprintf alloca"
BANNED = {name: "memory comes from base/alloc.h" for name in MEMORY.split()}
BANNED.update({name: "randomness is handed in" for name in "rand srand random srandom".split()})
BANNED.update({name: "the clock is handed in"
               for name in "time localtime gmtime ctime asctime mktime sleep usleep".split()})
BANNED.update({name: "it cannot be used safely"
               for name in "gets strcpy strcat strncpy strncat stpcpy sprintf vsprintf strtok "
                           "atoi atol atoll atof tmpnam mktemp setlocale system".split()})
# Calls that may stand in WR_MIN and WR_MAX: they change nothing.
CALLED_TWICE = {"sizeof", "strlen", "strtoul", "header_of", "wr_days_in_month", "fn_int",
                "int_option", "lock_of_others"}
# Files below runtime/ in which some of the names are the point.
BANNED_EXCEPT = {"base/alloc.c": set(MEMORY.split())}

# Written in parts, so that this file does not find itself.
MACHINE_PATHS = re.compile(r"(?<![\w.])/(" + "work|home|root|Users" + r")/[\w.]")
TODO = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))")


class Tree:
    """The files below a root, read once, and the findings."""

    def __init__(self, root):
        self.root = root
        self.findings = []
        self.floors = self.read_floors()
        self.files = sorted(self.walk())

    def read_floors(self):
        floors = {}
        with open(os.path.join(self.root, "tests/tidy/floors"), encoding="utf-8") as file:
            for line in file:
                words = line.split()
                if words and not line.startswith("#"):
                    floors[words[0]] = int(words[1])
        return floors

    def walk(self):
        for folder, folders, names in os.walk(self.root):
            here = os.path.relpath(folder, self.root)
            folders[:] = [name for name in folders
                          if not SKIPPED_FOLDERS.match(os.path.normpath(f"{here}/{name}"))]
            for name in names:
                if name.endswith(CHECKED_ENDINGS) or name in CHECKED_NAMES:
                    yield os.path.relpath(os.path.join(folder, name), self.root)

    def report(self, path, line, check, what):
        self.findings.append((path, line, check, what))


def blank_c(text):
    """The C text with comments and literals replaced by blanks; every newline stays."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def blank_lua(text):
    """The Lua text with comments and strings replaced by blanks; every newline stays."""
    pattern = re.compile(
        r'--\[(=*)\[.*?\]\1\]|--[^\n]*|\[(=*)\[.*?\]\2\]'
        r'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def check_blanks(tree, path, text):
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if "\t" in line:
            tree.report(path, number, "blanks", "a tab")
        if "\r" in line:
            tree.report(path, number, "blanks", "a carriage return")
        elif line != line.rstrip():
            tree.report(path, number, "blanks", "blanks at the end of the line")
        if len(line) > COLUMNS_MAX:
            tree.report(path, number, "columns", f"{len(line)} columns, at most {COLUMNS_MAX}")
    if text and not text.endswith("\n"):
        tree.report(path, len(lines), "blanks", "no newline at the end of the file")
    if text.endswith("\n\n"):
        tree.report(path, len(lines) - 1, "blanks", "an empty line at the end of the file")


def check_words(tree, path, text):
    for number, line in enumerate(text.split("\n"), 1):
        found = MACHINE_PATHS.search(line)
        if found:
            tree.report(path, number, "paths", f"a path of one machine: {found.group()}...")
        if not path.startswith("tests/tidy/") and TODO.search(line):
            tree.report(path, number, "todo", "name the issue: TODO(#41)")


def check_file_length(tree, path, text):
    count = text.count("\n")
    head = "\n".join(text.split("\n")[:30])
    if count > FILE_LINES_MAX and not re.search(r"tidy: long file: *\w", head):
        tree.report(path, count, "lines", f"{count} lines, at most {FILE_LINES_MAX}")


def check_comment(tree, path, text):
    if path.endswith(C_ENDINGS):
        good = text.startswith(("/*", "//")) \
            or not path.endswith(".h") and os.path.splitext(path)[0] + ".h" in tree.files
    elif path.endswith(".lua"):
        good = re.match(r"(#![^\n]*\n)?--", text) or path.endswith("_spec.lua")
    else:
        good = re.match(r'(#![^\n]*\n)?(#|--|"""|/\*)', text)
    if text and not good:
        tree.report(path, 1, "comment", "the file does not say first what it is for")


def check_floors(tree, path, text):
    """Reads the includes of a file in runtime/, or in tests/unit/, which mirrors it."""
    parts = path.split("/")
    if parts[0] == "runtime" and len(parts) > 2:
        room = parts[1]
    elif parts[:2] == ["tests", "unit"] and len(parts) > 3:
        room = parts[2]
    else:
        return
    if room not in tree.floors:
        tree.report(path, 1, "floors", f"the room {room} has no floor in tests/tidy/floors")
        return
    for number, line in enumerate(text.split("\n"), 1):
        include = re.match(r'\s*#\s*include\s*["<]([^">]+)[">]', line)
        if not include:
            continue
        name = include.group(1)
        if ".." in name.split("/"):
            target = os.path.normpath(os.path.join(os.path.dirname(path), name))
            other = target.split("/")[1] if target.startswith("runtime/") else None
        else:
            other = name.split("/")[0] if "/" in name else None
        if other is None or other not in tree.floors or other == room:
            continue
        if tree.floors[other] > tree.floors[room]:
            tree.report(path, number, "floors", f"{room} (floor {tree.floors[room]}) includes "
                        f"{other} (floor {tree.floors[other]}), a higher floor")
        elif tree.floors[other] == tree.floors[room]:
            tree.report(path, number, "floors",
                        f"{room} includes {other}, its neighbour on floor {tree.floors[room]}")


def is_measured_c(path):
    return path.startswith("runtime/") or path.startswith("tests/unit/") \
        or path.startswith("tests/fuzz/")


def check_banned(tree, path, text, bare):
    if not is_measured_c(path):
        return
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
    lines = text.split("\n")
    exempt = BANNED_EXCEPT.get(path.removeprefix("runtime/"), set())
    for number, line in enumerate(bare.split("\n"), 1):
        for found in pattern.finditer(line):
            name = found.group(1)
            near = lines[number - 2:number] if number > 1 else lines[:1]
            allowed = re.search(rf"tidy: allow {name}: *\w", "\n".join(near))
            if name not in exempt and not allowed:
                tree.report(path, number, "banned", f"{name}: {BANNED[name]}")


def bracket_end(text, start):
    """The place behind the bracket that closes the one at `start`."""
    depth = 0
    for at in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[at], 0)
        if depth == 0:
            return at + 1
    return len(text)


def check_twice(tree, path, text, bare):
    """WR_MIN and WR_MAX evaluate an argument twice, and with it a call that does something."""
    if not is_measured_c(path):
        return
    for found in re.finditer(r"\bWR_(MIN|MAX)\(", bare):
        inside = bare[found.end():bracket_end(bare, found.end() - 1)]
        for name in re.findall(r"\b([a-z_][a-z_0-9]*)\s*\(", inside):
            if name not in CALLED_TWICE:
                number = bare[:found.start()].count("\n") + 1
                tree.report(path, number, "twice", f"{name}: give what it returns a variable")


def report_function(tree, path, lines, first, last):
    """Reports the function in lines first..last (counted from 0) if it is too long.

    Its comment may stand in the lines before it, up to an empty one.
    """
    count = last - first + 1
    if count <= FUNCTION_LINES_MAX:
        return
    start = first
    while start > 0 and lines[start - 1].strip() not in ("", "}"):
        start -= 1
    if not re.search(r"tidy: long: *\w", "\n".join(lines[start:last + 1])):
        tree.report(path, first + 1, "function",
                    f"{count} lines, at most {FUNCTION_LINES_MAX}: {lines[first].strip()[:60]}")


def check_c_functions(tree, path, text, bare):
    """A definition opens with `... {` whose text starts in column 0, and ends with `}` there."""
    lines = text.split("\n")
    bare_lines = bare.split("\n")
    first = None  # where the current text in column 0 began
    inside = False
    for number, line in enumerate(bare_lines):
        if inside:
            if line.startswith("}"):
                if is_function:
                    report_function(tree, path, lines, first, number)
                inside, first = False, None
            continue
        if line.strip() == "" or line.startswith("#"):
            if line.strip() == "" and first is not None and not head.strip():
                first = None
            continue
        if not line[0].isspace() and first is None:
            first, head = number, ""
        if first is not None:
            head += line + "\n"
            if line.rstrip().endswith("{"):
                # Not a function: a table, a struct, an enum.
                is_function = "(" in head and "=" not in head.split("(")[0]
                inside = True
            elif line.rstrip().endswith((";", "}")):
                first = None


def check_lua_functions(tree, path, text, bare):
    """Counts the blocks that `end` closes. A spec's describe is a list and may be longer."""
    if path.startswith("spec/") or "/spec/" in path:
        return
    lines = text.split("\n")
    blocks = []
    words = re.compile(r"\b(function|if|do|end|repeat|until)\b")
    for number, line in enumerate(bare.split("\n")):
        for found in words.finditer(line):
            word = found.group()
            if word in ("function", "if", "do", "repeat"):
                blocks.append((word, number))
            elif blocks:
                kind, first = blocks.pop()
                if kind == "function":
                    report_function(tree, path, lines, first, number)


def check_headers_compile(tree, compiler):
    headers = [path for path in tree.files
               if path.endswith(".h") and path.startswith(("runtime/", "tests/unit/"))]
    if not headers:
        return
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
             f"-I{tree.root}/runtime", f"-I{tree.root}/tests/unit"]
    for package in ("lua5.4", "sqlite3", "libpcre2-8", "libpq"):
        found = subprocess.run(["pkg-config", "--cflags", package], capture_output=True, text=True,
                               check=False)
        flags += found.stdout.split()
    with tempfile.TemporaryDirectory() as folder:
        sources = []
        for index, path in enumerate(headers):
            source = os.path.join(folder, f"{index}.c")
            with open(source, "w", encoding="utf-8") as file:
                # A second time, for what `#pragma once` is there to keep out.
                file.write(f'#include "{os.path.join(tree.root, path)}"\n' * 2)
                file.write("typedef int not_empty;\n")
            sources.append(source)
        if subprocess.run([compiler, *flags, *sources], capture_output=True, check=False
                          ).returncode == 0:
            return
        for path, source in zip(headers, sources):  # one by one, to say which
            done = subprocess.run([compiler, *flags, source], capture_output=True, text=True,
                                  check=False)
            if done.returncode != 0:
                first = next((line for line in done.stderr.split("\n") if "error:" in line), "")
                tree.report(path, 1, "header", "does not compile by itself: "
                            + first.replace(tree.root + "/", "").strip())


def check_file(tree, path):
    with open(os.path.join(tree.root, path), encoding="utf-8", newline="") as file:
        text = file.read()
    check_words(tree, path, text)
    if path.endswith(".md"):  # prose breaks its lines as it likes
        return
    check_blanks(tree, path, text)
    check_comment(tree, path, text)
    if path.endswith(C_ENDINGS + (".lua",)):
        check_file_length(tree, path, text)
    if path.endswith(C_ENDINGS):
        bare = blank_c(text)
        check_floors(tree, path, text)
        check_banned(tree, path, text, bare)
        check_twice(tree, path, text, bare)
        check_c_functions(tree, path, text, bare)
        if path.endswith(".h") and not re.search(r"^#pragma once$", text, re.MULTILINE):
            tree.report(path, 1, "header", "no #pragma once")
    elif path.endswith(".lua"):
        check_lua_functions(tree, path, text, blank_lua(text))


def check_tree(root, compiler="gcc"):
    """All findings below root, as (path, line, check, what), in the order of the paths.

    Without a compiler, headers are not compiled.
    """
    tree = Tree(os.path.abspath(root))
    for path in tree.files:
        check_file(tree, path)
    if compiler is not None:
        check_headers_compile(tree, compiler)
    return sorted(tree.findings)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    findings = check_tree(root)
    for path, line, check, what in findings:
        print(f"{path}:{line}: [{check}] {what}")
    if findings:
        print(f"tidy: {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
