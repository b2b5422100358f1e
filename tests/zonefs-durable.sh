#!/usr/bin/env bash
# What is on stable storage when a call returns survives kill -9: O_SYNC, RWF_DSYNC, fsync, sync, commit=.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse
requires getfattr
M=$DIR/mnt
S=$M/seq

# A mount without a timer that could help, ended in the roughest way.
killed() { # MOUNT-OPTIONS COMMAND...
    local options=$1 pid
    shift
    rm -f "$DIR/a.qcow2"
    conf_create "$DIR/a.qcow2"
    mount_image "$DIR/a.qcow2" "$M" -o "$options"
    "$@" >"$DIR/did" 2>&1 || true
    pid=$(mount_pid "$M")
    kill -KILL "$pid"
    wait_gone "$pid" 10 || fail "not even SIGKILL ends it"
    "$ZQFS" umount "$M" >/dev/null 2>&1 || fusermount3 -uqz "$M" || umount -l "$M"
    forget_mount_ "$M"
    mount_image "$DIR/a.qcow2" "$M"
}
# The case proper: the bytes of zone 0, then the mount is gone again.
survives() { # NAME SIZE LEN BYTE
    t "$1: size" "$2" size_of "$S/0"
    t "$1: bytes" yes zio "$S/0" r "is:0:$3:$4"
    unmount "$M"
}
far=commit=3600

killed $far zio "$S/0" w,sync pwrite:0:8192:1
survives O_SYNC 8192 8192 1
killed $far zio "$S/0" w,dsync pwrite:0:8192:2
survives O_DSYNC 8192 8192 2
killed $far zio "$S/0" w,direct,dsync,append write:8192:3
survives "O_DSYNC, direct, appended" 8192 8192 3
killed $far zio "$S/0" w dsync:0:8192:4
survives RWF_DSYNC 8192 8192 4
killed $far zio "$S/0" w pwrite:0:8192:5 fsync
survives fsync 8192 8192 5
killed $far zio "$S/0" w pwrite:0:8192:6 fdatasync
survives fdatasync 8192 8192 6
killed $far zio "$S/0" w pwrite:0:100:7 fsync
survives "fsync of a partial block" 512 100 7
killed $far zio "$S/0" w pwrite:0:8192:8 "sh:sync $S/1"
survives "fsync of another file" 8192 8192 8
killed $far zio "$S/0" w pwrite:0:8192:9 "sh:sync $S"
survives "fsync of the folder" 8192 8192 9
killed sync,$far zio "$S/0" w pwrite:0:8192:10
survives "the option sync" 8192 8192 10
killed commit=1 zio "$S/0" w pwrite:0:8192:11 sleep:3500
survives "commit=1 and time" 8192 8192 11
killed $far zio "$S/0" w pwrite:0:8192:12 fsync trunc:0 pwrite:0:512:13 fsync
survives "fsync after a reset" 512 512 13
killed $far zio "$S/0" w pwrite:0:8192:14 trunc:768K fsync
survives "fsync after a finish" $CAP 8192 14

killed $far zio "$M/cnv/0" w,sync pwrite:1000:5000:1
t "conventional, O_SYNC" yes zio "$M/cnv/0" r is:1000:5000:1
unmount "$M"
killed $far zio "$M/cnv/0" rw pwrite:1000:5000:2 dsync:8000:100:3
t "conventional, RWF_DSYNC" "yes yes" zio "$M/cnv/0" r is:1000:5000:2 is:8000:100:3
unmount "$M"
killed $far zio "$M/cnv/0" rw map:shared:rw:64K mset:100:200:4 msync
t "conventional, msync" yes zio "$M/cnv/0" r is:100:200:4
unmount "$M"
killed $far zio "$M/cnv/0" rw pwrite:0:64K:5 fsync falloc:punch:0:64K fsync
t "conventional, punched and fsynced" yes zio "$M/cnv/0" r is:0:64K:0
unmount "$M"

# the other side: none of these waits for a disk by itself
killed $far zio "$S/0" w pwrite:0:8192:1
ok "without any of it the size is whole blocks all the same" \
    test $(($(size_of "$S/0") % 512)) -eq 0
ok "and the image is sound" test "$(size_of "$S/0")" -le 8192
conf_done
