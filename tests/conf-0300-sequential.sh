#!/usr/bin/env bash
# Sequential files: write at the pointer, truncate, what is refused and with which errno.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse
requires getfattr setfattr

conf_create "$DIR/a.qcow2"
M=$DIR/mnt
S=$M/seq
mount_image "$DIR/a.qcow2" "$M"

# ---- writing ----------------------------------------------------------------------------

t "a new zone is empty" "0 empty" echo "$(size_of "$S/0") $(state "$S/0")"
t "write at the pointer" "4096 4096" zio "$S/0" w pwrite:0:4096:1 size
t "write at the pointer again" "512 4608" zio "$S/0" w pwrite:4096:512:2 size
t "read back" "yes yes" zio "$S/0" r is:0:4096:1 is:4096:512:2
t "nothing behind the pointer" "512" zio "$S/0" r pread:4096:4096
t "read at the pointer" "0" zio "$S/0" r pread:4608:512
t "read far behind" "0" zio "$S/0" r pread:700K:512
t "read behind the capacity" "0" zio "$S/0" r pread:800K:512
t "write ahead of the pointer" "EINVAL 4608" zio "$S/0" w pwrite:8192:512 size
t "write behind the pointer" "EINVAL 4608" zio "$S/0" w pwrite:0:512 size
t "write just before the pointer" "EINVAL" zio "$S/0" w pwrite:4096:512
t "a refused write changes no data" "yes" zio "$S/0" r is:0:4096:1
t "O_APPEND ignores the offset" "512 5120" zio "$S/0" w,append pwrite:0:512:3 size
t "RWF_APPEND ignores the offset" "512 5632" zio "$S/0" w append:0:512:4 size
t "RWF_APPEND beyond the capacity's offset" "512 6144" zio "$S/0" w append:900K:512:4 size
t "what was appended is there" "yes yes yes" \
    zio "$S/0" r is:4608:512:3 is:5120:512:4 is:5632:512:4
t "O_APPEND set by fcntl" "0 512 6656" zio "$S/0" w setfl:append pwrite:0:512:5 size
t "write of nothing" "0 6656" zio "$S/0" w pwrite:6656:0 size
t "a second writer goes on" "512 512" zio "$S/1" w pwrite:0:512 pwrite:512:512
t "RWF_DSYNC" "512 1536" zio "$S/1" w dsync:1024:512 size
t "O_SYNC" "512" zio "$S/1" w,sync pwrite:1536:512
t "O_DSYNC" "512" zio "$S/1" w,dsync pwrite:2048:512
t "fsync" "512 0 0" zio "$S/1" w pwrite:2560:512 fsync fdatasync
t "fsync of a file opened for reading" "0" zio "$S/1" r fsync
t "read through a handle that writes" "512 yes" zio "$S/1" rw pwrite:3072:512:9 is:3072:512:9
t "read on a handle opened for writing only" "EBADF" zio "$S/1" w pread:0:512
t "write on a handle opened for reading" "EBADF" zio "$S/1" r pwrite:3584:512
t "an old reader sees what is appended" "0 yes" \
    zio "$S/1" r "sh:$TOOLS/zio $S/1 w,append write:512:7 >/dev/null" is:3584:512:7
empty "$S/0" "$S/1"

# ---- the capacity -----------------------------------------------------------------------

t "up to the capacity" "786432 full" echo \
    "$(zio "$S/0" w pwrite:0:768K:1) $(state "$S/0")"
t "size of a full zone" "$CAP" size_of "$S/0"
t "write at the capacity" "EFBIG" zio "$S/0" w pwrite:768K:512
t "write behind the capacity" "EFBIG" zio "$S/0" w pwrite:900K:512
t "write behind the zone" "EFBIG" zio "$S/0" w pwrite:2M:512
t "write before the end of a full zone" "EINVAL" zio "$S/0" w pwrite:0:512
t "append to a full zone" "EFBIG" zio "$S/0" w,append write:512
t "RWF_APPEND to a full zone" "EFBIG" zio "$S/0" w append:0:512
t "EFBIG comes before alignment" "EFBIG" zio "$S/0" w,direct shift:1 pwrite:768K:100
t "far offset of an empty zone" "EFBIG" zio "$S/1" w pwrite:768K:512
t "ahead in an empty zone" "EINVAL 0" zio "$S/1" w pwrite:4096:512 size
t "crossing the capacity is shortened" "785408 1024 EFBIG" \
    zio "$S/1" w pwrite:0:785408 pwrite:785408:4096 pwrite:768K:4096
t "full after that" "full" state "$S/1"
empty "$S/1"
t "crossing, appended" "785920 512 EFBIG" zio "$S/1" w,append write:785920 write:1M write:512
t "shortened before the offset is checked" "EINVAL" zio "$S/2" w pwrite:767K:4096
t "large write over the capacity" "786432 full" echo \
    "$(zio "$S/2" w pwrite:0:4M) $(state "$S/2")"
t "the neighbour zone is untouched" "0 empty" echo "$(size_of "$S/3") $(state "$S/3")"
empty "$S/0" "$S/1" "$S/2"

# ---- truncate -----------------------------------------------------------------------------

ok "some data" zio "$S/0" w pwrite:0:8192:1
t "truncate to 0 resets" "0 0 empty" echo \
    "$(zpath truncate "$S/0" 0) $(size_of "$S/0") $(state "$S/0")"
t "and the old data is gone" "512 no 0 512 yes" zio "$S/0" rw pwrite:0:512:2 is:0:512:1 \
    trunc:0 pwrite:0:512:0 is:0:512:0
empty "$S/0"
t "truncate to the capacity finishes" "0 $CAP full" echo \
    "$(zpath truncate "$S/0" "$CAP") $(size_of "$S/0") $(state "$S/0")"
t "a finished zone reads as zeros" "yes" zio "$S/0" r is:0:768K:0
t "finish again" "0" zpath truncate "$S/0" "$CAP"
empty "$S/0"
ok "a few blocks" zio "$S/0" w pwrite:0:5120:3
t "finish keeps the data" "0 yes yes" zio "$S/0" rw trunc:768K is:0:5120:3 is:5120:763K:0
t "no write after a finish" "EFBIG" zio "$S/0" w append:0:512
empty "$S/0"
ok "a few blocks again" zio "$S/0" w pwrite:0:5120:3
for len in 1 512 4096 4608 5632 8192 785920; do
    t "truncate to $len" "EPERM 5120" echo "$(zpath truncate "$S/0" $len) $(size_of "$S/0")"
done
for len in 787456 1M 2M; do
    t "truncate to $len, past the capacity" "EPERM 5120" echo \
        "$(zpath truncate "$S/0" $len) $(size_of "$S/0")"
done
t "truncate below zero" "EINVAL" zio "$S/0" w trunc:-1
before=$(fact %Y.%y "$S/0")
sleep 0.05
t "truncate to the current size" "0 5120" echo "$(zpath truncate "$S/0" 5120) $(size_of "$S/0")"
t "and no time moves" "$before" fact %Y.%y "$S/0"
t "nor the state" "implicit-open" state "$S/0"
t "of an empty zone to 0: nothing at all" "0 empty" echo \
    "$(zpath truncate "$S/1" 0) $(state "$S/1")"
before=$(fact %y "$S/1")
sleep 0.05
t "no time moves either" "0 $before" echo "$(zpath truncate "$S/1" 0) $(fact %y "$S/1")"
t "O_TRUNC resets" "0" zio "$S/0" w,trunc size
t "and makes it empty" empty state "$S/0"
ok "write for O_TRUNC of a reader" zio "$S/0" w pwrite:0:512:3
t "O_TRUNC and write" "4096 4096 yes" zio "$S/0" rw,trunc write:4096:6 size is:0:4096:6
t "ftruncate to 0, go on at 0" "0 0 512 512" zio "$S/0" rw trunc:0 size pwrite:0:512 size
t "O_CREAT of a file that exists" "512" zio "$S/0" w,creat pwrite:512:512
t "O_CREAT with O_EXCL" "open:EEXIST" zio "$S/0" w,creat,excl
t "ftruncate on a reader" "EINVAL" zio "$S/0" r trunc:0
empty "$S/0"

# states from which a reset works
for verb in open close finish; do
    ok "data for $verb" zio "$S/0" w append:0:512
    ok "$verb" setfattr -n user.zone.command -v $verb "$S/0"
    t "reset of a zone after $verb" "0 0" echo \
        "$(zpath truncate "$S/0" 0) $(size_of "$S/0")"
    if [ $verb = open ]; then
        t "a zone opened explicitly stays open" explicit-open state "$S/0"
        ok "close" setfattr -n user.zone.command -v close "$S/0"
    fi
    t "empty in the end" empty state "$S/0"
done

# ---- mapping, holes, the rest -------------------------------------------------------------

ok "16 KiB" zio "$S/0" w pwrite:0:16K:5
t "shared writable mapping" "ENODEV" zio "$S/0" rw map:shared:rw:4096
t "shared mapping of a handle that writes" "ENODEV" zio "$S/0" rw map:shared:r:4096
t "private writable mapping" "0 yes yes 0" zio "$S/0" r map:private:rw:16K mis:0:16K:5 \
    mset:0:512:9 mis:0:512:9 unmap
t "the file did not change by it" "yes" zio "$S/0" r is:0:16K:5
t "shared mapping of a reader" "0 yes 0" zio "$S/0" r map:shared:r:16K mis:0:16K:5 unmap
t "a mapped reader sees what is appended" "0 0 yes" zio "$S/0" r map:shared:r:20K \
    "sh:$TOOLS/zio $S/0 w,append write:4096:8 >/dev/null" mis:16384:4096:8
t "a mapped reader sees no byte of before a reset" "0 yes 0 yes" \
    zio "$S/0" r map:shared:r:4096 mis:0:4096:5 \
    "sh:$TOOLS/zio $S/0 w,trunc write:4096:6 >/dev/null" mis:0:4096:6
for mode in 0 keep punch zero zerokeep collapse insert unshare; do
    t "fallocate $mode" "EOPNOTSUPP" zio "$S/0" rw falloc:$mode:0:4096
done
t "readahead, also past the end" "0 0" zio "$S/0" r ahead:0:1M ahead:2M:4096
t "SEEK_DATA" "0 4096" zio "$S/0" r data:0 hole:0
t "SEEK_DATA at the end" "ENXIO" zio "$S/0" r data:4096
t "SEEK_HOLE at the end" "ENXIO" zio "$S/0" r hole:4096
t "SEEK_DATA behind" "ENXIO" zio "$S/0" r data:1M
t "an ioctl that is none" "ENOTTY" zio "$S/0" r ioctl
t "fiemap" "EOPNOTSUPP" zio "$S/0" r fiemap
t "clone" "EOPNOTSUPP" zio "$S/0" rw clone
ok "finish it" zpath truncate "$S/0" "$CAP"
fine t "holes in a finished zone" "0 ENXIO" echo \
    "$(zio "$S/0" r data:0) $(zio "$S/0" r data:700K)"
hole=$(zio "$S/0" r hole:0)
fine t "the hole is where no cluster is" yes sh -c \
    "[ $hole -ge 4096 ] && [ $hole -le 65536 ] && echo yes"
empty "$S/0"

# ---- times -----------------------------------------------------------------------------------

mtime() { fact %Y%y "$1" | tr -d ' :.+-'; }
for what in "write:zio $S/5 w append:0:512" "finish:zpath truncate $S/5 $CAP" \
    "reset:zpath truncate $S/5 0"; do
    before=$(mtime "$S/5")
    sleep 0.02
    # shellcheck disable=SC2086 # a command line
    ${what#*:} >/dev/null
    ok "mtime moves with ${what%%:*}" test "$(mtime "$S/5")" != "$before"
    t "ctime is mtime after ${what%%:*}" "$(fact %y "$S/5")" fact %z "$S/5"
done
before=$(mtime "$S/5")
zio "$S/5" r pread:0:512 >/dev/null
t "mtime stays on a read" "$before" mtime "$S/5"
zio "$S/6" w pwrite:8192:512 >/dev/null
t "mtime stays on a refused write" "$(mtime "$S/7")" mtime "$S/6"

# ---- all of it in the image ------------------------------------------------------------------

ok "zone 0" zio "$S/0" w pwrite:0:5120:1
ok "zone 1, full" zio "$S/1" w pwrite:0:768K:2
ok "zone 2, finished" zio "$S/2" w pwrite:0:512:3 trunc:768K
ok "zone 3, reset and written" zio "$S/3" w pwrite:0:64K:3 trunc:0 pwrite:0:512:4
ok "zone 4, opened and not written" setfattr -n user.zone.command -v open "$S/4"
remount_image "$DIR/a.qcow2" "$M"
t "zone 0 is closed" "closed 5120 yes" echo \
    "$(state "$S/0") $(size_of "$S/0") $(zio "$S/0" r is:0:5120:1)"
t "zone 1 is full" "full 786432 yes" echo \
    "$(state "$S/1") $(size_of "$S/1") $(zio "$S/1" r is:0:768K:2)"
t "zone 2 is full" "full 786432 yes yes" echo \
    "$(state "$S/2") $(size_of "$S/2") $(zio "$S/2" r is:0:512:3 is:512:767K:0)"
t "zone 3 holds the new data" "closed 512 yes" echo \
    "$(state "$S/3") $(size_of "$S/3") $(zio "$S/3" r is:0:512:4)"
t "zone 4 is empty" "empty 0" echo "$(state "$S/4") $(size_of "$S/4")"
t "a closed zone goes on" "512 implicit-open" echo \
    "$(zio "$S/0" w pwrite:5120:512:7) $(state "$S/0")"
conf_done
