#!/usr/bin/env bash
# zqfs is killed under load: what fsync acknowledged is there, and the image has only leaks.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
rounds=${ZQFS_KILL_ROUNDS:-6}
image=$DIR/a.qcow2
"$ZQFS" create -o zone.size=4M,cluster_size=4K,zone.conventional_zones=1 "$image" 32M
pattern_bytes kill 4194304 >"$DIR/want"

# Appends pieces of the pattern with an fsync each, and notes what was acknowledged.
append_forever() { # ZONE
    local at=0 n
    while [ $at -lt 4190000 ]; do
        n=$(((RANDOM % 24 + 1) * 512))
        [ $((at + n)) -le 4194304 ] || break
        dd if="$DIR/want" of="$DIR/mnt/seq/$1" bs=512 skip=$((at / 512)) seek=$((at / 512)) \
            count=$((n / 512)) conv=notrunc,fsync status=none 2>/dev/null || break
        at=$((at + n))
        echo $at >"$DIR/acked.$1.new"
        mv "$DIR/acked.$1.new" "$DIR/acked.$1"
    done
}

# Fills and resets a zone without a sync, so that clusters go round.
churn_forever() { # ZONE
    while head -c $((RANDOM * 16 + 512)) "$DIR/want" >>"$DIR/mnt/seq/$1" 2>/dev/null; do
        truncate -s 0 "$DIR/mnt/seq/$1" 2>/dev/null || break
    done
}

for ((round = 1; round <= rounds; round++)); do
    mount_image "$image" "$DIR/mnt" -o commit=1
    pid=$(mount_pid "$DIR/mnt")
    [ -n "$pid" ] || fail "no process serves the mount"
    for zone in 0 1 2; do
        truncate -s 0 "$DIR/mnt/seq/$zone"
    done
    sync "$DIR/mnt/seq/0"
    rm -f "$DIR"/acked.*
    append_forever 0 &
    append_forever 1 &
    churn_forever 2 &
    sleep "0.$((RANDOM % 9))$((RANDOM % 10))"
    kill -KILL "$pid"
    wait
    fusermount3 -uqz "$DIR/mnt" 2>/dev/null || umount -l "$DIR/mnt"
    forget_mount_ "$DIR/mnt"
    wait_gone "$pid" || fail "process $pid does not end"

    status=0
    "$ZQFS" check "$image" >"$DIR/check" || status=$?
    [ $status -eq 0 ] || [ $status -eq 3 ] || fail "round $round: check: $(cat "$DIR/check")"
    mount_image "$image" "$DIR/mnt"
    for zone in 0 1; do
        acked=$(cat "$DIR/acked.$zone" 2>/dev/null || echo 0)
        size=$(size_of "$DIR/mnt/seq/$zone")
        echo "round $round: zone $zone has $size bytes, $acked acknowledged"
        [ "$size" -ge "$acked" ] || fail "zone $zone lost what fsync acknowledged"
        head -c "$size" "$DIR/want" | cmp - "$DIR/mnt/seq/$zone"
    done
    size=$(size_of "$DIR/mnt/seq/2")
    # its stream ends within a block: behind it are zeros
    [ "$size" -le 512 ] || head -c $((size - 512)) "$DIR/want" | cmp -n $((size - 512)) - "$DIR/mnt/seq/2"
    unmount "$DIR/mnt"
done
