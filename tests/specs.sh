#!/usr/bin/env bash
# specs.sh PROGRAM FILE...: runs busted specs and closes with `N passed, N failed`.
#
# `PROGRAM test` runs them, so that they see what the program has inside, as soon as it knows that
# word; until then Lua 5.4 does, with the standard library from stdlib/. (busted's own command runs
# under whatever `lua` is.) Pending specs count as skipped. No spec at all is a failure.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."

program=$1
shift
export WEIR_PROGRAM="$program"
unset LUA_PATH_5_4
# Inside the program its own modules come first; some specs read the files as text.
export LUA_PATH="./stdlib/?.lua;./stdlib/?/init.lua;./?.lua;./?/init.lua;;"
if [[ -x $program ]] && "$program" help test >/dev/null 2>&1; then
    exec "$program" test "$@" </dev/null
fi
output="$(mktemp)"
trap 'rm -f "$output"' EXIT

status=0
lua5.4 "$(command -v busted)" -o plainTerminal "$@" >"$output" 2>&1 </dev/null || status=$?
cat "$output"
word='[a-z]*'
counts="$(sed -n "s|^\([0-9]*\) success$word / \([0-9]*\) failure$word / \([0-9]*\) error$word /\
 \([0-9]*\) pending.*|\1 \2 \3 \4|p" "$output" | tail -1)"
[[ -n $counts ]] || { echo "specs.sh: busted printed no summary" >&2; exit 1; }
read -r passed failures errors pending <<<"$counts"
failed=$((failures + errors))
if [[ $pending -gt 0 ]]; then
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$pending"
else
    printf '%d passed, %d failed\n' "$passed" "$failed"
fi
[[ $status -eq 0 && $failed -eq 0 && $((passed + pending)) -gt 0 ]]
