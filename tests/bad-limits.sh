#!/usr/bin/env bash
# No header costs more memory or time than its file's size justifies, also in a sparse file.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
source "${0%/*}/lib.sh"
requires_tool qpatch
cd "$DIR"
MEMORY=$((192 << 10)) # KiB of address space, a fifth of it for the program and its libraries
SECONDS_MAX=10

# Sanitizers take address space by the terabyte.
case $BUILD in */asan | */tsan) MEMORY=unlimited SECONDS_MAX=60 ;; esac

# Every command answers within the limits: 0, or 1 with one line, or what check says.
within() { # IMAGE
    local c rc
    for c in info report check "check --repair=all" "reset IMAGE all" "finish IMAGE 3"; do
        case $c in *IMAGE*) c=${c/IMAGE/$1} ;; *) c="$c $1" ;; esac
        rc=0
        # shellcheck disable=SC2086 # words on purpose
        (ulimit -v "$MEMORY"; exec timeout "$SECONDS_MAX" "$ZQFS" $c >out 2>err) || rc=$?
        case $rc in
            0) ;;
            1) assert_eq "$(wc -l <err)" 1 "lines of zqfs $c ($(head -c 500 err))" ;;
            2 | 3) case $c in check*) ;; *) fail "status $rc of zqfs $c: $(cat err)" ;; esac ;;
            *) fail "status $rc of zqfs $c: $(tail -n 3 out err)" ;;
        esac
        if grep -qi 'out of memory\|cannot allocate' err; then
            fail "zqfs $c wants more than $MEMORY KiB: $(cat err)"
        fi
    done
}
"$ZQFS" create -q -o zone.size=1M,zone.layout=56 good.qcow2 16M

bad() { # NAME OPERATION...
    echo "-- $1"
    cp --sparse=always good.qcow2 "$1.qcow2"
    "$TOOLS/qpatch" "$1.qcow2" "${@:2}"
    within "$1.qcow2"
    rm "$1.qcow2"
}
TERA=$((1 << 40))
bad l1-size be32:36:0xffffffff truncate:$TERA
bad l1-size-32m be32:36:4194304 be64:40:$((1 << 30)) truncate:$TERA
bad nr-zones zoned:nr_zones:0xffffffff zoned:zonedmeta_size:$((0xffffffff * 8)) truncate:$TERA
# consistent with itself: 2^32 - 2^10 zones of 4 KiB, the table a hole of 32 GiB
bad zones-4g zoned:zone_size:4096 zoned:zone_capacity:4096 zoned:max_append_bytes:512 \
    zoned:nr_zones:$((0xfffffc00)) zoned:zonedmeta_size:$((0xfffffc00 * 8)) \
    zoned:zonedmeta_offset:$((1 << 34)) be64:24:$((0xfffffc00 * 4096)) be32:36:32768 \
    be64:40:$((1 << 33)) truncate:$TERA
bad reftable-clusters be32:56:0xffffffff truncate:$TERA
bad reftable-8m be32:56:128 be64:48:$((1 << 30)) truncate:$TERA
bad snapshots be32:60:65536 be64:64:$((1 << 30)) truncate:$TERA
bad snapshots-l1 be32:60:1 be64:64:$((1 << 30)) be64:$((1 << 30)):$((1 << 31)) \
    be32:$(((1 << 30) + 8)):0xffffffff truncate:$TERA
bad file-8e truncate:$((0x7ffffffffff))
bad header-length be32:100:0xfffffff8 truncate:$TERA

echo "-- every refcount table entry leads to one block"
cp good.qcow2 one.qcow2
table=$("$TOOLS/qpatch" one.qcow2 get-be64:48)
block=$("$TOOLS/qpatch" one.qcow2 "get-be64:$table")
ops=()
for ((i = 0; i < 8192; i++)); do ops+=("be64:$((table + i * 8)):$block"); done
"$TOOLS/qpatch" one.qcow2 "${ops[@]}"
truncate -s $TERA one.qcow2
within one.qcow2

echo "-- every L1 entry leads to one table"
"$ZQFS" create -q -o zone.size=1G,preallocation=metadata l1.qcow2 64G
l1=$("$TOOLS/qpatch" l1.qcow2 get-be64:40)
first=$("$TOOLS/qpatch" l1.qcow2 "get-be64:$l1")
ops=()
for ((i = 1; i < 128; i++)); do ops+=("be64:$((l1 + i * 8)):$first"); done
"$TOOLS/qpatch" l1.qcow2 "${ops[@]}"
within l1.qcow2
