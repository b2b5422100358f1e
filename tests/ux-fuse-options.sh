#!/usr/bin/env bash
# Options that FUSE itself handles: fsname, auto_unmount, default_permissions, debug and others.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
fuse_for_users
cd "$DIR"
"$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=1 a.qcow2 4M
line() { grep -F " $(pwd -P)/mnt " /proc/self/mounts; }

# the image's path is the source, unless there is another name for it
mount_image a.qcow2 mnt -o fsname=disk7,max_threads=1
assert_eq "$(line | cut -d' ' -f 1,3)" "disk7 fuse.zqfs" "source and type"
[ "$(findmnt -no SOURCE mnt 2>/dev/null || echo disk7)" = disk7 ] || fail "findmnt: $(findmnt mnt)"
"$ZQFS" report -n mnt >/dev/null || fail "report of the mount point"
# under another name umount cannot find the process that it would wait for
"$ZQFS" umount mnt
wait_gone "$(mount_pid mnt)" || fail "the process is still there"
forget_mount_ mnt

# each of these mounts, writes and reads
for option in clone_fd max_threads=1 max_threads=5,clone_fd max_background=8 nosuid,nodev,noexec \
    relatime nodiratime lazytime silent async dirsync subtype=zqfs sync_read max_readahead=65536; do
    mount_image a.qcow2 mnt -o "$option"
    echo "$option" >>mnt/seq/0
    assert_eq "$(tail -c 512 mnt/seq/0 | head -n 1)" "$option" "what was written under $option"
    unmount mnt
done
mount_image a.qcow2 mnt -o noexec,nosuid,default_permissions
line | holds "noexec" || fail "noexec: $(line)"
line | holds "default_permissions" || fail "default_permissions: $(line)"
unmount mnt

# debug: every request, on standard error, and in the foreground
"$ZQFS" -d a.qcow2 mnt 2>requests &
pid=$!
cleanup_fn stop_process "$pid"
for _ in $(seq 100); do ! is_mounted mnt || break; sleep 0.1; done
stat mnt/seq/0 >/dev/null
"$ZQFS" umount mnt
wait "$pid"
grep -q "LOOKUP" requests || fail "no request in: $(head requests)"

# a path with a comma, a backslash and blanks is one word
odd='od,d \ na me'
mkdir "$odd"
cp a.qcow2 "$odd/i,mage.qcow2"
mount_image "$odd/i,mage.qcow2" "$odd/mnt"
echo x >>"$odd/mnt/seq/1"
"$ZQFS" report "$odd/i,mage.qcow2" >listed || fail "report of the image with an odd name"
assert_eq "$("$ZQFS" report --csv "$odd/i,mage.qcow2" | sed -n 4p | cut -d, -f 1-3)" \
    "2,sequential,implicit-open" "its zone, asked for at the mount"
unmount "$odd/mnt"

# auto_unmount: when the process dies the mount goes, not only what answers it
requires fusermount3
dies() { # [COMMAND...]: runs zqfs, as a user
    rm -f "$DIR/pid"
    "$@" "$ZQFS" --pid-file="$DIR/pid" -o auto_unmount a.qcow2 mnt || fail "auto_unmount: status $?"
    pid=$(cat "$DIR/pid")
    kill -KILL "$pid"
    wait_gone "$pid"
    for _ in $(seq 100); do is_mounted mnt || break; sleep 0.1; done
    ! is_mounted mnt || fail "still mounted ten seconds after the process died"
}
cleanup_fn fusermount3 -uqz "$DIR/mnt"
dies
# at a clean end it leaves alone what lies below
if [ "$(id -u)" -eq 0 ]; then # nobody else may mount over a mount
    mount_image a.qcow2 mnt
    "$ZQFS" create -q -o zone.size=1M upper.qcow2 4M
    mount_image upper.qcow2 mnt -o auto_unmount,nonempty
    "$ZQFS" umount mnt
    sleep 0.5
    is_mounted mnt || fail "the mount below is gone"
    "$ZQFS" umount mnt
fi
# as a user, to whom libfuse's own way leaves the mount with some versions
if [ "$(id -u)" -eq 0 ] && setpriv --reuid=65534 --clear-groups sh -c ': </dev/fuse >/dev/fuse' \
    2>/dev/null; then
    chmod 777 "$DIR" mnt
    chmod 666 a.qcow2
    dies setpriv --reuid=65534 --regid=65534 --clear-groups
fi
"$ZQFS" check a.qcow2 >out || [ $? -eq 3 ] || fail "check: $(cat out)"
