#!/usr/bin/env bash
# O_DIRECT: alignment of length, offset and memory; large requests; asynchronous ones in order.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse
requires getfattr

"$ZQFS" create -o zone.size=16M,zone.conventional_zones=1 "$DIR/a.qcow2" 96M >/dev/null
M=$DIR/mnt
S=$M/seq
mount_image "$DIR/a.qcow2" "$M"

t "whole blocks" "4096 512 4608" zio "$S/0" w,direct pwrite:0:4096 pwrite:4096:512 size
t "odd length" "EINVAL 4608" zio "$S/0" w,direct pwrite:4608:100 size
t "length of half a block more" "EINVAL" zio "$S/0" w,direct pwrite:4608:768
t "odd offset" "EINVAL" zio "$S/0" w,direct pwrite:4609:512
t "off the pointer" "EINVAL" zio "$S/0" w,direct pwrite:0:512
t "memory off by a block" "512" zio "$S/0" w,direct shift:512 pwrite:4608:512
t "appended" "512" zio "$S/0" w,direct,append pwrite:0:512
t "RWF_APPEND" "512 6144" zio "$S/0" w,direct append:0:512 size
t "odd length, appended" "EINVAL" zio "$S/0" w,direct,append write:100
t "O_DIRECT set by fcntl" "0 EINVAL 512" zio "$S/0" w setfl:direct pwrite:6144:100 \
    pwrite:6144:512
t "RWF_DSYNC" "512" zio "$S/0" w,direct dsync:6656:512
t "O_DSYNC" "512" zio "$S/0" w,direct,dsync pwrite:7168:512
t "read" "7680 512" zio "$S/0" r,direct pread:0:64K pread:7168:4096
t "read behind" "0" zio "$S/0" r,direct pread:8192:4096
t "shared mapping of a direct reader" "0 yes" zio "$S/0" r,direct map:shared:r:4096 mis:0:4096:0x78
empty "$S/0"
# Where the caller's memory lies is not in the request that the kernel sends. What can be seen of
# it is a large write, which comes in pieces that end at the memory's pages.
t "8 MiB from odd memory" "EINVAL 0" zio "$S/3" w,direct shift:1 pwrite:0:8M size
t "8 MiB from memory off by a block" "8388608 yes" zio "$S/3" rw,direct shift:512 pwrite:0:8M:5 \
    is:0:8M:5
t "8 MiB in one call" "8388608 yes" zio "$S/0" rw,direct pwrite:0:8M:7 is:0:8M:7
t "shortened at the capacity" "8388608 8388608 EFBIG" \
    zio "$S/1" w,direct pwrite:0:8M pwrite:8M:9M pwrite:16M:512
t "buffered 3 MiB" "3145728 yes" zio "$S/2" rw pwrite:0:3M:7 is:0:3M:7
t "conventional, direct" "512 yes" zio "$M/cnv/0" rw,direct pwrite:1M:512:3 is:1M:512:3
t "conventional, buffered read after a direct write" "0 yes" zio "$M/cnv/0" r \
    "sh:$TOOLS/zio $M/cnv/0 w,direct pwrite:2M:4096:9 >/dev/null" is:2M:4096:9

# ---- asynchronous ---------------------------------------------------------------------------

if command -v fio >/dev/null && fio --enghelp=libaio >/dev/null 2>&1; then
    # fio must neither make, extend nor remove the file
    as_is="--allow_file_create=0 --create_on_open=0 --unlink=0 --fallocate=none --minimal"
    # shellcheck disable=SC2086 # options
    run_fio() { (cd "$DIR" && fio $as_is "$@" >/dev/null); }
    write="--rw=write --file_append=1 --direct=1 --ioengine=libaio --size=16m --verify=crc32c"
    write="$write --verify_state_save=0"
    for bs in 4k 64k 1m 4m 8m; do
        empty "$S/3"
        # shellcheck disable=SC2086
        ok "libaio, depth 64, $bs in order" run_fio --name=a --filename="$S/3" --bs=$bs \
            --iodepth=64 $write
        t "and the zone is full after $bs" full state "$S/3"
    done
    empty "$S/3"
    ok "psync, verified" run_fio --name=a --filename="$S/3" --rw=write --file_append=1 --bs=64k \
        --ioengine=psync --size=16m --verify=crc32c --verify_state_save=0
    for engine in psync mmap; do
        ok "sequential read through $engine" run_fio --name=r --filename="$S/3" --rw=read \
            --bs=64k --ioengine=$engine --size=16m --readonly
    done
    ok "random read, depth 32" run_fio --name=r --filename="$S/3" --rw=randread --bs=4k \
        --direct=1 --ioengine=libaio --iodepth=32 --size=16m --readonly --io_size=4m
    ok "random writes to a conventional zone" run_fio --name=c --filename="$M/cnv/0" \
        --rw=randwrite --bs=4k --direct=1 --ioengine=libaio \
        --iodepth=16 --size=16m --io_size=2m
    empty "$S/0" "$S/1" "$S/2" "$S/3"
    # shellcheck disable=SC2086
    ok "four zones at once" run_fio $write --bs=32k --iodepth=16 \
        --name=z0 --filename="$S/0" --name=z1 --filename="$S/1" \
        --name=z2 --filename="$S/2" --name=z3 --filename="$S/3"
    for n in 0 1 2 3; do
        t "zone $n of four is full" full state "$S/$n"
    done
else
    echo "fio with libaio is not installed: asynchronous cases left out"
fi
conf_done
