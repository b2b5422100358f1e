#!/usr/bin/env bash
# A read that fails for want of memory says so in the log, and the mount goes on.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
[ -z "$SANITIZED" ] || skip "a sanitizer needs address space itself"
M=$DIR/mnt
mkdir "$M"
cleanup_fn sh -c "! mountpoint -q '$M' || fusermount3 -uz '$M'"

"$ZQFS" create -q -o zone.size=4M,zone.conventional_zones=4 "$DIR/a.qcow2" 32M
# How much a process needs differs from system to system: reading fails somewhere on this way.
seen=
for ((limit = 28000; limit < 100000; limit += 2000)); do
    (
        ulimit -v "$limit"
        exec "$ZQFS" -f "$DIR/a.qcow2" "$M" 2>"$DIR/log"
    ) &
    pid=$!
    for ((i = 0; i < 100; i++)); do
        ! is_mounted "$M" || break
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    is_mounted "$M" || continue # not even enough to mount
    readers=()
    # where it cannot even take the first request it ends, and nobody waits for it for ever
    rc=0
    timeout 20 stat -c %s "$M/cnv" >>"$DIR/cat" 2>&1 || rc=$?
    [ "$rc" -ne 124 ] || fail "stat waits under ulimit -v $limit"
    if [ "$rc" -ne 0 ]; then
        wait_gone "$pid" || fail "it goes on under ulimit -v $limit and does not answer"
        grep -q "Cannot allocate memory" "$DIR/log" || fail "it ended without a reason: $(cat "$DIR/log")"
        ! is_mounted "$M" || "$ZQFS" umount "$M"
        continue
    fi
    for zone in 0 1 2 3; do
        cat "$M/cnv/$zone" >/dev/null 2>>"$DIR/cat" &
        readers+=($!)
    done
    wait "${readers[@]}" || true
    "$ZQFS" umount "$M"
    wait "$pid" || fail "the process ended with $? under ulimit -v $limit"
    if grep -q "Cannot allocate memory" "$DIR/cat"; then
        grep "(cnv/[0-3]): no memory to read" "$DIR/log" || fail "no line in the log: $(cat "$DIR/log")"
        seen=yes
        break
    fi
done
[ -n "$seen" ] || skip "reading never fails here"
assert_status 0 "$ZQFS" check "$DIR/a.qcow2"
