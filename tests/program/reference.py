#!/usr/bin/env python3
"""reference.py: the committed reference is what the program says.

    reference.py --weir PROGRAM [--update]

docs/reference holds a chapter each of `weir help --markdown`. This fails where a file differs, is
missing or belongs to no chapter; --update (`./dev docs`) writes them. It also compares the error
codes with the sources: `later` stands at exactly those that nothing can say yet.
"""

import argparse
import difflib
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDER = os.path.join(ROOT, "docs/reference")
DIFF_LINES_MAX = 40


def chapter_of(weir, name):
    return subprocess.run([weir, "help", "--markdown", name], check=True, timeout=60,
                          capture_output=True).stdout


def chapters(weir):
    """Files of the reference by name, as bytes."""
    index = chapter_of(weir, "index")
    files = {"README.md": index}
    for name in re.findall(rb"\]\(([a-z-]+)\.md\)", index):
        files[name.decode() + ".md"] = chapter_of(weir, name.decode())
    return files


def committed():
    files = {}
    for name in sorted(os.listdir(FOLDER)) if os.path.isdir(FOLDER) else []:
        with open(os.path.join(FOLDER, name), "rb") as file:
            files[name] = file.read()
    return files


def write(files):
    os.makedirs(FOLDER, exist_ok=True)
    for name in committed():
        if name not in files:
            os.remove(os.path.join(FOLDER, name))
    for name, text in files.items():
        with open(os.path.join(FOLDER, name), "wb") as file:
            file.write(text)


def differences(wanted, found):
    lines = []
    for name in sorted(set(wanted) | set(found)):
        if name not in found:
            lines.append(f"  docs/reference/{name}: is missing")
        elif name not in wanted:
            lines.append(f"  docs/reference/{name}: belongs to no chapter")
        elif wanted[name] != found[name]:
            lines.append(f"  docs/reference/{name}: is not what the program says")
            diff = difflib.unified_diff(found[name].decode().splitlines(),
                                        wanted[name].decode().splitlines(), "committed",
                                        "the program", lineterm="", n=1)
            lines += [f"    {line}" for line in list(diff)[:DIFF_LINES_MAX]]
    return lines


def codes_said():
    """The codes that the sources say, as text or as the number of a reject (X(PARSE, 501, …))."""
    found = set()
    for top in ("runtime", "stdlib"):
        for here, _, names in os.walk(os.path.join(ROOT, top)):
            if "error_codes" in here:
                continue
            for name in names:
                if name.endswith((".c", ".h", ".lua")) and name != "error_codes.lua":
                    with open(os.path.join(here, name), encoding="utf-8") as file:
                        text = file.read()
                    found.update(re.findall(r"[\"'](W\d\d\d)[\"':]", text))
                    found.update("W" + number for number in
                                 re.findall(r"(?:, (?=\d{3}, \")|code = )(\d{3})\b", text))
    return found


def codes_of_later_versions():
    """Lines about codes whose page is wrong about whether this version says them."""
    said = codes_said()
    lines = []
    folder = os.path.join(ROOT, "stdlib/weir/error_codes")
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            rows = re.findall(r"\n  (W\d\d\d) = \{\n(.*?)\n  \}", file.read(), re.DOTALL)
        for code, row in rows:
            can_be_said = code in said
            if can_be_said == ("later = true" in row):
                lines.append(f"  {name}: {code} is {'' if can_be_said else 'not '}said by the "
                             f"sources, and its page says {'never' if can_be_said else 'nothing'}")
    return lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", required=True)
    parser.add_argument("--update", action="store_true")
    options = parser.parse_args()
    wanted = chapters(os.path.abspath(options.weir))
    if options.update:
        write(wanted)
    lines = differences(wanted, committed()) + codes_of_later_versions()
    if lines:
        print("the reference (`./dev docs` writes it):")
        print("\n".join(lines))
    count = len(wanted) + 1
    print(f"{0 if lines else count} passed, {count if lines else 0} failed")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
