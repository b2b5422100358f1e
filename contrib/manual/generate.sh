#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Writes libzqfs.3 from the public headers, or to standard output with "-". A test compares the two.
set -euo pipefail
cd "${0%/*}/../.."
out=libzqfs.3
[ "${1:-}" != - ] || out=/dev/stdout

{
    sed '/^@HEADERS@$/,$d' contrib/manual/libzqfs.3.in
    # no blank lines, and no paragraph where something else begins one
    awk -f contrib/manual/manual.awk include/zqfs/*.h | awk '
        /^$/ { next }
        /^\.Pp$/ { pending = last !~ /^\.S[hs]/; next }
        pending && !/^\.(Bd|Sh|Ss)/ { print ".Pp" }
        { print; pending = 0; last = $0 }'
    sed '1,/^@HEADERS@$/d' contrib/manual/libzqfs.3.in
} >"$out"
