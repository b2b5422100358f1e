#!/usr/bin/env bash
# Readiness: NOTIFY_SOCKET, --ready-fd and the pid file tell no sooner than the mount answers.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires_tool dgram
cd "$DIR"
mkdir mnt
"$ZQFS" create -q -o zone.size=1M a.qcow2 8M

listen() { # FILE COMMAND...: has COMMAND print, into FILE, what it receives
    local to=$1
    shift
    "$@" >"$to" &
    listener=$!
    cleanup_fn stop_process "$listener"
    for _ in $(seq 100); do ! grep -q listening "$to" || return 0; sleep 0.1; done
    fail "the listener does not listen"
}

# in the foreground, as systemd starts it
listen notified "$TOOLS/dgram" "$PWD/notify"
NOTIFY_SOCKET=$PWD/notify "$ZQFS" -f a.qcow2 mnt &
pid=$!
cleanup_fn stop_process "$pid"
wait "$listener" || fail "nothing came through NOTIFY_SOCKET"
[ -e mnt/seq/0 ] || fail "said to be ready, and not mounted"
assert_eq "$(cat notified)" "listening
READY=1
MAINPID=$pid

--" "what systemd is told"
kill -TERM "$pid"
wait "$pid" || fail "status $? after SIGTERM"

# an abstract address, in the background: the pid is the daemon's
rm notify
listen notified "$TOOLS/dgram" "$PWD/notify"
NOTIFY_SOCKET=$PWD/notify "$ZQFS" --pid-file=pid --ready-fd=3 a.qcow2 mnt 3>ready
wait "$listener"
assert_eq "$(cat ready)" "ready" "through the descriptor"
assert_eq "$(sed -n 's/MAINPID=//p' notified)" "$(cat pid)" "the pid that systemd is told"
[ "$(readlink -f "/proc/$(cat pid)/exe")" = "$(readlink -f "$ZQFS")" ] ||
    fail "the pid file names another process"
pid=$(cat pid)
"$ZQFS" umount mnt
wait_gone "$pid"
[ ! -e pid ] || fail "the pid file is still there"

# nothing is told, and no pid file left, when there is no mount
: >junk
expect_fail "junk: the file is empty" "$ZQFS" --pid-file=pid --ready-fd=3 junk mnt 3>ready
[ ! -s ready ] || fail "ready without a mount"
[ ! -e pid ] || fail "a pid file without a mount"
expect_fail "no/pid: cannot write the pid file" "$ZQFS" --pid-file=no/pid a.qcow2 mnt

# a descriptor that is not open could be that of the image a moment later
cp a.qcow2 kept
for fd in 3 4 5; do
    expect_fail "--ready-fd: descriptor $fd is not open for writing" \
        "$ZQFS" --ready-fd=$fd a.qcow2 mnt 3>&- 4<a.qcow2 5>&-
    assert_same a.qcow2 kept
done

# what is no pid file is not touched, least of all the image
expect_fail "pid file a.qcow2: holds something else than a process id" \
    "$ZQFS" --pid-file=a.qcow2 a.qcow2 mnt
assert_same a.qcow2 kept
echo "12 monkeys" >junk
expect_fail "pid file junk: holds something else" "$ZQFS" --pid-file=junk a.qcow2 mnt
assert_eq "$(cat junk)" "12 monkeys" "what was no pid file"
mkfifo fifo
expect_fail "pid file fifo: not a regular file" timeout 20 "$ZQFS" --pid-file=fifo a.qcow2 mnt
mkdir mnt2
# one that is left by a process that is gone is replaced; that of a mount outlives a second start
echo 1234567 >pid
mount_image a.qcow2 mnt --pid-file=pid
assert_eq "$(cat pid)" "$(mount_pid mnt)" "the number in an old pid file"
expect_fail "in use by another process" "$ZQFS" --pid-file=pid a.qcow2 mnt2
assert_eq "$(cat pid)" "$(mount_pid mnt)" "the pid file after a second start"
unmount mnt
[ ! -e pid ] || fail "an old pid file is left"
! is_mounted mnt || fail "mounted without the pid file"

# a manager that does not listen is no reason to fail
NOTIFY_SOCKET=$PWD/nobody "$ZQFS" a.qcow2 mnt 2>err
grep -q "cannot tell systemd" err || fail "said: $(cat err)"
"$ZQFS" umount mnt
