"""measured.py: what the tables of ./dev bench share: where things lie, and one run measured."""

import os
import platform
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, "build")
FOLDER = os.path.join(BUILD, "bench")


def measure(command, folder):
    """CPU seconds and peak memory in MB of one run on one core, in `folder`."""
    core = str(max(os.sched_getaffinity(0)))
    command = [os.path.join(BUILD, "tests/bench/measure"), core, "measured", *command]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)[:200]}\nexit code {done.returncode}\n{done.stderr}")
    with open(os.path.join(folder, "measured"), encoding="utf-8") as file:
        seconds, peak_kib = file.read().split()
    return float(seconds), int(peak_kib) / 1024


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"model name\s*:\s*(.*)", file.read())
    name = found.group(1) if found else platform.machine()
    return f"{name}, {os.cpu_count()} cores"
