#!/usr/bin/env bash
# fio as people run it on zonefs: write and verify through psync and libaio, mapped and random reads.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse
requires fio getfattr
fio --enghelp=libaio >/dev/null 2>&1 || skip "this fio has no libaio"
M=$DIR/mnt
S=$M/seq
"$ZQFS" create -o zone.size=32M,zone.capacity=24M,zone.conventional_zones=1 "$DIR/a.qcow2" 320M \
    >/dev/null

# The files are there and stay: fio must neither make, extend, invalidate by size nor remove them.
cat >"$DIR/common" <<'END'
[global]
allow_file_create=0
create_on_open=0
unlink=0
fallocate=none
thread
group_reporting
size=24m
verify_state_save=0
verify_fatal=1
END
job() { # NAME LINE...
    local file="$DIR/job.fio" line name=$1
    shift
    cp "$DIR/common" "$file"
    for line in "$@"; do
        echo "$line" >>"$file"
    done
    ok "$name" sh -c "cd '$DIR' && fio --minimal '$file'"
}

for options in "" max_threads=1; do
    mount_image "$DIR/a.qcow2" "$M" ${options:+-o "$options"}
    job "psync, 64 KiB" "[w]" "filename=$S/0" rw=write file_append=1 bs=64k ioengine=psync verify=crc32c
    t "full after it" full state "$S/0"
    job "psync, any size" "[w]" "filename=$S/1" rw=write file_append=1 bsrange=512-128k \
        bs_unaligned=0 blockalign=512 ioengine=psync fsync=64
    empty "$S/1"
    job "libaio, depth 64, 4 KiB to 8 MiB" "[w]" "filename=$S/1" rw=write file_append=1 direct=1 \
        bsrange=4k-8m ioengine=libaio iodepth=64 verify=crc32c verify_interval=4k
    ok "nearly full after that" test "$(size_of "$S/1")" -gt $((16 * 1024 * 1024))
    job "libaio with O_DSYNC" "[w]" "filename=$S/2" rw=write file_append=1 direct=1 sync=dsync \
        bs=1m ioengine=libaio iodepth=8 verify=crc32c
    job "mapped read, verified" "[r]" "filename=$S/0" rw=read bs=64k ioengine=mmap \
        verify=crc32c
    job "random reads, psync" "[r]" "filename=$S/0" rw=randread bs=4k ioengine=psync \
        io_size=8m
    job "random reads, direct, depth 32" "[r]" "filename=$S/1" rw=randread bs=4k direct=1 \
        ioengine=libaio iodepth=32 size=16m
    empty "$S/0" "$S/1" "$S/2"
    job "four zones at once" "rw=write" file_append=1 direct=1 bs=128k ioengine=libaio \
        iodepth=16 verify=crc32c "[z0]" "filename=$S/0" "[z1]" "filename=$S/1" \
        "[z2]" "filename=$S/2" "[z3]" "filename=$S/3"
    t "all four are full" "full full full full" echo \
        "$(state "$S/0") $(state "$S/1") $(state "$S/2") $(state "$S/3")"
    empty "$S/0" "$S/1" "$S/2" "$S/3"
    job "a conventional zone, read and written at random" "[c]" "filename=$M/cnv/0" rw=randrw \
        bs=4k direct=1 ioengine=libaio iodepth=16 io_size=16m
    job "a conventional zone, mapped and written at random" "[c]" "filename=$M/cnv/0" \
        rw=randwrite bs=4k ioengine=mmap io_size=8m verify=crc32c
    unmount "$M"
done
ok "the image is sound" "$ZQFS" check "$DIR/a.qcow2"
conf_done
