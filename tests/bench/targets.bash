# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What is compared: raw files, libfuse's passthrough over them, both also with a single file, which
# is what an image is to the kernel below, qemu-storage-daemon's export of a plain qcow2, zqfs.
# Owns $WORK, all processes that are started and all mounts.
#
# Each has one conventional zone of 1 GiB and seven sequential ones, or what comes closest:
# files of those names, or ranges of the one exported file.

GIB=$((1 << 30))
nr_seq=7

if [ -z "${BENCH_DIR:-}" ]; then
    BENCH_DIR=/tmp
    [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] && BENCH_DIR=/dev/shm
fi
mkdir -p "$BUILD"
BENCH_DISK=${BENCH_DISK:-$BUILD}
WORK=$(mktemp -d "$BENCH_DIR/zqfs-bench.XXXXXX")
DISK=$(mktemp -d "$BENCH_DISK/zqfs-bench.XXXXXX")
export ZQFS_BENCH_WORK=$WORK # marks what is started here
declare -A pid_of=() missing=()
base=$WORK

note() { echo "bench: $*" >&2; }
progress() { [ ! -t 2 ] && [ -z "${BENCH_VERBOSE:-}" ] || note "$@"; }

# A round's start and stop run in subshells, so what must be ended is also kept in files.
clean_up() {
    local f
    trap '' INT TERM HUP
    for f in "$WORK"/pid.*; do
        [ -e "$f" ] && stop_target "${f##*.}" 2>/dev/null
    done
    for f in "$WORK"/* "$DISK"/*; do # what a job has mounted by itself
        if mountpoint -q "$f"; then "$ZQFS" umount "$f" >/dev/null 2>&1; fi
    done
    rm -rf "$WORK" "$DISK"
    rings_release
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

build_passthrough() {
    local dir=/usr/share/doc/libfuse3-dev/examples src=$WORK/passthrough_ll.c
    if [ -e "$dir/passthrough_ll.c" ]; then
        cp "$dir/passthrough_ll.c" "$src"
    elif [ -e "$dir/passthrough_ll.c.gz" ]; then
        gzip -dc "$dir/passthrough_ll.c.gz" >"$src"
    else
        return 1
    fi
    # shellcheck disable=SC2046 # several words
    ${CC:-gcc} -O2 -w "-I$dir" -o "$WORK/passthrough_ll" "$src" $(pkg-config --cflags --libs fuse3)
}

prepare_targets() {
    local t
    for t in fio jq; do
        command -v "$t" >/dev/null || { note "$t is not installed"; exit 1; }
    done
    build_passthrough >"$WORK/log.pass" 2>&1 ||
        { missing[pass]=1 missing[one]=1; note "no passthrough example of libfuse3-dev: left out"; }
    case " $targets " in *" rings "*)
        missing[rings]=$(no_rings 60)
        if [ -n "${missing[rings]}" ]; then
            note "no rings: ${missing[rings]}"
        elif rings_take 60; then
            rings_set Y
            unset 'missing[rings]'
        else
            missing[rings]=1
            note "no rings: somebody else has the kernel's parameter"
        fi ;;
    esac
    command -v qemu-storage-daemon >/dev/null ||
        { missing[qsd]=1; note "no qemu-storage-daemon (qemu-system-common): left out"; }
    [ -x "$ZQFS" ] || { note "$ZQFS is not there"; exit 1; }
    ulimit -n 4096 2>/dev/null || true
}

has_target() { [ -z "${missing[$1]:-}" ]; }

wait_mounted() { # DIR PID
    local i
    for ((i = 0; i < 500; i++)); do
        mountpoint -q "$1" && return
        grep -q " $1 " /proc/self/mounts && return
        kill -0 "$2" 2>/dev/null || return 1
        sleep 0.01
    done
    return 1
}

# Creates the storage; base is the folder to use.
create_target() { # TARGET
    local d=$base/$1 i
    rm -rf "$d"
    mkdir -p "$d/mnt" "$d/store/cnv" "$d/store/seq"
    case $1 in
        raw | pass)
            truncate -s $GIB "$d/store/cnv/0"
            for ((i = 0; i < nr_seq; i++)); do : >"$d/store/seq/$i"; done ;;
        file | one) truncate -s $((GIB * (nr_seq + 1))) "$d/store/disk" ;;
        qsd)
            qemu-img create -q -f qcow2 "$d/store/img.qcow2" $((GIB * (nr_seq + 1)))
            : >"$d/mnt/disk" ;;
        zqfs | rings)
            "$ZQFS" create -o zone.size=1G,zone.conventional_zones=1 "$d/store/img.qcow2" \
                $((GIB * (nr_seq + 1))) >/dev/null ;;
    esac
}

start_target() { # TARGET [MOUNT OPTIONS OF ZQFS]
    local d=$base/$1 options=${2:-${ZQFS_BENCH_OPTIONS:-}} at=$base/$1/mnt
    case $1 in
        raw | file) return 0 ;;
        pass | one)
            "$WORK/passthrough_ll" -f -o "source=$d/store,cache=never" "$at" & ;;
        qsd)
            at=$at/disk
            qemu-storage-daemon \
                --blockdev "driver=file,node-name=file,filename=$d/store/img.qcow2,discard=unmap" \
                --blockdev driver=qcow2,node-name=disk,file=file,discard=unmap \
                --export "type=fuse,id=out,node-name=disk,mountpoint=$at,writable=on" & ;;
        zqfs | rings)
            case $1 in zqfs) options=uring=off${options:+,$options} ;; *) options=uring=on${options:+,$options} ;; esac
            "$ZQFS" mount -f -o "$options" "$d/store/img.qcow2" "$at" & ;;
    esac >>"$WORK/log.$1" 2>&1
    pid_of[$1]=$!
    echo "$! $at" >"$WORK/pid.$1"
    wait_mounted "$at" $!
}

# Numbers of processes come round: is there one, and of this run? One that is ending has no
# environment any more, nor has a zombie, which nothing need be waited for.
runs_here() { # PID
    local state
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null) || return 1
    [ -n "$state" ] && [ "$state" != Z ] || return 1
    grep -qzxsF "ZQFS_BENCH_WORK=$WORK" "/proc/$1/environ" ||
        [ -z "$(head -c 1 "/proc/$1/environ" 2>/dev/null)" ]
}

# Ends the daemon and waits for it: what it had to write is written then.
stop_target() { # TARGET
    local pid at i
    [ -e "$WORK/pid.$1" ] || return 0
    read -r pid at <"$WORK/pid.$1"
    rm -f "$WORK/pid.$1"
    if [ "$1" = qsd ]; then
        ! runs_here "$pid" || kill "$pid" 2>/dev/null || true
    else
        umount "$at" 2>/dev/null || fusermount3 -u "$at" || true
    fi
    for ((i = 0; i < 3000; i++)); do
        runs_here "$pid" || break
        sleep 0.01
    done
    wait "$pid" 2>/dev/null || true
    ! grep -q " $at " /proc/self/mounts || umount -l "$at" 2>/dev/null || fusermount3 -uz "$at"
}

restart_target() { # TARGET [OPTIONS]
    stop_target "$1"
    drop_caches
    start_target "$@"
}

# A file that holds the sequential zone N and where in it the zone begins; then the conventional.
seq_file() { # TARGET N
    case $1 in
        raw) echo "$base/raw/store/seq/$2" ;;
        file) echo "$base/file/store/disk" ;;
        one | qsd) echo "$base/$1/mnt/disk" ;;
        *) echo "$base/$1/mnt/seq/$2" ;;
    esac
}
seq_offset() { # TARGET N
    case $1 in file | one | qsd) echo $((GIB * ($2 + 1))) ;; *) echo 0 ;; esac
}
cnv_file() { # TARGET
    case $1 in
        raw) echo "$base/raw/store/cnv/0" ;;
        one | qsd) echo "$base/$1/mnt/disk" ;;
        *) echo "$base/$1/mnt/cnv/0" ;;
    esac
}

# Nothing of the mounts (and of a disk) in the page cache, where we may say so.
drop_caches() {
    # a fresh mount has nothing cached, and a tmpfs keeps what it has in any case
    [ "$(stat -f -c %T "$base")" != tmpfs ] || return 0
    sync -f "$base"
    { echo 3 >/proc/sys/vm/drop_caches; } 2>/dev/null || true
}
