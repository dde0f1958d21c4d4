#!/usr/bin/env bash
# run.sh PROGRAM SCRIPT: runs a comparison with an oracle, a Python script in this folder.
#
# The script finds the program by WEIR_PROGRAM and may import duckdb; WEIR_SEED and
# WEIR_RANDOM_SECONDS bound what is random. Without the oracle it is skipped (exit code 77), and
# fails where CI is set. A line `# test: long` keeps a script for `./dev test long`.
set -euo pipefail
export WEIR_PROGRAM="$1"
if [[ -z ${WEIR_ORACLE:-} ]]; then
    echo "no oracle: WEIR_ORACLE is unset; ./dev test makes one"
    [[ -z ${CI:-} ]] || exit 1
    exit 77
fi
exec "$WEIR_ORACLE" "$2"
