#!/usr/bin/env bash
# With the option compress full zones become small in the background; what is in them stays.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires_tool zdev

cd "$DIR"
mkdir mnt
seq 1 400000 >lines # text that can be compressed
head -c 2097152 lines >log

small() { # IMAGE BYTES: waits until it takes at most so much
    for _ in $(seq 100); do
        sync mnt/seq/0 2>/dev/null || true
        [ "$(disk_usage "$1")" -gt "$2" ] || return 0
        sleep 0.2
    done
    fail "$1 still takes $(disk_usage "$1") bytes"
}

while read -r level options; do
    "$ZQFS" create -q --force -o "zone.size=2M,$options" disk 16M
    mount_image disk mnt -o "$level"
    for i in 0 1 2; do
        cat log >mnt/seq/$i
    done
    head -c 100000 log >mnt/seq/3 # not full: stays as it is
    sync mnt/seq/3
    small disk 5000000
    # compressed clusters read back, a reset and a new zone come on top of them
    for i in 0 1 2; do
        cmp log mnt/seq/$i || fail "zone $i with $options"
    done
    truncate -s 0 mnt/seq/1
    assert_size mnt/seq/1 0
    head -c 5000 log >mnt/seq/1
    cmp <(head -c 5000 log) <(head -c 5000 mnt/seq/1) || fail "what follows a reset"
    unmount mnt
    "$ZQFS" check disk >out || fail "check with $options: $(cat out)"
    grep -q ' [1-9][0-9]* compressed' out || fail "nothing is compressed: $(cat out)"
    mount_image disk mnt -o ro
    for i in 0 2; do
        cmp log mnt/seq/$i || fail "zone $i after a remount with $options"
    done
    unmount mnt
done <<'END'
compress compression_type=zstd
compress=9 compression_type=zlib,cluster_size=4K
compress=19 compression_type=zstd,cluster_size=1M
END

# A kill in the middle leaves a whole image.
"$ZQFS" create -q --force -o zone.size=2M,compression_type=zstd disk 32M
for delay in 0 0.01 0.03 0.06; do
    mount_image disk mnt -o compress
    for i in $(seq 0 7); do
        cat log >mnt/seq/$i
    done
    sync mnt/seq/7
    sleep "$delay"
    pid=$(mount_pid mnt)
    kill -KILL "$pid"
    wait_gone "$pid" 10 || fail "not even SIGKILL ends it"
    "$ZQFS" umount mnt >/dev/null 2>&1 || umount -l mnt
    forget_mount_ mnt
    "$ZQFS" check --repair=leaks disk >out || fail "check after a kill: $(cat out)"
    mount_image disk mnt -o ro
    for i in $(seq 0 7); do
        cmp log mnt/seq/$i || fail "zone $i after a kill"
    done
    unmount mnt
    "$ZQFS" reset disk all >/dev/null
done

# What cannot be compressed is refused by name.
"$ZQFS" create -q -o zone.size=2M,data_file=data.raw ext 4M
expect_fail "an external data file cannot hold compressed clusters" "$ZQFS" ext mnt -o compress
expect_fail "must be a number from 1 to 22" "$ZQFS" disk mnt -o compress=23
"$ZQFS" create -q -o zone.size=2M z 4M
expect_fail "level 12 is none of the image's compression_type" "$ZQFS" z mnt -o compress=12
