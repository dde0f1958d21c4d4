#!/usr/bin/env bash
# lint.sh: what other programs check of the tree.
#   lint.sh format   the layout of C and C++ sources, by .clang-format
#   lint.sh lua      luacheck over every Lua file, by .luacheckrc
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."

case ${1:-} in
    format)
        find . -path './build*' -prune -o \
            \( -name '*.c' -o -name '*.h' -o -name '*.cpp' \) -print0 |
            xargs -0r clang-format-14 --dry-run -Werror
        ;;
    lua)
        folders=()
        for folder in stdlib spec examples tests; do
            [[ -d $folder ]] && folders+=("$folder")
        done
        files="$(find "${folders[@]}" -name '*.lua' -print -quit)"
        [[ -z $files ]] || luacheck --no-color -q "${folders[@]}"
        ;;
    *)
        echo "usage: lint.sh format|lua" >&2
        exit 2
        ;;
esac
