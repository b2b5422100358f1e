#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A test signals only what it has started: the number of a process that has ended may be another's.
source "${0%/*}/lib.sh"

sleep 100 &
child=$!
(
    sleep 100 &
    echo $! >"$DIR/pid"
    wait
) &
shell=$!
# as a program does that goes to the background: its parent has ended
(setsid sleep 100 &
    echo $! >"$DIR/daemon")
env -u ZQFS_TEST_DIR setsid -f sh -c 'echo $$ >"$0"; exec sleep 100' "$DIR/other"
end_other() { env -u ZQFS_TEST_DIR sh -c 'kill "$(cat "$0")"' "$DIR/other"; }
cleanup_fn end_other
until [ -s "$DIR/other" ] && [ -s "$DIR/pid" ] && [ -s "$DIR/daemon" ]; do sleep 0.01; done
other=$(cat "$DIR/other")
sub=$(cat "$DIR/pid")
daemon=$(cat "$DIR/daemon")

expect_fail "process $other is not of this test" kill "$other"
expect_fail "process $other is not of this test" kill -KILL "$child" "$other"
expect_fail "is not of this test" kill -0 $PPID
stop_process "$other"
! running_ "$other" || fail "another's process counts as ours"
[ -e "/proc/$other" ] || fail "another's process was ended"

for pid in "$child" "$shell" "$sub" "$daemon"; do
    running_ "$pid" || fail "ours counts as another's"
    kill -0 "$pid" || fail "ours may not be signalled"
done
kill "$shell" "$sub"
kill -TERM "$daemon"
kill %1
for pid in "$child" "$shell" "$sub" "$daemon"; do
    wait_gone "$pid" || fail "a process of ours goes on"
done
stop_process "$child"
