#!/usr/bin/env bash
# mount: ways to spell it, its options, and a sentence for all that people get wrong.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires getfattr
cd "$DIR"

"$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=1 a.qcow2 8M
mkdir mnt

# every spelling mounts
ln -s "$ZQFS" mount.zqfs
ln -s "$ZQFS" mount.fuse.zqfs
spelled() { # COMMAND...
    "$@" || fail "status $?: $*"
    is_mounted mnt || fail "not mounted: $*"
    "$ZQFS" umount mnt || fail "umount after: $*"
}
cleanup_fn fusermount3 -uqz mnt
spelled "$ZQFS" a.qcow2 mnt
spelled "$ZQFS" mount a.qcow2 mnt
spelled "$ZQFS" -o ro a.qcow2 mnt
spelled "$ZQFS" a.qcow2 -o ro mnt
spelled "$ZQFS" a.qcow2 mnt -o ro
spelled "$ZQFS" a.qcow2 mnt -oro -o strict,sync
spelled "$ZQFS" -- a.qcow2 mnt
spelled ./mount.zqfs a.qcow2 mnt -o rw
spelled ./mount.zqfs a.qcow2 mnt -s -v -n -o rw,nofail,noauto,_netdev,x-systemd.automount
spelled ./mount.fuse.zqfs a.qcow2 mnt -t fuse.zqfs -o rw
# mount -f: pretend
./mount.zqfs a.qcow2 mnt -f -o rw
is_mounted mnt && fail "mounted though only asked to pretend"

# how it appears
mount_image a.qcow2 mnt
grep -qF " $(pwd -P)/mnt fuse.zqfs " /proc/self/mounts || fail "type: $(grep mnt /proc/self/mounts)"
grep -qF "$(pwd -P)/a.qcow2 $(pwd -P)/mnt " /proc/self/mounts || fail "source is not the image"
mkdir mnt2
expect_fail "a.qcow2: in use by another process" "$ZQFS" a.qcow2 mnt2
unmount mnt

# foreground, ready descriptor, pid file
"$ZQFS" -f --ready-fd=4 --pid-file=pid a.qcow2 mnt 4>ready 2>err &
pid=$!
for _ in $(seq 100); do [ -s ready ] && break; sleep 0.1; done
[ -s ready ] || fail "nothing came through the ready descriptor: $(cat err)"
is_mounted mnt || fail "ready, but not mounted"
assert_eq "$(cat pid)" "$pid" "pid file"
kill -TERM "$pid"
wait "$pid" || fail "status $? after SIGTERM: $(cat err)"
is_mounted mnt && fail "mounted after SIGTERM"
[ ! -e pid ] || fail "the pid file is still there"

# what people get wrong: status and sentence
wrong() { # STATUS "PART OF THE MESSAGE" ARGUMENT...
    local status=$1 part=$2
    shift 2
    assert_status "$status" "$ZQFS" "$@"
    grep -qF -- "$part" out || fail "said '$(cat out)', expected '$part'"
    is_mounted mnt && fail "mounted: $*"
    return 0
}
wrong 2 "the image comes first: zqfs a.qcow2 mnt" mnt a.qcow2
wrong 1 "no-such: No such file or directory" no-such mnt
wrong 1 "none: no such directory; make it with: mkdir none" a.qcow2 none
wrong 1 "a.qcow2: not a directory" a.qcow2 a.qcow2
wrong 1 "mnt: a directory, not an image" mnt mnt
echo text >junk
wrong 1 "junk: not a qcow2 image" junk mnt
wrong 1 "errors" -o errors=never a.qcow2 mnt
wrong 1 "option uid=no-such: there is no user 'no-such'" -o uid=no-such a.qcow2 mnt
wrong 1 "option gid=no-such: there is no group 'no-such'" -o gid=no-such a.qcow2 mnt
wrong 1 "strickt" -o strickt a.qcow2 mnt
wrong 1 "force_share" -o force_share a.qcow2 mnt

# an occupied mount point is refused with the name of what is mounted there, unless one insists
"$ZQFS" create -q -o zone.size=1M second.qcow2 4M
mount_image a.qcow2 mnt
here=$(pwd -P)
expect_fail "zqfs: mnt: $here/a.qcow2 is mounted there already; first run: zqfs umount mnt" \
    "$ZQFS" second.qcow2 mnt
if [ "$(id -u)" -eq 0 ]; then
    assert_status 0 "$ZQFS" -o nonempty second.qcow2 mnt
    assert_eq "$(cat out)" "" "what nonempty says"
    assert_attr mnt nr_zones 4
    "$ZQFS" umount mnt
else # nobody may write to the root of a mount, which fusermount3 wants
    expect_fail "mnt: cannot mount there: only root can mount over a zqfs" \
        "$ZQFS" -o nonempty second.qcow2 mnt
fi
assert_status 1 "$ZQFS" second.qcow2 mnt
"$ZQFS" umount mnt

# owners by name
if [ "$(id -u)" -eq 0 ]; then
    mount_image a.qcow2 mnt -o uid=nobody,gid=daemon
    assert_eq "$(stat -c %U:%G mnt/seq/0)" nobody:daemon "owner by name"
    "$ZQFS" umount mnt
fi

# a mount point that is not empty is said, and used
touch mnt/file
"$ZQFS" a.qcow2 mnt 2>err
grep -qF "mnt: not empty; what is in it is hidden" err || fail "said: $(cat err)"
"$ZQFS" umount mnt
[ -e mnt/file ] || fail "the file is gone"
