#!/usr/bin/env bash
# specs.sh PROGRAM FILE...: runs busted specs and closes with `N passed, N failed`.
#
# `PROGRAM test` runs them, so that they see what the program has inside. Pending specs count as
# skipped, and fail where CI is set. No spec at all is a failure.
set -euo pipefail

program=$1
shift
[[ -x $program ]] || { echo "specs.sh: no such program: $program" >&2; exit 1; }
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
export WEIR_PROGRAM="$program"
unset LUA_PATH_5_4
# Inside the program its own modules come first; some specs read the files as text.
export LUA_PATH="./stdlib/?.lua;./stdlib/?/init.lua;./?.lua;./?/init.lua;;"
output="$(mktemp)"
trap 'rm -f "$output"' EXIT

"$program" test "$@" </dev/null | tee "$output"
if [[ -n ${CI:-} ]] && tail -1 "$output" | grep -q ' skipped$'; then
    echo "specs.sh: a spec is pending, which fails where CI is set" >&2
    exit 1
fi
