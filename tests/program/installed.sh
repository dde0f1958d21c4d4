#!/usr/bin/env bash
# installed.sh BUILD_FOLDER VERSION: installs into an empty folder, and runs from another one.
#
# Nothing of the tree may be needed: a script that uses the standard library runs where neither
# stdlib/ nor LUA_PATH is.
set -euo pipefail
build="$(readlink -f "$1")"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

cmake --install "$build" --prefix "$folder/prefix" --strip >"$folder/log"
mkdir "$folder/elsewhere"
cd "$folder/elsewhere"
[[ -s $folder/prefix/share/doc/weir/LICENSE ]] || { echo "no licence installed"; exit 1; }

version="$(env -i "$folder/prefix/bin/weir" version)"
[[ $version == *"$2"* ]] || { echo "weir version prints: $version, expected $2"; exit 1; }
cat >script.lua <<'LUA'
weir.rows("a int64", { { a = 1 }, { a = 2 } }):filter("a > 1"):write("out.csv")
LUA
env -i PATH=/usr/bin:/bin "$folder/prefix/bin/weir" run script.lua >out.txt 2>err.txt ||
    { cat err.txt; exit 1; }
printf 'a\n2\n' | diff - out.csv
echo "installed: $(du -h "$folder/prefix/bin/weir" | cut -f1)"
