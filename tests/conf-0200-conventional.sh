#!/usr/bin/env bash
# Conventional files: random access, fixed size, mappings, punching holes.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse
requires getfattr

conf_create "$DIR/a.qcow2"
M=$DIR/mnt
C=$M/cnv
mount_image "$DIR/a.qcow2" "$M"

t "its size is the zone's" "$ZONE" size_of "$C/0"
t "new: zeros" "yes" zio "$C/0" r is:0:1M:0
t "write in the middle" "100 yes yes yes" zio "$C/0" rw pwrite:5000:100:1 is:5000:100:1 \
    is:4900:100:0 is:5100:100:0
t "write at the start" "4096 yes" zio "$C/0" rw pwrite:0:4096:2 is:0:4096:2
t "overwrite" "4096 yes yes" zio "$C/0" rw pwrite:4500:4096:3 is:4500:4096:3 is:4096:404:0
t "the last byte" "1 yes" zio "$C/0" rw pwrite:1048575:1:4 is:1048575:1:4
t "shortened at the end" "76" zio "$C/0" w pwrite:1048500:100:5
t "at the end" "EFBIG" zio "$C/0" w pwrite:1M:1
t "behind the end" "EFBIG" zio "$C/0" w pwrite:5M:512
t "read at the end" "0 10" zio "$C/0" r pread:1M:10 pread:1048566:100
t "readahead, also past the end" "0 0" zio "$C/0" r ahead:0:4M ahead:2M:4096
t "the neighbour is untouched" "yes" zio "$C/1" r is:0:1M:0
t "O_APPEND" "EINVAL" zio "$C/0" w,append write:512
t "O_APPEND set by fcntl" "0 EINVAL" zio "$C/0" w setfl:append pwrite:0:512
t "RWF_APPEND" "EFBIG" zio "$C/0" w append:0:512
t "opening with O_TRUNC" "open:EPERM" zio "$C/0" w,trunc size
t "O_TRUNC did nothing" "yes" zio "$C/0" r is:0:4096:2
t "truncate to 0" "EPERM" zpath truncate "$C/0" 0
t "truncate shorter" "EPERM" zpath truncate "$C/0" 512
t "truncate longer" "EPERM" zpath truncate "$C/0" 2M
t "truncate to the same size" "0" zpath truncate "$C/0" 1M
t "ftruncate" "EPERM 1048576" zio "$C/0" w trunc:0 size
t "direct" "512 yes" zio "$C/0" rw,direct pwrite:512:512:6 is:512:512:6
t "fsync" "10 0 0" zio "$C/0" w pwrite:77:10 fsync fdatasync
t "O_SYNC" "10" zio "$C/0" w,sync pwrite:77:10
t "RWF_DSYNC" "10" zio "$C/0" w dsync:77:10

t "shared mapping, written" "0 0 0" zio "$C/1" rw map:shared:rw:64K mset:100:200:7 msync unmap
t "arrives in the file" "yes yes" zio "$C/1" r is:100:200:7 is:300:100:0
t "also of a direct writer" "0 0 yes" zio "$C/1" rw,direct map:shared:rw:64K mset:12K:4096:5 msync \
    is:12K:4096:5
t "a mapping sees a write" "0 4096 yes" zio "$C/1" rw map:shared:r:64K pwrite:8192:4096:8 \
    mis:8192:4096:8
t "a mapping sees another handle's write" "0 0 yes" zio "$C/1" r map:shared:r:64K \
    "sh:$TOOLS/zio $C/1 w pwrite:4096:4096:9 >/dev/null" mis:4096:4096:9
t "private mapping" "0 yes 0" zio "$C/1" r map:private:rw:4096 mset:0:10:1 mis:0:10:1 unmap
t "private mapping does not write" "yes" zio "$C/1" r is:0:10:0

zio "$C/2" rw pwrite:0:256K:1 >/dev/null
t "punch" "0 yes yes yes" zio "$C/2" rw falloc:punch:64K:64K is:64K:64K:0 is:0:64K:1 \
    is:128K:128K:1
t "punch of odd bytes" "0 yes yes yes" zio "$C/2" rw falloc:punch:1000:100 is:1000:100:0 \
    is:900:100:1 is:1100:100:1
t "zero range" "0 yes yes" zio "$C/2" rw falloc:zero:131072:4096 is:131072:4096:0 \
    is:135168:4096:1
t "zero range, keep size" "0 yes" zio "$C/2" rw falloc:zerokeep:200K:4096 is:200K:4096:0
t "clamped to the file" "0 1048576 yes" zio "$C/2" rw falloc:punch:250K:4M size is:250K:4096:0
t "a cached reader sees the hole" "yes 0 yes" zio "$C/2" r is:0:900:1 \
    "sh:$TOOLS/zio $C/2 rw falloc:punch:0:4096 >/dev/null" is:0:900:0
for mode in 0 keep collapse insert unshare; do
    t "fallocate $mode" "EOPNOTSUPP" zio "$C/2" rw falloc:$mode:0:4096
done
t "punch on a reader" "EBADF" zio "$C/2" r falloc:punch:0:4096
fine t "SEEK_DATA, SEEK_HOLE of nothing written" "ENXIO 0" zio "$C/3" r data:0 hole:0
zio "$C/3" w pwrite:512K:64K >/dev/null
fine t "SEEK_DATA finds the data" "524288 589824" zio "$C/3" r data:0 hole:512K
fine t "SEEK_HOLE before it" "0" zio "$C/3" r hole:0
t "SEEK_HOLE at the end" "ENXIO" zio "$C/3" r hole:1M

random_bytes $ZONE >"$DIR/want"
ok "a whole zone" dd if="$DIR/want" of="$C/3" bs=64k conv=notrunc status=none
ok "read back" cmp "$DIR/want" "$C/3"
ok "punch, given back" zio "$C/3" rw fsync
before=$(disk_usage "$DIR/a.qcow2")
zio "$C/3" rw falloc:punch:0:1M fsync >/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10; do
    [ "$(disk_usage "$DIR/a.qcow2")" -ge $((before - 512 * 1024)) ] || break
    sleep 0.5
done
fine ok "punching gives the space back" test "$(disk_usage "$DIR/a.qcow2")" -lt $((before - 512 * 1024))
zio "$C/3" rw pwrite:1000:5000:3 >/dev/null
remount_image "$DIR/a.qcow2" "$M"
t "all is there after a remount" "yes yes yes yes" echo \
    "$(zio "$C/3" r is:0:1000:0 is:1000:5000:3 is:6000:1042576:0) $(zio "$C/1" r is:100:200:7)"
ok "state is not-wp" test "$(state "$C/0")" = not-wp
unmount "$M"

mount_image "$DIR/a.qcow2" "$M" -o aggr_cnv
t "aggr_cnv: one file" "0" ls "$C"
t "aggr_cnv: of all zones" "4194304" size_of "$C/0"
t "aggr_cnv: over a border" "8192 yes" zio "$C/0" rw pwrite:1044480:8192:9 is:1044480:8192:9
t "aggr_cnv: shortened at the end" "10" zio "$C/0" w pwrite:4194294:100
t "aggr_cnv: at the end" "EFBIG" zio "$C/0" w pwrite:4M:1
t "aggr_cnv: what was there" "yes" zio "$C/0" r is:3146728:5000:3
unmount "$M"
mount_image "$DIR/a.qcow2" "$M"
t "the border from both sides" "yes yes" echo \
    "$(zio "$C/0" r is:1044480:4096:9) $(zio "$C/1" r is:0:4096:9)"
conf_done
