#!/usr/bin/env bash
# Requests come through io_uring where they may; ends of all kinds leave nothing; without it all works too.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 900
source "${0%/*}/lib.sh"
source "${0%/*}/serve.bash"
source "${0%/*}/rings.bash"
requires_fuse
requires flock
requires_tool zload
requires_tool zio
requires_abort
M=$DIR/mnt
image=$DIR/a.qcow2
rings_need 180
"$ZQFS" create -q -o zone.size=4M,zone.conventional_zones=2 "$image" 40M
mkdir "$M"

rings_set Y
expect_fail "off|on|auto" "$ZQFS" -o uring=maybe "$image" "$M"

echo "-- what was written is read"
mount_image "$image" "$M" -o uring=on
has_rings_ "$(mount_pid "$M")" || fail "no rings"
pattern_bytes rings 3000000 >"$DIR/want"
cat "$DIR/want" >"$M/seq/1"
dd if="$DIR/want" of="$M/cnv/0" bs=64K oflag=direct,nonblock iflag=fullblock conv=notrunc status=none
remount_image "$image" "$M" -o uring=on
head -c 3000000 "$M/seq/1" | cmp - "$DIR/want"
head -c 3000000 "$M/cnv/0" | cmp - "$DIR/want"
unmount "$M"

begin() { # WHAT
    echo "-- $1"
    mount_faulty "$image" "$M" -o uring=on
    guard 60 "$M"
    pid=$(mount_pid "$M")
}
load() {
    "$TOOLS/zload" "$M" 8 "$RANDOM" &
    load=$!
    cleanup_fn stop_process "$load"
    sleep 1
}
over() { # WHAT
    assert_none_stuck "after $1"
    kill -KILL "$load" 2>/dev/null || true
    wait "$load" 2>/dev/null || true
    wait_gone "$pid" 20 || fail "the process is still there after $1"
    assert_none_stuck "after $1, without clients"
    unguard
    if is_mounted "$M"; then umount -l "$M"; fi
    forget_mount_ "$M"
    assert_unlocked "$image" 5
}

for signal in TERM KILL; do
    begin "SIG$signal while everybody is at work"
    load
    kill "-$signal" "$pid"
    over "SIG$signal"
done
begin "umount -l while everybody is at work"
load
umount -l "$M"
kill -KILL "$load" 2>/dev/null || true
over "umount -l"
begin "clients are killed while the process stands still"
load
kill -STOP "$pid"
sleep 0.5
kill -KILL "$load" 2>/dev/null || true
sleep 0.5
kill -CONT "$pid"
assert_none_stuck "after SIGCONT"
kill -TERM "$pid"
over "SIGTERM"

# the load may have filled any zone, or have taken it out of use
image=$DIR/b.qcow2
"$ZQFS" create -q -o zone.size=4M,zone.conventional_zones=2 "$image" 40M
begin "a disk that does not answer to three fsyncs on one processor"
echo x >>"$M/seq/0"
fault sync-hang
for ((i = 0; i < 3; i++)); do
    spawn taskset -c 0 sh -c "echo y >>'$M/seq/$i'; sync -d '$M/seq/$i'"
done
sleep 0.5
taskset -c 0 timeout 5 cat "$M/seq/0" >/dev/null || fail "a read waits for a disk that others wait for"
heal
wait_spawned
unguard
unmount "$M"

begin "kicks that get lost end the mount, with a line"
mount_log=$DIR/log
unguard
unmount "$M"
mkdir -p "$M"
export ZQFS_FAULTS=$FAULTS LD_PRELOAD=$TOOLS/faults.so
"$ZQFS" -f -o uring=on "$image" "$M" 2>"$mount_log" &
pid=$!
unset LD_PRELOAD
cleanup_fn stop_process "$pid"
for ((i = 0; i < 100; i++)); do
    ! is_mounted "$M" || break
    sleep 0.1
done
echo x >>"$M/seq/0"
fault kick-lost
for ((i = 0; i < 60; i++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 1
done
if kill -0 "$pid" 2>/dev/null; then fail "still there after a minute"; fi
grep -q "do not come through io_uring any more" "$mount_log" || fail "said: $(cat "$mount_log")"
heal
if is_mounted "$M"; then fail "still mounted"; fi
assert_unlocked "$image" 5

if [ -z "${ZQFS_TEST_RINGS:-}" ]; then
    echo "-- other tests, all on rings"
    export ZQFS_TEST_RINGS=yes KILLS=5 STRESS_SECONDS=10
    for t in mount-basic mount-hang mount-ending conf-0300-sequential zonefs-async fault-kill-serve \
        stress-serve; do
        run_other "$t" "on rings"
    done
fi
