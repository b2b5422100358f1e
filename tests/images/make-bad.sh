#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What fuzzing has found, as images: tests/images/make-bad.sh FOLDER, which holds the seeds of
# tests/fuzz/seeds.c. Each line of the table is a seed and the bytes that turn it bad, so that
# the folder gets bad-NAME. tests/fuzz-replay.sh runs every target on them, and on bad-*.zst
# beside this file: bad-used-three-times (the refcount table and two other things in one
# cluster; repair called it mended after the first), bad-table-and-two-entries-share (the same, and
# another cluster that two entries lead to; repair left a leak behind).
set -euo pipefail
cd "$1"

# NAME SEED OFFSET:HEX...   (what went wrong)
while read -r name seed patches; do
    case $name in '' | '#'*) continue ;; esac
    cp "$seed" "bad-$name"
    for p in $patches; do
        hex=${p#*:} bytes=
        while [ -n "$hex" ]; do
            bytes+="\\x${hex:0:2}" hex=${hex:2}
        done
        printf '%b' "$bytes" | dd of="bad-$name" bs=1 seek="${p%%:*}" conv=notrunc status=none
    done
done <<'END'
# cleared refcount table: the header's cluster became a refcount block, again and again
refcount-table-empty c512 512:0000000000000000
# the header's own count is 0: it was the first cluster to be allocated
refcount-of-header c512 1024:0000
# the first L1 entry leads to the refcount table: repair called it mended
l1-is-refcount-table c512 2048:8000000000000200
END
