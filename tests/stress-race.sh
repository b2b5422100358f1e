#!/usr/bin/env bash
# Writers, readers, resets, asynchronous I/O and thousands of files at once: every result as predicted.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 7200
# STRESS_SECONDS (default 36) for all of it, SEED replays the random choices of a run.
source "${0%/*}/lib.sh"
requires_fuse
requires_tool zrace
requires_tool zmany
requires_tool zcopy
requires_tool zaio

M=$DIR/mnt
S=$M/seq
seed=${SEED:-$(($(date +%s) * 1000 + $$ % 1000))}
each=$((${STRESS_SECONDS:-36} / 6))
[ "$each" -gt 0 ] || each=1
echo "SEED=$seed"

# In the foreground, so that its exit status and its words are seen.
serve() { # CREATE-OPTIONS SIZE MOUNT-OPTIONS
    rm -f "$DIR/a.qcow2" "$DIR/raw.data"
    "$ZQFS" create -o "$1" "$DIR/a.qcow2" "$2" >/dev/null
    mkdir -p "$M"
    "$ZQFS" -f ${ZQFS_TEST_OPTIONS:+-o "$ZQFS_TEST_OPTIONS"} ${3:+-o "$3"} "$DIR/a.qcow2" "$M" 2>"$DIR/daemon" &
    daemon=$!
    mounts_+=("$M")
    daemons_+=("$daemon")
    for ((i = 0; i < 300; i++)); do
        ! is_mounted "$M" || return 0
        sleep 0.1
    done
    cat "$DIR/daemon"
    fail "not mounted after 30 seconds"
}

jobs_=()
job() { # COMMAND...
    # what hangs is ended, by a signal that leaves a core where those are kept
    timeout -s ABRT $((each * 10 + 120)) "$@" >"$DIR/job.${#jobs_[@]}" 2>&1 &
    jobs_+=($!)
}

finish() { # WHAT
    local rc=0 bad='' i
    for i in "${!jobs_[@]}"; do
        wait "${jobs_[i]}" || bad="$bad $i"
        sed "s|^|$1: |;s|$M/||g" "$DIR/job.$i"
    done
    jobs_=()
    "$ZQFS" umount "$M" || bad="$bad umount"
    wait "$daemon" || rc=$?
    forget_mount_ "$M"
    # misplaced writes are part of it, and the daemon may say so
    grep -v "was refused, the next byte" "$DIR/daemon" || true
    [ "$rc" -eq 0 ] || fail "$1: the daemon ended with status $rc"
    [ -z "$bad" ] || fail "$1:$bad"
    assert_status 0 "$ZQFS" check "$DIR/a.qcow2"
}

big=zone.size=4M,zone.capacity=3584K,zone.conventional_zones=2
small=zone.size=256K,zone.capacity=192K,zone.conventional_zones=2
limits=zone.max_open_zones=4,zone.max_active_zones=6

serve $big 48M ""
job "$TOOLS/zrace" "$S/0" "$M/cnv/0" "$each" "$seed"
job "$TOOLS/zrace" "$S/1" "$M/cnv/1" "$each" $((seed + 1)) attributes writers=8
job "$TOOLS/zcopy" "$S/2" "$S/3" "$each" "$seed"
job "$TOOLS/zaio" "$S/4" 64 4K 8M "$each" "$seed"
finish "all at once"

serve $big 48M "max_threads=1"
job "$TOOLS/zcopy" "$S/0" "$S/1" "$each" "$seed"
job "$TOOLS/zcopy" "$S/2" "$S/2" "$each" "$seed"
job "$TOOLS/zcopy" "$M/cnv/0" "$S/3" "$each" "$seed"
job "$TOOLS/zrace" "$S/4" "$M/cnv/1" "$each" "$seed" attributes
finish "one thread"

serve $small,$limits 8M ""
job "$TOOLS/zmany" "$M" 16 "$each" "$seed" files=60
finish "limits"
serve "$small,$limits,data_file=$DIR/raw.data,data_file_raw=on" 8M "max_threads=8,commit=1"
job "$TOOLS/zmany" "$M" 12 "$each" "$seed" files=900
finish "limits, data file"

# several mebibytes in one request, past the capacity of zones that are empty
serve zone.size=4M,zone.capacity=512K 48M "max_threads=8"
job "$TOOLS/zaio" "$S/0" 64 512 512K "$each" "$seed"
job "$TOOLS/zaio" "$S/1" 64 4K 8M "$each" "$seed" append
job "$TOOLS/zaio" "$S/2" 1 1M 8M "$each" "$seed"
finish "small capacity"
serve zone.conventional_zones=1,zone.size=32M,cluster_size=2M 320M "sync"
job "$TOOLS/zaio" "$S/0" 64 4K 8M "$each" "$seed"
job "$TOOLS/zaio" "$S/1" 64 64K 1M "$each" "$seed" append
job "$TOOLS/zrace" "$S/2" "$M/cnv/0" "$each" "$seed"
finish "sync"
