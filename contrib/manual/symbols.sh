#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Writes src/libzqfs.map from the public headers. A name that is new in them is added so; one that is
# gone is told, since programs that were built before may need it.
set -euo pipefail
cd "${0%/*}/../.."
map=src/libzqfs.map

awk -f contrib/manual/headers.awk include/zqfs/*.h | sed -n 's/^export \(.*\)/\t\1;/p' | sort -u >"$map.names"
sed -n '/^\tzq_/p' "$map" | sort | comm -23 - "$map.names" | sed 's/^/no longer there: /' >&2
{
    sed '/^global:/q' "$map"
    cat "$map.names"
    sed -n '/^local:/,$p' "$map"
} >"$map.new"
rm "$map.names"
mv "$map.new" "$map"
