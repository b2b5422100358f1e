# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The jobs: a table, and a function for each kind. A job gets a fresh target, prints one
# number, and leaves the target to be ended by run_job.

size() { echo $(($1 / divide / 1048576 * 1048576)); } # BYTES

# NAME|UNIT|TARGETS|WHAT; units that end in "s" alone or "B" are better when small.
job_table() {
    local bs mode n
    for n in 1 4; do
        for bs in 4K 64K 1M; do
            for mode in buffered direct; do
                local unit=MiB/s who=all
                [ $bs != 4K ] || unit=IO/s
                [ $n -eq 1 ] || who="all file one"
                echo "append-$bs-$mode-$n|$unit|$who|append $bs, $mode, $n zones at once"
            done
        done
    done
    cat <<'ENDOFTABLE'
append-4K-fsync-memory|IO/s|all|append 4K and fsync each, in BENCH_DIR
append-4K-fsync-disk|IO/s|all|append 4K and fsync each, in BENCH_DISK
append-4K-fsync4-disk|IO/s|all|the same by four writers to four zones
reappend-1M|MiB/s|raw pass zqfs rings|append 1M to a zone that was full and has been reset
read-128K-cold|MiB/s|all|sequential read, nothing cached
read-1M-cold|MiB/s|all|sequential read, nothing cached
read-1M-direct|MiB/s|all|sequential read, O_DIRECT
read-128K-warm|MiB/s|all|sequential read of what was read before
read-1M-warm|MiB/s|all|sequential read of what was read before
randread-4K-d1|IO/s|all|random read, O_DIRECT, one at a time
randread-4K-d32|IO/s|all|random read, O_DIRECT, 32 at a time
randread-4K-warm|IO/s|all|random read of what was read before
randwrite-4K-d1|IO/s|all|random write to a conventional zone, O_DIRECT
randwrite-4K-buffered|IO/s|all|random write to a conventional zone
dd-512|MiB/s|all|dd bs=512, buffered
cp-tar|MiB/s|raw pass zqfs|cp of a tar of header files
ls-100000|ms|raw zqfs|ls -l of 100,000 zones
mount-1000000|ms|zqfs|mount of 1,000,000 zones until it answers
umount-1000000|ms|zqfs|unmount of it until the process has ended
memory-1000000|B/zone|zqfs|resident memory per zone of it
memory-64T|MiB|zqfs|resident memory after random reads of 64 TiB, cache=4M
reset-1G|ms|raw pass zqfs|reset of a full zone of which nothing is cached
reset-storm|% of without|zqfs|rewriting zones so fast that resets wait for commits
read-zstd-cold|MiB/s|qsd zqfs|sequential read 1M of zstd clusters, nothing cached
convert-plain|MiB/s|qsd zqfs|convert an image in BENCH_DISK (qemu-img convert -m 4 -W), flushed
convert-compressed|MiB/s|qsd zqfs|the same with -c, in BENCH_DIR
overlay-create|ms|qsd zqfs|make an overlay of 256 GiB (qemu-img create -b), with the start of the program
compress-append|% of without|zqfs|appends of 1M to a mount with compress=1, text
requests-append-4K|per IO|zqfs|FUSE requests for each 4K append
syscalls-append-4K|per IO|zqfs|system calls on the image for each 4K append
metadata-append-1M|% of data|zqfs|metadata written for 1M appends, unmount included
bytes-append|B/B|qsd zqfs|written to the image for each byte of 4K appends with fsync
bytes-refill|B/B|qsd zqfs|the same for a zone that is reset and filled again
bytes-random|B/B|qsd zqfs|the same for random 4K writes to a conventional zone
instr-append-4K|per call|zqfs|instructions of an append below FUSE, by callgrind
instr-append-64K|per call|zqfs|the same of 64K
instr-read-4K|per call|zqfs|the same of a read
flushes-append-4K|per IO|qsd zqfs|flushes for each 4K append and fsync, one writer
flushes-shared-4K|per IO|qsd zqfs|the same with four writers at once
ENDOFTABLE
}

# Runs one job on one target, from nothing to nothing.
run_job() { # NAME TARGET
    local name=$1 target=$2 rc=0 value=""
    base=$WORK
    case $name in *-disk | flushes-* | convert-plain) base=$DISK ;; esac
    case $name in *-1000000 | ls-100000 | *-64T | *-zstd-* | convert-* | overlay-* | compress-* | instr-* | reset-storm) ;; *)
        create_target "$target" && start_target "$target" || rc=1 ;;
    esac
    [ $rc -ne 0 ] || value=$(do_job "$name" "$target") || rc=1
    stop_target "$target"
    rm -rf "${base:?}/$target"
    [ $rc -eq 0 ] && [ -n "$value" ] && echo "$value"
}

do_job() { # NAME TARGET
    local word=() target=$2 more=()
    IFS=- read -ra word <<<"$1"
    case $1 in
        append-4K-fsync*) job_fsync "$target" "${word[2]}" ;;
        append-*) job_append "$target" "${word[@]:1}" ;;
        reappend-*) job_reappend "$target" ;;
        read-zstd-cold) job_zstd "$target" ;;
        read-*) job_read "$target" "${word[@]:1}" ;;
        randread-*)
            case $1 in
                *-d1) more=(--ioengine=psync --direct=1) ;;
                *-d32) more=(--ioengine=libaio --iodepth=32 --direct=1) ;;
            esac
            job_randread "$target" "${word[2]}" "${more[@]}" ;;
        randwrite-*) job_randwrite "$target" "${word[2]}" ;;
        dd-512) job_dd "$target" ;;
        cp-tar) job_cp "$target" ;;
        ls-100000) job_ls "$target" ;;
        mount-* | umount-* | memory-1000000) job_million "${word[0]}" ;;
        memory-64T) job_sparse ;;
        convert-*) job_convert "$target" "${word[1]}" ;;
        overlay-create) job_overlay "$target" ;;
        compress-append) job_compress_append ;;
        reset-1G) job_reset "$target" ;;
        reset-storm) job_storm ;;
        instr-*) job_instructions "${word[1]}" "${word[2]}" ;;
        *) count_job "$1" "$target" ;;
    esac
}

job_append() { # TARGET BLOCK MODE ZONES
    local bytes direct=0 unit=mib_per_s
    [ "$3" = buffered ] || direct=1
    case $2 in
        4K) bytes=$(size $((192 << 20))) unit=io_per_s ;;
        64K) bytes=$(size $((800 << 20))) ;;
        *) bytes=$(size $((1000 << 20))) ;;
    esac
    have_memory "$bytes" || return 1
    fio_append "$1" "$2" $direct "$4" $((bytes / $4 / 1048576 * 1048576)) | $unit
}

job_fsync() { # TARGET fsync|fsync4
    local zones=1
    [ "$2" = fsync ] || zones=4
    fio_append "$1" 4K 0 $zones $((256 << 20)) --fsync=1 --time_based=0 \
        --runtime=$((2 - ${quick:-0})) | io_per_s
}

job_reappend() { # TARGET
    local bytes
    bytes=$(size $((1000 << 20)))
    have_memory $((2 * bytes)) || return 1
    fio_append "$1" 1M 0 1 "$bytes" >/dev/null
    truncate -s 0 "$(seq_file "$1" 0)"
    fio_append "$1" 1M 0 1 "$bytes" | mib_per_s
}

job_read() { # TARGET BLOCK cold|warm|direct
    local bytes direct=0
    bytes=$(size $((1000 << 20)))
    filled "$1" "$bytes"
    have_memory "$bytes" || return 1
    case $3 in
        warm) read_once "$1" "$bytes" ;;
        direct) direct=1 ;;
    esac
    # what is warm is read again and again, or it would be over too soon
    if [ "$3" = warm ]; then
        fio_read "$1" read "$2" 0 "$bytes" --loops=3 | mib_per_s
    else
        fio_read "$1" read "$2" $direct "$bytes" | mib_per_s
    fi
}

# Brings the beginning of sequential zone 0 into the page cache.
read_once() { # TARGET BYTES
    dd "if=$(seq_file "$1" 0)" of=/dev/null bs=1M status=none \
        skip=$(($(seq_offset "$1" 0) >> 20)) count=$(($2 >> 20))
}

job_randread() { # TARGET d1|d32|warm ARGUMENTS...
    local bytes target=$1 mode=$2
    shift 2
    bytes=$(size $((512 << 20)))
    filled "$target" "$bytes"
    have_memory "$bytes" || return 1
    if [ "$mode" = warm ]; then
        read_once "$target" "$bytes"
    fi
    fio_read "$target" randread 4K 0 "$bytes" "$@" --norandommap --time_based \
        --runtime=$((2 - ${quick:-0})) | io_per_s
}

job_randwrite() { # TARGET d1|buffered
    local direct=0
    [ "$2" = buffered ] || direct=1
    fio_json "$1" --rw=randwrite --bs=4K --direct=$direct --norandommap --time_based \
        --runtime=$((2 - ${quick:-0})) --name=cnv "--filename=$(cnv_file "$1")" --size=256M \
        --overwrite=1 | io_per_s
}

job_dd() { # TARGET
    local bytes us
    bytes=$(size $((32 << 20)))
    have_memory "$bytes" || return 1
    us=$(microseconds dd if=/dev/zero "of=$(seq_file "$1" 0)" bs=512 count=$((bytes / 512)) \
        "seek=$(($(seq_offset "$1" 0) / 512))" conv=notrunc status=none)
    rate "$bytes" "$us"
}

job_cp() { # TARGET
    local us
    [ -e "$WORK/tree.tar" ] || tar -C /usr/include -cf "$WORK/tree.tar" .
    have_memory "$(stat -c %s "$WORK/tree.tar")" || return 1
    us=$(microseconds cp "$WORK/tree.tar" "$(seq_file "$1" 0)")
    rate "$(stat -c %s "$WORK/tree.tar")" "$us"
}

job_reset() { # TARGET
    local bytes=$GIB
    filled "$1" "$bytes"
    milliseconds "$(microseconds truncate -s 0 "$(seq_file "$1" 0)")"
}

# ---- many zones --------------------------------------------------------------------------------

# The same on a disk so large that what waits to be freed never meets its bound.
job_storm() {
    local w us with=0 without=0
    head -c 16777216 /dev/zero >"$base/zone"
    for w in 1T 256M 256M 1T; do
        us=$(rewrite_zones "$w") || return 1
        [ $w = 1T ] && without=$((without + us)) || with=$((with + us))
    done
    awk -v w=$with -v o=$without 'BEGIN { printf "%.1f\n", 100 * o / w }'
}

rewrite_zones() { # SIZE OF THE DISK
    local image=$base/storm.qcow2 mnt=$base/storm
    mkdir -p "$mnt"
    "$ZQFS" create -q --force -o zone.size=16M "$image" "$1"
    "$ZQFS" -o uring=off "$image" "$mnt" || return 1
    microseconds rewrite_open_zones "$mnt" $(($(size $((4 << 30))) >> 28))
    "$ZQFS" umount "$mnt" >/dev/null
    rm -f "$image"
}

rewrite_open_zones() { # MOUNT ROUNDS
    local fd=() f i n
    for ((i = 0; i < 16; i++)); do
        exec {f}>>"$1/seq/$i"
        fd[i]=$f
    done
    for ((n = 0; n < $2; n++)); do
        for ((i = 0; i < 16; i++)); do
            truncate -s 0 "$1/seq/$i"
            dd if="$base/zone" bs=1M status=none >&"${fd[i]}"
        done
    done
    for f in "${fd[@]}"; do exec {f}>&-; done
}

job_ls() { # TARGET
    local d=$base/$1 nr=100000 dir
    mkdir -p "$d/mnt" "$d/store/seq"
    dir=$d/mnt/seq
    case $1 in
        zqfs) "$ZQFS" create -o zone.size=1M "$d/store/img.qcow2" $((nr << 20)) >/dev/null ;;
        *) (cd "$d/store/seq" && seq $nr | xargs touch) ;;
    esac
    [ "$1" != raw ] || dir=$d/store/seq
    start_target "$1"
    milliseconds "$(microseconds ls -l "$dir")"
}

resident() { awk '/^VmRSS/ { print $2 * 1024 }' "/proc/$1/status"; } # PID

# Image of that many zones; then how long the mount takes, or what it needs.
job_million() { # mount|umount|memory
    local d=$base/zqfs nr=1000000 mount umount small big
    mkdir -p "$d/mnt" "$d/store"
    "$ZQFS" create -o zone.size=1M "$d/store/img.qcow2" 8M >/dev/null
    start_target zqfs
    small=$(resident "${pid_of[zqfs]}")
    stop_target zqfs
    rm "$d/store/img.qcow2"
    "$ZQFS" create -o zone.size=1M "$d/store/img.qcow2" $((nr << 20)) >/dev/null
    # the command returns once the mount answers, the other one when the process has ended
    mount=$(microseconds "$ZQFS" -o uring=off "$d/store/img.qcow2" "$d/mnt")
    big=$(resident "$(pgrep -f -n "^$ZQFS -o uring=off $d/store/img.qcow2")")
    umount=$(microseconds "$ZQFS" umount "$d/mnt")
    case $1 in
        mount) milliseconds "$mount" ;;
        umount) milliseconds "$umount" ;;
        memory) echo $(((big - small) / nr)) ;;
    esac
}

# 64 TiB of holes and a few blocks, read at random with a small cache.
job_sparse() {
    local d=$base/zqfs
    mkdir -p "$d/mnt" "$d/store"
    "$ZQFS" create -o zone.size=1T,zone.conventional_zones=63 "$d/store/img.qcow2" 64T >/dev/null
    start_target zqfs cache=4M,aggr_cnv
    # blocks far apart: each needs an L2 table of its own
    fio_json zqfs --name=fill --rw=randwrite --bs=4K --direct=1 --norandommap --number_ios=20000 \
        --overwrite=1 --size=63T "--filename=$d/mnt/cnv/0" --randseed=7 >/dev/null
    restart_target zqfs cache=4M,aggr_cnv
    fio_json zqfs --name=read --rw=randread --bs=4K --direct=1 --norandommap --number_ios=40000 \
        --size=63T "--filename=$d/mnt/cnv/0" --randseed=7 >/dev/null
    awk -v b="$(resident "${pid_of[zqfs]}")" 'BEGIN { printf "%.1f\n", b / 1048576 }'
}

# ---- compressed -----------------------------------------------------------------------------------

job_zstd() { # TARGET
    local d=$base/$1 bytes img
    bytes=$(size $((512 << 20)))
    img=$d/store/img.qcow2
    mkdir -p "$d/mnt" "$d/store"
    if [ ! -e "$WORK/zstd.qcow2" ]; then
        [ -e "$WORK/tree.tar" ] || tar -C /usr/include -cf "$WORK/tree.tar" .
        { until ! cat "$WORK/tree.tar"; do :; done; } 2>/dev/null | head -c "$bytes" \
            >"$WORK/plain" || true
        truncate -s $((GIB * 2)) "$WORK/plain"
        # sequential zone 0 of a target begins behind a conventional one of 1 GiB
        qemu-img create -q -f qcow2 -o compression_type=zstd "$WORK/zstd.qcow2" $((GIB * 2))
        dd if=/dev/zero of="$WORK/shifted" bs=1 count=0 seek=$GIB status=none
        cat "$WORK/plain" >>"$WORK/shifted"
        truncate -s $((GIB * 2)) "$WORK/shifted"
        qemu-img convert -c -n -f raw -O qcow2 "$WORK/shifted" "$WORK/zstd.qcow2"
        rm -f "$WORK/plain" "$WORK/shifted"
    fi
    cp "$WORK/zstd.qcow2" "$img"
    if [ "$1" = qsd ]; then
        : >"$d/mnt/disk"
    else
        "$BUILD/tests/tools/addzones" "$img" zone_size=$GIB conventional=1 pointers=full || return 1
    fi
    drop_caches
    start_target "$1" && have_memory "$bytes" || return 1
    fio_read "$1" read 1M 0 "$bytes" | mib_per_s
}
