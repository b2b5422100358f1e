#!/usr/bin/env bash
# Zones that are read-only or offline, and what a full host disk does.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse
requires getfattr setfattr

conf_create "$DIR/a.qcow2" zone.max_open_zones=2,zone.max_active_zones=3
M=$DIR/mnt
S=$M/seq
mount_image "$DIR/a.qcow2" "$M"
tell_zone() { zpath set "$1" user.zone.command "$2"; }

# ---- read-only --------------------------------------------------------------------------------

zio "$S/0" w append:0:4096:1 >/dev/null
t "to read-only" "0 read-only" echo "$(tell_zone "$S/0" read-only) $(state "$S/0")"
t "its mode" 440 mode_of "$S/0"
t "its size stays" 4096 size_of "$S/0"
t "reading works" yes zio "$S/0" r is:0:4096:1
t "writing" EPERM sh -c "$TOOLS/zio $S/0 w append:0:512 | sed s/open://"
t "at the pointer" EPERM sh -c "$TOOLS/zio $S/0 w pwrite:4096:512 | sed s/open://"
t "truncate to 0" EPERM zpath truncate "$S/0" 0
t "truncate to the capacity" EPERM zpath truncate "$S/0" $CAP
t "to another state" EPERM tell_zone "$S/0" finish
t "explicit open" EPERM tell_zone "$S/0" open
t "it takes no active slot" 0 attr "$M" nr_active
t "the other zones go on" 512 zio "$S/1" w append:0:512
t "a conventional zone to read-only" "0 read-only 440" echo \
    "$(tell_zone "$M/cnv/0" read-only) $(state "$M/cnv/0") $(mode_of "$M/cnv/0")"
t "its writes" EPERM sh -c "$TOOLS/zio $M/cnv/0 w pwrite:0:512 | sed s/open://"
t "its reads" 512 zio "$M/cnv/0" r pread:0:512
t "punching" EPERM sh -c "$TOOLS/zio $M/cnv/0 rw falloc:punch:0:4096 | sed s/open://"

# ---- offline ----------------------------------------------------------------------------------

zio "$S/2" w append:0:4096:1 >/dev/null
t "to offline" "0 offline" echo "$(tell_zone "$S/2" offline) $(state "$S/2")"
t "its mode and size" "0 0" echo "$(mode_of "$S/2") $(size_of "$S/2")"
t "reading" EPERM sh -c "$TOOLS/zio $S/2 r pread:0:512 | sed s/open://"
t "writing to it" EPERM sh -c "$TOOLS/zio $S/2 w append:0:512 | sed s/open://"
t "resetting" EPERM zpath truncate "$S/2" 0
t "finishing" EPERM zpath truncate "$S/2" $CAP
t "to another state" EPERM tell_zone "$S/2" reset
t "read-only to offline" "0 offline" echo "$(tell_zone "$S/0" offline) $(state "$S/0")"
zio "$S/3" w append:0:4096:1 >/dev/null
# the size is 0 then, so the kernel answers a cached reader itself
t "a reader that has it open reads nothing" "yes 0 no 0" zio "$S/3" r is:0:4096:1 \
    "sh:setfattr -n user.zone.command -v offline $S/3" is:0:4096:1 size
zio "$S/4" w append:0:4096:1 >/dev/null
t "a writer that has it open" "512 0 EPERM" zio "$S/4" w append:0:512:1 \
    "sh:setfattr -n user.zone.command -v read-only $S/4" append:0:512
t "an empty zone to offline" "0 offline" echo "$(tell_zone "$S/5" offline) $(state "$S/5")"
t "they count in no state of a zone in use" "0 1" echo \
    "$(attr "$M" nr_closed) $(attr "$M" nr_active)"
remount_image "$DIR/a.qcow2" "$M"
t "in memory only: all are back" "closed closed empty 4608" echo \
    "$(state "$S/0") $(state "$S/2") $(state "$S/5") $(size_of "$S/4")"
t "and so is the data" "yes yes" echo \
    "$(zio "$S/0" r is:0:4096:1) $(zio "$S/2" r is:0:4096:1)"
unmount "$M"

for policy in remount-ro zone-ro zone-offline repair; do
    mount_image "$DIR/a.qcow2" "$M" -o errors=$policy
    t "errors=$policy is accepted" 0 zpath lstat "$S/0"
    unmount "$M"
done
refused "errors=x" 1 "errors" "$ZQFS" -o errors=x "$DIR/a.qcow2" "$M"

# ---- the host's disk is full -----------------------------------------------------------------

if [ "$(id -u)" -ne 0 ] || ! mkdir "$DIR/small" ||
    ! mount -t tmpfs -o size=2M none "$DIR/small" 2>/dev/null; then
    echo "a small tmpfs cannot be mounted: the full disk is left out"
    conf_done
    exit 0
fi
end_small() { umount -l "$DIR/small" 2>/dev/null || true; }
cleanup_fn end_small
for policy in remount-ro zone-ro; do
    conf_create "$DIR/small/b.qcow2"
    mount_image "$DIR/small/b.qcow2" "$M" -o errors=$policy
    t "512 KiB" 524288 zio "$S/0" w append:0:512K:1
    head -c 4M /dev/zero >"$DIR/small/ballast" 2>/dev/null || true
    free=$(df -k --output=avail "$DIR/small" | tail -n 1)
    t "the disk is full" 0 echo $((free))
    t "ENOSPC with $policy" ENOSPC zio "$S/1" w pwrite:0:256K:2
    t "pointer and state are as before" "0 empty" echo "$(size_of "$S/1") $(state "$S/1")"
    t "ENOSPC in a zone with data" "ENOSPC 524288" echo \
        "$(zio "$S/0" w append:0:192K:2) $(size_of "$S/0")"
    t "ENOSPC is no reason to stop: the mode" 640 mode_of "$S/0"
    rm "$DIR/small/ballast"
    t "with room the write works" "262144 yes" zio "$S/1" rw pwrite:0:256K:2 is:0:256K:2
    # a commit in the background may have failed meanwhile: one fsync says so, once
    zio "$S/0" w fsync >/dev/null
    t "and goes on" "65536 0" zio "$S/0" w append:0:64K:2 fsync
    remount_image "$DIR/small/b.qcow2" "$M"
    t "all is in the image" "yes yes yes" echo \
        "$(zio "$S/0" r is:0:512K:1 is:512K:64K:2) $(zio "$S/1" r is:0:256K:2)"
    unmount "$M"
    ok "check after $policy" "$ZQFS" check "$DIR/small/b.qcow2"
    rm "$DIR/small/b.qcow2"
done
umount "$DIR/small"
conf_done
