#!/usr/bin/env bash
# "zqfs info --usage" says what the zones of each state hold, and what that takes in the file.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires jq
cd "$DIR"

usage() { # IMAGE STATE KEY
    "$ZQFS" info --usage --json "$1" | jq ".usage_by_state[\"$2\"].$3"
}

seq 1 1000000 >lines
head -c 4194304 lines >log
head -c 1048576 /dev/urandom >noise
for type in zlib zstd; do
    "$ZQFS" create -q --force -o zone.size=4M,zone.conventional_zones=1 a.qcow2 20M
    mkdir -p mnt
    mount_image a.qcow2 mnt
    cat log >mnt/seq/0
    head -c 1000000 log >mnt/seq/1
    cat noise >>mnt/seq/1
    dd if=noise of=mnt/cnv/0 bs=64K count=3 conv=notrunc status=none
    sync mnt/seq/0
    # of a mount: nothing is compressed, and states are those of the mount
    assert_eq "$(usage mnt full plain)" 4194304 "data of full zones"
    assert_eq "$(usage mnt not-wp plain)" 196608 "data of conventional zones"
    assert_eq "$(usage mnt implicit-open zones)" 1 "open zones with data"
    assert_eq "$(usage mnt full compressed)" 0 "compressed data"
    unmount mnt

    "$ZQFS" convert -q --force -c -o "compression_type=$type" a.qcow2 b.qcow2
    assert_eq "$(usage b.qcow2 full compressed)" 4194304 "compressed data of full zones"
    [ "$(usage b.qcow2 closed plain)" -ge 900000 ] || fail "noise is not stored as it is"
    clusters=$("$ZQFS" check b.qcow2 | sed -n 's/.* \([0-9]*\) compressed.*/\1/p')
    all=$("$ZQFS" info --usage --json b.qcow2 | jq '[.usage_by_state[].compressed] | add')
    assert_eq "$all" $((clusters * 65536)) "all compressed data"
    # what it takes: no less than the compressor makes of it, no more than the file holds
    takes=$("$ZQFS" info --usage --json b.qcow2 |
        jq '[.usage_by_state[] | .plain + .compressed_size] | add')
    held=$(disk_usage b.qcow2)
    [ "$takes" -le "$held" ] && [ "$takes" -gt $((held - 600000)) ] ||
        fail "$takes bytes of the $held that $type takes"
    "$ZQFS" info --usage b.qcow2 >text
    grep -Eq '^  full +1 +0 B +4 MiB .* [1-9][0-9]*\.[0-9]{2}$' text || fail "$(cat text)"
    grep -q '^  all ' text || fail "no sum"
done
"$ZQFS" info --json b.qcow2 | jq -e 'has("usage_by_state") | not' >out || fail "told without --usage"

