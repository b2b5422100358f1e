#!/usr/bin/env bash
# The conformance scripts once more: one thread, synchronous writes, other kinds of images.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 600
source "${0%/*}/lib.sh"
requires_fuse
failed=0

again() { # NAME "MOUNT ARGUMENTS" "CREATE OPTIONS" SCRIPT...
    local name=$1 mount=$2 create=$3 script rc
    shift 3
    for script in "$@"; do
        rc=0
        CONF_MOUNT=$mount CONF_CREATE=$create CONF_COARSE=${CONF_COARSE:-} "$TOP/tests/$script.sh" >"$DIR/out" 2>&1 || rc=$?
        if [ "$rc" -ne 0 ] && [ "$rc" -ne 77 ]; then
            echo "$name: $script failed:"
            sed 's/^/    /' "$DIR/out"
            failed=$((failed + 1))
        fi
    done
}

data="conf-0200-conventional conf-0300-sequential conf-0320-partial conf-0500-attributes"
# shellcheck disable=SC2086 # lists of scripts
{
    again "one thread" "-o max_threads=1" "" $data conf-0520-limits
    again "synchronous" "-o sync" "" $data
    again "small cache, frequent commits" "-o cache=64K,commit=1" "cluster_size=512" $data
    CONF_COARSE=1 again "large clusters" "" "zone.layout=56,cluster_size=2M" $data
    again "subclusters" "" "extended_l2=on,cluster_size=32K" $data
    again "one-bit refcounts" "" "refcount_bits=1,cluster_size=4K" $data
    again "older layout, little-endian" "" "zone.layout=48,zone.wp_order=little" \
        conf-0300-sequential
    CONF_COARSE=1 again "preallocated" "" "preallocation=metadata" $data
}
[ "$failed" -eq 0 ] || fail "$failed scripts failed in other conditions"
