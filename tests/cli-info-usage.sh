#!/usr/bin/env bash
# "zqfs info --usage" says what the zones of each state hold, and what that takes in the file.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires jq
requires_tool qpatch
cd "$DIR"

usage() { # IMAGE STATE KEY
    "$ZQFS" info --usage --json "$1" | jq ".usage_by_state[\"$2\"].$3"
}

# What the entries of clusters FIRST to LAST (of 64 KiB) say themselves: bytes that are stored as they
# are, and bytes that compressed data takes, in which clusters in a row may share a block.
entries() { # IMAGE FIRST LAST
    local plain=0 packed=0 end=0 entry start len i
    for ((i = $2; i <= $3; i++)); do printf 'get-l2:%d\n' "$i"; done >ops
    while read -r entry; do
        entry=$((entry)) # bit 63 makes it negative
        if (((entry >> 62 & 1) == 0)); then
            ((plain += entry ? 65536 : 0, end = 0)) || true
            continue
        fi
        start=$((entry & (1 << 54) - 1))
        len=$((((entry >> 54 & 255) + 1) * 512 - start % 512))
        ((packed += len - (start < end && end - start < 512 ? end - start : 0), end = start + len)) || true
    done < <(xargs "$TOOLS/qpatch" "$1" <ops)
    echo "$plain $packed"
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
    assert_eq "$(usage b.qcow2 full zones) $(usage b.qcow2 closed zones) $(usage b.qcow2 empty zones)" \
        "1 1 0" "zones with data"
    # cnv/0, seq/0 and seq/1
    assert_eq "$(usage b.qcow2 not-wp plain) $(usage b.qcow2 not-wp compressed_size)" \
        "$(entries b.qcow2 0 63)" "what conventional zones take"
    assert_eq "$(usage b.qcow2 full plain) $(usage b.qcow2 full compressed_size)" \
        "$(entries b.qcow2 64 127)" "what full zones take"
    assert_eq "$(usage b.qcow2 closed plain) $(usage b.qcow2 closed compressed_size)" \
        "$(entries b.qcow2 128 191)" "what closed zones take"
    assert_eq $(($(usage b.qcow2 closed plain) + $(usage b.qcow2 closed compressed))) 2097152 \
        "data of closed zones"
    [ "$(usage b.qcow2 closed plain)" -ge 900000 ] || fail "noise is not stored as it is"
    clusters=$("$ZQFS" check b.qcow2 | sed -n 's/.* \([0-9]*\) compressed.*/\1/p')
    all=$("$ZQFS" info --usage --json b.qcow2 | jq '[.usage_by_state[].compressed] | add')
    assert_eq "$all" $((clusters * 65536)) "all compressed data"
    # what it takes: no less than the compressor makes of it, no more than the file holds
    takes=$("$ZQFS" info --usage --json b.qcow2 |
        jq '[.usage_by_state[] | .plain + .compressed_size] | add')
    held=$(disk_usage b.qcow2)
    # the rest are five tables, and the end of the last cluster
    [ "$takes" -le "$held" ] && [ "$takes" -gt $((held - 6 * 65536)) ] ||
        fail "$takes bytes of the $held that $type takes"
    "$ZQFS" info --usage b.qcow2 >text
    # the same in words, with the ratio of what the zones hold to what that takes
    "$ZQFS" info --usage --json b.qcow2 | jq -r '.usage_by_state | to_entries[] |
        select(.value.zones > 0) | [.key, (.value | .zones, .plain, .compressed, .compressed_size)] | @tsv' |
        awk '{ z += $2; p += $3; c += $4; s += $5
            printf "%s %d %.2f\n", $1, $2, ($3 + $4) / ($3 + $5) }
            END { printf "all %d %.2f\n", z, (p + c) / (p + s) }' >want
    awk 'seen { print $1, $2, $NF } /^data of zones:$/ { getline; seen = 1 }' text | head -n 4 |
        diff want - || fail "$(cat text)"
done
"$ZQFS" info --json b.qcow2 | jq -e 'has("usage_by_state") | not' >out || fail "told without --usage"

