#!/usr/bin/env bash
# umount: complete and unlocked when it returns; busy, stale and wrong mount points.
# serial: a mount namespace of its own holds the mounts that other tests end meanwhile
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
cd "$DIR"

"$ZQFS" create -q -o zone.size=4M a.qcow2 32M
size_after() { "$ZQFS" report --csv a.qcow2 | awk -F, '$1 == 0 { print $7 }'; }

# at once after a write, several times: everything is in the image, and it can be opened again
total=0
for round in 1 2 3 4 5; do
    mount_image a.qcow2 mnt
    head -c 300K /dev/zero >>mnt/seq/0
    total=$((total + 300 * 1024))
    unmount "mnt"
    assert_eq "$(size_after)" "$total" "write pointer in round $round"
    assert_status 0 "$ZQFS" reset a.qcow2 1
done

# by a relative path with a slash, by the image's name, read-only, forced
mount_image a.qcow2 mnt
"$ZQFS" umount ./mnt/
is_mounted mnt && fail "./mnt/ is still mounted"
mount_image a.qcow2 mnt
"$ZQFS" umount a.qcow2
is_mounted mnt && fail "mounted after umount by the image's name"
mount_image a.qcow2 mnt -o ro
"$ZQFS" umount mnt
is_mounted mnt && fail "the read-only mount is still there"

# two readers of one image: the right one goes, the other stays
mount_image a.qcow2 mnt -o ro
mount_image a.qcow2 mnt2 -o ro
"$ZQFS" umount mnt2
is_mounted mnt || fail "the other reader is gone"
is_mounted mnt2 && fail "mnt2 is still mounted"
ls mnt/seq/0
"$ZQFS" umount mnt

# busy
mount_image a.qcow2 mnt
exec 3<mnt/seq/0
expect_fail "mnt: busy: a process has a file in it open" "$ZQFS" umount mnt
exec 3<&-
unmount mnt

# stale: the process is gone, the mount is not; for who was asking then, too
mount_image a.qcow2 mnt
kill -STOP "$(mount_pid mnt)"
(expect_fail "mnt: a stale mount, its zqfs is gone; clear it with: zqfs umount mnt" "$ZQFS" a.qcow2 mnt) &
asking=$!
sleep 0.5
kill -KILL "$(mount_pid mnt)"
wait_gone "$(mount_pid mnt)"
wait "$asking" || fail "while it went"
ls mnt 2>/dev/null && fail "the mount of a killed process answers"
expect_fail "mnt: a stale mount, its zqfs is gone; clear it with: zqfs umount mnt" "$ZQFS" a.qcow2 mnt
expect_fail "mnt: a stale mount, its zqfs is gone; clear it with: zqfs umount mnt" "$ZQFS" report mnt
"$ZQFS" umount mnt
is_mounted mnt && fail "the stale mount is still there"
ls mnt

# what is not ours
expect_fail "mnt: nothing is mounted on it" "$ZQFS" umount mnt
expect_fail "no-such: No such file or directory" "$ZQFS" umount no-such
expect_fail "a.qcow2: not mounted anywhere by zqfs" "$ZQFS" umount a.qcow2
expect_fail "/proc: mounted, but not by zqfs (type proc); use umount" "$ZQFS" umount /proc
mount_image a.qcow2 mnt
expect_fail "mnt/seq: a folder of the mount $(pwd -P)/mnt; unmount that" "$ZQFS" umount mnt/seq
unmount mnt

# an image that was renamed while mounted is found, and what lies at its old path is another one
mount_image a.qcow2 mnt
mv a.qcow2 new.qcow2
"$ZQFS" create -q -o zone.size=1M a.qcow2 8M
here=$(pwd -P)
for what in new.qcow2 "$here/mnt"; do
    assert_eq "$("$ZQFS" report --json -l 1 "$what" | grep -E '"(image|mountpoint)"' | tr -d ' \n')" \
        "\"image\":\"$here/new.qcow2\",\"mountpoint\":\"$here/mnt\"," "report of $what"
done
# also while another mount, of whatever image, does not answer
report_beside() { # WHAT mnt3 DOES
    local rc=0
    # until all who have the output have closed it
    timeout -k 1 40 "$ZQFS" report --json -l 1 new.qcow2 | timeout 40 cat >out || rc=$?
    assert_eq "$rc" 0 "status beside a mount that $1"
    grep -qF "\"$here/mnt\"" out || fail "said beside a mount that $1: $(cat out)"
}
mount_image a.qcow2 mnt3
kill -STOP "$(mount_pid mnt3)"
report_beside "does not answer"
kill -CONT "$(mount_pid mnt3)"
unmount mnt3
# nor when its process has taken the question, which not even a signal takes back
if command -v strace >/dev/null; then
    mount_image a.qcow2 mnt3 -o uring=off
    strace -f -qq -o /dev/null -e trace=write,writev -e inject=write,writev:delay_enter=60s \
        -p "$(mount_pid mnt3)" 2>strace.err &
    cleanup_fn stop_process $!
    until grep -q "^TracerPid:[[:space:]]*[1-9]" "/proc/$(mount_pid mnt3)/status"; do
        kill -0 $! 2>/dev/null || break
        sleep 0.05
    done
    tracer=$!
    kill -STOP "$(mount_pid mnt)" # so that the other one is asked first
    (sleep 1; kill -CONT "$(mount_pid mnt)") &
    report_beside "has taken the question"
    kill "$tracer"
    unmount mnt3
fi
"$ZQFS" info mnt >out
grep -q "^image:  *$here/new.qcow2$" out || fail "info of a mount point: $(head -n 2 out)"
grep -q "^mounted on:  *$here/mnt$" out || fail "info does not tell the mount point: $(head -n 2 out)"
"$ZQFS" info a.qcow2 >out
! grep -q "^mounted on:" out || fail "info takes the new file for the mounted one"
expect_fail "new.qcow2: mounted on $here/mnt; first run: zqfs umount" "$ZQFS" check new.qcow2
assert_status 0 "$ZQFS" check a.qcow2
# and nobody waits for the process of the other one
mount_image a.qcow2 mnt3
timeout 5 "$ZQFS" umount mnt || fail "umount: status $?"
is_mounted mnt3 || fail "mnt3 is gone"
running_ "$(mount_pid mnt3)" || fail "the process of mnt3 is gone"
unmount mnt3
assert_status 0 "$ZQFS" check new.qcow2

# the number of its device is free once it is unmounted, and another mount may get it at once
"$ZQFS" create -q -o zone.size=1M next.qcow2 8M
mount_image a.qcow2 mnt
mkdir -p mnt6
export ZQFS_AFTER_UMOUNT="unset LD_PRELOAD; '$ZQFS' next.qcow2 mnt6"
if [ "$(id -u)" -eq 0 ]; then
    [ -n "$SANITIZED" ] || assert_status 0 env LD_PRELOAD="$TOOLS/after_umount.so" "$ZQFS" umount mnt
else
    mkdir bin
    printf '#!/bin/sh\nPATH=${PATH#*:}\nfusermount3 "$@" || exit\nsh -c "$ZQFS_AFTER_UMOUNT"\n' >bin/fusermount3
    chmod +x bin/fusermount3
    PATH=$PWD/bin:$PATH assert_status 0 "$ZQFS" umount mnt
fi
forget_mount_ mnt
[ -n "$SANITIZED" ] || "$ZQFS" umount mnt6

# a bind mount keeps the process alive: umount names it and does not wait
if [ "$(id -u)" -eq 0 ]; then
    mount_image a.qcow2 mnt4
    mkdir -p other
    mount --bind mnt4 other
    cleanup_fn umount -q "$here/other"
    assert_status 1 timeout 5 "$ZQFS" umount mnt4
    grep -qF "mnt4: unmounted, but the same mount is also at $here/other" out || fail "said $(cat out)"
    timeout 5 "$ZQFS" umount other || fail "umount of the bind mount: status $?"
    ! running_ "$(mount_pid mnt4)" || fail "the process goes on"

    # so does another mount namespace; one that ends soon is waited for
    if command -v unshare >/dev/null; then
        mount_image a.qcow2 mnt5
        unshare -m --propagation private sleep 3 &
        sleep 0.3
        echo x >>mnt5/seq/0
        unmount mnt5
        wait $!
    fi
    if command -v unshare >/dev/null; then
        mount_image a.qcow2 mnt5
        unshare -m --propagation private sleep 60 &
        cleanup_fn stop_process $!
        sleep 0.3
        assert_status 1 timeout 20 "$ZQFS" umount mnt5
        grep -q "mnt5: unmounted here, but not in the mount namespace of process $! (sleep)" out ||
            fail "said $(cat out)"
        kill $!
        wait_gone "$(mount_pid mnt5)" || fail "the process goes on"
    fi
fi
