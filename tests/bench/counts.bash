# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What an append costs in calls and bytes, counted by strace on the process that serves.

# Attaches strace; its output goes to $WORK/trace. Returns when it has attached.
trace_start() { # TARGET ARGUMENTS...
    local i pid=${pid_of[$1]}
    shift
    : >"$WORK/trace.err"
    strace -f -q -o "$WORK/trace" -p "$pid" "$@" 2>"$WORK/trace.err" &
    tracer=$!
    for ((i = 0; i < 200; i++)); do
        # attached: the process says so itself
        grep -q "^TracerPid:.$tracer\$" "/proc/$pid/status" && break
        sleep 0.01
    done
    sleep 0.2
}

trace_stop() {
    ! runs_here "$tracer" || kill -INT "$tracer" 2>/dev/null || true
    wait "$tracer" 2>/dev/null || true
}

# Lines of the trace that are calls of one of NAMES.
calls() { # NAME...
    local names
    names=$(IFS='|'; echo "$*")
    grep -cE "^[0-9]+ +($names)\(" "$WORK/trace" || true
}

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f\n", a / b }'; } # A B

# Bytes that the traced process has written to its image. Zeros that it only has the host's file
# system make are not counted.
written() { awk '$NF ~ /^[0-9]+$/ { sum += $NF } END { print sum + 0 }' "$WORK/trace"; }

# What TARGET writes to the image for each byte that a client gives it, its end included.
bytes_job() { # append|refill|random TARGET
    local n file
    file=$(seq_file "$2" 0)
    case $1 in
        append) n=$((8 << 20)) ;;
        refill)
            n=$((64 << 20))
            fio_append "$2" 64K 0 1 $n >/dev/null ;;
        random) n=$((16 << 20)) ;;
    esac
    trace_start "$2" -e trace=pwrite64,pwritev,pwritev2
    case $1 in
        append) fio_append "$2" 4K 0 1 $n --fsync=1 ;;
        refill)
            case $2 in
                qsd) fallocate -p -o "$(seq_offset qsd 0)" -l $n "$file" ;;
                *) truncate -s 0 "$file" ;;
            esac
            fio_append "$2" 64K 0 1 $n ;;
        random)
            fio_json "$2" --rw=randwrite --bs=4K --direct=1 --norandommap --randseed=7 --name=cnv \
                "--filename=$(cnv_file "$2")" --size=256M --io_size=$n --overwrite=1 ;;
    esac >/dev/null
    stop_target "$2" # what is left to write is written then
    trace_stop
    awk -v a="$(written)" -v b=$n 'BEGIN { printf "%.4f\n", a / b }'
}

# Instructions of driver.c's calls of the library, system calls excluded: COUNT calls of one kind.
count_instructions() { # append|read BLOCK COUNT
    local image=$base/count.qcow2
    "$ZQFS" create -q --force -o zone.size=256M,zone.conventional_zones=0 "$image" 512M
    [ "$1" = append ] || "$WORK/driver" "$image" append "$2" 1200 || return 1
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$WORK/driver" "$image" "$1" "$2" "$3" \
        2>&1 | sed -n 's/.*Collected : //p'
}

# What opens and closes the image cancels out.
job_instructions() { # append|read 4K|64K
    local block=$((${2%K} * 1024)) few many
    command -v valgrind >/dev/null || { note "no valgrind: instructions left out"; return 1; }
    # shellcheck disable=SC2046,SC2086 # several words
    [ -x "$WORK/driver" ] || ${CC:-gcc} ${CFLAGS:--O2} "-I$TOP/include" -o "$WORK/driver" \
        "$TOP/tests/bench/driver.c" "$TOP/libzqfs.a" $(pkg-config --libs libzstd zlib) -pthread || return 1
    few=$(count_instructions "$1" $block 200) && many=$(count_instructions "$1" $block 1200) || return 1
    echo $(((many - few) / 1000))
}

count_job() { # NAME TARGET
    local n ios
    command -v strace >/dev/null || { note "no strace: $1 left out"; return 1; }
    case $1 in
        requests-append-4K | syscalls-append-4K)
            # the first appends open the zone and fetch tables
            fio_append zqfs 4K 1 1 $((1 << 20)) >/dev/null
            n=$((16 << 20))
            trace_start zqfs -e trace='!read,futex'
            fio_json zqfs --rw=write --bs=4K --direct=1 --create_on_open=1 --name=z \
                "--filename=$(seq_file zqfs 0)" --offset=1M --size=$n >/dev/null
            trace_stop
            if [ "$1" = requests-append-4K ]; then
                ratio "$(calls writev)" $((n / 4096))
            else
                ratio "$(calls pread64 pwrite64 preadv pwritev fdatasync fallocate lseek)" \
                    $((n / 4096))
            fi ;;
        metadata-append-1M)
            n=$((512 << 20))
            trace_start zqfs -e trace=pwrite64,pwritev
            fio_append zqfs 1M 1 1 $n >/dev/null
            stop_target zqfs # what is left to write is written then
            trace_stop
            awk -v data=$n '{ sum += $NF } END { printf "%.3f\n", (sum - data) * 100 / data }' \
                "$WORK/trace" ;;
        bytes-*) bytes_job "${1##*-}" "$2" ;;
        flushes-*)
            trace_start "$2" -e trace=fdatasync,fsync
            case $1 in
                *-append-*) fio_append "$2" 4K 0 1 $((64 << 20)) --fsync=1 --runtime=2 ;;
                *) fio_append "$2" 4K 0 4 $((64 << 20)) --fsync=1 --runtime=2 ;;
            esac >"$WORK/fio.json"
            trace_stop
            ios=$(jq '[.jobs[].write.total_ios] | add' "$WORK/fio.json")
            ratio "$(calls fdatasync fsync)" "$ios" ;;
    esac
}
