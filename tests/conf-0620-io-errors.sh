#!/usr/bin/env bash
# The host's disk fails (EIO, by strace): what each errors= policy leaves, and what is never lost.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse
requires strace getfattr
M=$DIR/mnt
S=$M/seq

# While COMMAND runs, the daemon's calls of these kinds fail.
failing() { # CALLS ERROR COMMAND...
    local calls=$1 error=$2 tracer i
    shift 2
    strace -f -qq -o "$DIR/trace" -e trace="$calls" -e inject="$calls:error=$error" \
        -p "$(mount_pid "$M")" 2>"$DIR/strace.err" &
    tracer=$!
    for ((i = 0; i < 100; i++)); do
        grep -q "^TracerPid:[[:space:]]*[1-9]" "/proc/$(mount_pid "$M")/status" && break
        sleep 0.05
    done
    if ! kill -0 "$tracer" 2>/dev/null; then
        skip "strace cannot attach here"
    fi
    "$@" || true
    kill "$tracer" 2>/dev/null || true
    wait "$tracer" 2>/dev/null || true
}
writes=pwrite64,pwritev,pwritev2
reads=pread64,preadv,preadv2

start() { # POLICY
    rm -f "$DIR/a.qcow2"
    conf_create "$DIR/a.qcow2"
    mount_image "$DIR/a.qcow2" "$M" -o errors="$1",commit=60
    zio "$S/0" w append:0:64K:1 fsync >/dev/null
    zio "$S/1" w append:0:64K:1 fsync >/dev/null
    zio "$M/cnv/0" w pwrite:0:64K:1 fsync >/dev/null
}
finish() { # POLICY: whatever happened, the image is sound and holds what fsync acknowledged
    local rc=0
    if [ "$1" = "failed flush" ]; then
        expect_fail "not complete: its last commit failed" "$ZQFS" umount "$M"
        forget_mount_ "$M"
    else
        unmount "$M"
    fi
    "$ZQFS" check "$DIR/a.qcow2" >"$DIR/out" 2>&1 || rc=$?
    # after a failed flush nothing more is committed, so clusters may be leaked; never worse
    [ "$rc" -ne 3 ] || [ "$1" != "failed flush" ] || rc=0
    t "$1: the image is sound" 0 echo "$rc"
    mount_image "$DIR/a.qcow2" "$M"
    t "$1: nothing acknowledged is lost" "yes yes" echo \
        "$(zio "$S/0" r is:0:64K:1) $(zio "$M/cnv/0" r is:0:64K:1)"
    unmount "$M"
}

# ---- a write that fails ------------------------------------------------------------------------

start remount-ro
t "remount-ro: the write says so" EIO failing $writes EIO zio "$S/0" w append:0:4096:2
t "remount-ro: the size is what is written" 65536 size_of "$S/0"
t "remount-ro: no more writes" EROFS sh -c "$TOOLS/zio $S/1 w append:0:512 | sed s/open://"
t "remount-ro: nor to conventional files" EROFS \
    sh -c "$TOOLS/zio $M/cnv/1 w pwrite:0:512 | sed s/open://"
t "remount-ro: no reset" EROFS zpath truncate "$S/1" 0
t "remount-ro: no chmod, chown, utimes, command" "EROFS EROFS EROFS EROFS" echo \
    "$(zpath chmod "$S/1" 600) $(zpath chown "$S/1" 1 1) $(zpath utime "$S/1" 1)" \
    "$(zpath set "$S/1" user.zone.command reset)"
t "remount-ro: reading goes on" "yes yes" echo \
    "$(zio "$S/0" r is:0:64K:1) $(zio "$M/cnv/0" r is:0:64K:1)"
t "remount-ro: states can be asked for" "implicit-open" state "$S/1"
finish remount-ro

start zone-ro
t "zone-ro: the write says so" EIO failing $writes EIO zio "$S/0" w append:0:4096:2
t "zone-ro: state, mode, size" "read-only 440 65536" echo \
    "$(state "$S/0") $(mode_of "$S/0") $(size_of "$S/0")"
t "zone-ro: writes" EPERM sh -c "$TOOLS/zio $S/0 w append:0:512 | sed s/open://"
t "zone-ro: its reads go on" yes zio "$S/0" r is:0:64K:1
t "zone-ro: other zones go on" "512 0" zio "$S/1" w append:0:512 fsync
finish zone-ro

start zone-offline
t "zone-offline: the write says so" EIO failing $writes EIO zio "$S/0" w append:0:4096:2
t "zone-offline: state, mode, size" "offline 0 0" echo \
    "$(state "$S/0") $(mode_of "$S/0") $(size_of "$S/0")"
t "zone-offline: reads" EPERM sh -c "$TOOLS/zio $S/0 r pread:0:512 | sed s/open://"
t "zone-offline: writes" EPERM sh -c "$TOOLS/zio $S/0 w append:0:512 | sed s/open://"
zio "$S/2" w append:0:4096:1 >/dev/null
cat "$S/2" >/dev/null
stat "$S/2" >/dev/null # the kernel knows its bytes, size and mode
t "zone-offline: a finish that fails" EIO failing fallocate,$writes EIO zpath truncate "$S/2" 768K
t "zone-offline: what is seen of that zone then" "offline 0 0" echo \
    "$(state "$S/2") $(mode_of "$S/2") $(size_of "$S/2")"
t "zone-offline: other zones go on" "512 0" zio "$S/1" w append:0:512 fsync
finish zone-offline

start repair
t "repair: the write says so" EIO failing $writes EIO zio "$S/0" w append:0:4096:2
t "repair: state, mode, size" "implicit-open 640 65536" echo \
    "$(state "$S/0") $(mode_of "$S/0") $(size_of "$S/0")"
t "repair: the next write works" "4096 69632 yes 0" zio "$S/0" rw append:0:4096:3 size \
    is:64K:4096:3 fsync
t "repair: ENOSPC" ENOSPC failing $writes ENOSPC zio "$S/0" w append:0:4096:2
t "repair: nothing changed by it" "69632" size_of "$S/0"
t "repair: a conventional write says so" EIO failing $writes EIO zio "$M/cnv/1" w pwrite:0:4096:2
t "repair: and works afterwards" "4096 yes" zio "$M/cnv/1" rw pwrite:0:4096:3 is:0:4096:3
finish repair

# ---- a write that is on disk when it returns, or says that it is not -----------------------------------

# The data was taken; whether it is on disk is not known. The size tells the first, fsync the second.
start repair
t "O_DSYNC: a failed commit" EIO failing fdatasync,fsync EIO zio "$S/0" w,dsync pwrite:64K:4096:2
t "O_DSYNC: the size has it" 69632 size_of "$S/0"
t "O_DSYNC: again at that place" EINVAL zio "$S/0" w,dsync pwrite:64K:4096:2
t "O_DSYNC: its bytes" yes zio "$S/0" r is:64K:4096:2
t "O_DSYNC: fsync tells of a failure once more, or is right" yes sh -c \
    "case \$($TOOLS/zio $S/0 w fsync fsync) in *0 | *EIO) echo yes ;; esac"
finish "failed flush"

# ---- the same, asynchronously, and what is left when the kernel has forgotten all about it -----------

async_failure() { # POLICY MODE SIZE READ RESET OTHER-ZONE
    start "$1"
    t "$1: an asynchronous write fails" "" failing $writes EIO fio_fails "Input/output error" \
        --filename="$S/0" --rw=write --bs=4k --size=4k --direct=1 --ioengine=libaio --file_append=1
    t "$1: mode and size" "$2 $3" fact "%a %s" "$S/0"
    evict "$M"
    t "$1: the same of a new inode" "$2 $3" fact "%a %s" "$S/0"
    t "$1: reading" "$4" sh -c "$TOOLS/zio $S/0 r,direct is:0:4096:1 | sed s/open://"
    t "$1: the other zone" "$6" sh -c "$TOOLS/zio $S/1 w,direct append:0:4096 | sed s/open://"
    # repair lets the zone be reset, and finish looks for what is in it
    [ "$5" = 0 ] || t "$1: truncate to 0" "$5 $3" echo "$(zpath truncate "$S/0" 0) $(size_of "$S/0")"
    finish "$1"
}
if has_libaio; then
    async_failure remount-ro 640 65536 yes EROFS EROFS
    async_failure zone-ro 440 65536 yes EPERM 4096
    async_failure zone-offline 0 0 EPERM EPERM 4096
    async_failure repair 640 65536 yes 0 4096
    mount_image "$DIR/a.qcow2" "$M"
    t "repair: truncate to 0" "0 0" echo "$(zpath truncate "$S/0" 0) $(size_of "$S/0")"
    unmount "$M"
fi

# ---- a conventional write ----------------------------------------------------------------------

start zone-ro
t "zone-ro: a conventional write says so" EIO failing $writes EIO zio "$M/cnv/1" w pwrite:0:4096:2
t "zone-ro: that zone" "read-only 440" echo "$(state "$M/cnv/1") $(mode_of "$M/cnv/1")"
t "zone-ro: other conventional zones go on" 512 zio "$M/cnv/2" w pwrite:0:512
finish zone-ro

# ---- a flush or a commit that fails ---------------------------------------------------------------

start repair
t "fsync says so" "4096 EIO" failing fdatasync,fsync EIO zio "$S/0" w append:0:4096:2 fsync
t "what was written can still be read" yes zio "$S/0" r is:64K:4096:2
t "no later fsync vouches for it" EIO zio "$S/0" w fsync
finish "failed flush"

# ---- a read that fails --------------------------------------------------------------------------

start remount-ro
remount_image "$DIR/a.qcow2" "$M" -o errors=remount-ro
t "a read says so" EIO failing $reads EIO zio "$S/0" r,direct pread:0:4096
t "and works when the disk does" yes zio "$S/0" r,direct is:0:64K:1
t "a failed read stops no write" "512" zio "$S/1" w append:0:512
finish "failed read"
conf_done
