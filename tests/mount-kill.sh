#!/usr/bin/env bash
# kill -9 under load: the next mount is sound and what fsync acknowledged is there.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
source "${0%/*}/lib.sh"
requires_fuse
requires_tool qpatch
requires qemu-img
image=$DIR/a.qcow2
M=$DIR/mnt
S=$M/seq
"$ZQFS" create -o zone.size=4M,zone.conventional_zones=1,zone.capacity=3M "$image" 36M >/dev/null

# Appends pieces of PATTERN to a zone, fsyncs each, and notes in a file of the host how far the
# acknowledged part goes. Starts over when the zone is full.
writer() { # ZONE
    local n=0 size
    while :; do
        n=$((n + 1))
        size=$(((n * 7919 % 90 + 1) * 1024))
        pattern_bytes "zone $1 " 92160 | head -c "$size" |
            dd of="$S/$1" bs=128K iflag=fullblock oflag=append conv=notrunc,fsync \
                status=none 2>/dev/null || return 0
        stat -c %s "$S/$1" >"$DIR/size.$1.new" 2>/dev/null || return 0
        mv "$DIR/size.$1.new" "$DIR/size.$1"
        if [ "$(cat "$DIR/size.$1")" -gt 2800000 ]; then
            # from here on nothing is promised until the next fsync
            echo 0 >"$DIR/size.$1"
            truncate -s 0 "$S/$1" 2>/dev/null || return 0
        fi
    done
}

for round in 1 2 3 4 5 6; do
    mount_image "$image" "$M" -o commit=1
    for n in 0 1 2; do
        size_of "$S/$n" >"$DIR/size.$n"
        writer "$n" 2>/dev/null &
    done
    { while dd if=/dev/urandom of="$M/cnv/0" bs=64K count=8 seek=$((RANDOM % 40)) conv=notrunc \
        status=none 2>/dev/null; do :; done; } &
    sleep "0.$((RANDOM % 9 + 3))"
    pid=$(mount_pid "$M")
    kill -KILL "$pid"
    wait_gone "$pid" 10 || fail "not even SIGKILL ends it"
    wait
    "$ZQFS" umount "$M" >/dev/null 2>&1 || fusermount3 -uqz "$M" || umount -l "$M"
    forget_mount_ "$M"

    rc=0
    "$ZQFS" check "$image" >"$DIR/out" 2>&1 || rc=$?
    [ "$rc" -eq 0 ] || [ "$rc" -eq 3 ] || {
        cat "$DIR/out"
        fail "round $round: check: status $rc"
    }
    cp --sparse=always "$image" "$DIR/copy.qcow2"
    "$TOOLS/qpatch" "$DIR/copy.qcow2" clear-bit:5
    rc=0
    qemu-img check "$DIR/copy.qcow2" >"$DIR/out" 2>&1 || rc=$?
    [ "$rc" -eq 3 ] || {
        cat "$DIR/out"
        fail "round $round: qemu-img check: status $rc"
    }
    mount_image "$image" "$M"
    for n in 0 1 2; do
        want=$(cat "$DIR/size.$n")
        got=$(size_of "$S/$n")
        # a reset that came after the last note makes both sizes right
        [ "$got" -ge "$want" ] || fail "round $round, zone $n: $got bytes, $want acknowledged"
        # every piece begins like all others: each block is one of the pattern's
        pattern_bytes "zone $n " 92160 >"$DIR/pattern"
        cmp -n $((got < 1024 ? got : 1024)) "$S/$n" "$DIR/pattern" || fail "zone $n, first piece"
    done
    unmount "$M"
    "$ZQFS" check --repair=leaks "$image" >/dev/null
    assert_status 0 "$ZQFS" check "$image"
done
