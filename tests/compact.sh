#!/usr/bin/env bash
# A compacted image is as small as a fresh copy and holds the same; an interrupt or a kill leaves it whole.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
source "${0%/*}/lib.sh"
requires_tool zdev
zdev=$TOOLS/zdev
cd "$DIR"

same() { # A B WHAT
    "$ZQFS" compare "$1" "$2" >out 2>&1 || fail "$3: $(cat out)"
    "$ZQFS" check "$2" >out 2>&1 || fail "$3: check: $(cat out)"
}

# At most 2 % more than a copy takes that was made for it, and two clusters.
is_small() { # IMAGE COPY CLUSTER WHAT
    local is=$(($(size_of "$1"))) least=$(($(size_of "$2")))
    [ "$is" -le $((least + least / 50 + 2 * $3)) ] || fail "$4: $is bytes, a copy has $least"
}

mapfile -t appends < <(for i in $(seq 2 30); do echo "append:$i:1048576:$i"; done)

# Zones that were filled, reset and filled again, so that nothing lies in its order.
fill() { # IMAGE
    "$zdev" "$1" "${appends[@]}" reset:{3..9} append:5:1048576:4 reset:11 reset:17 \
        write:0:50000:3000:7 append:33:70000:3 finish:34 >made
}

while read -r options cluster; do
    "$ZQFS" create -q --force -o "zone.size=1M,zone.conventional_zones=2,$options" a 40M
    fill a
    cp a b
    "$ZQFS" compact -q --no-compress b
    same a b "$options, moved"
    "$ZQFS" convert -q --force -S 0 -o "$options" a copy
    is_small b copy "$cluster" "$options, moved"
    cp a b
    "$ZQFS" compact -q b
    same a b "$options, compressed"
    [ "$(size_of b)" -lt $((4000000 + 8 * cluster)) ] || [ "$cluster" = 512 ] || fail "$options: $(size_of b) bytes"
    # zones that are reset leave holes in compressed clusters, which go with the next run
    "$ZQFS" reset b 7-10,14,20-25 >out 2>&1
    cp b c
    "$ZQFS" compact --json c >out
    grep -q '"compressed_clusters": 0' out || fail "compressed again: $(cat out)"
    same b c "$options, again"
    "$ZQFS" convert -c -q --force -o "$options" b copy
    # three zones of the disk are not full and stay as they are
    [ "$(size_of c)" -le $(($(size_of copy) * 102 / 100 + 150000 + 4 * cluster)) ] ||
        [ "$cluster" = 512 ] || fail "$options, again: $(size_of c), a copy $(size_of copy)"
    # it is an image like any other
    "$zdev" c append:3:1048576:9 append:33:4096:1 >made
    "$ZQFS" check c >out || fail "written to: $(cat out)"
done <<'END'
cluster_size=64K 65536
cluster_size=4K 4096
cluster_size=512 512
cluster_size=64K,extended_l2=on,compression_type=zstd 65536
cluster_size=4K,refcount_bits=8 4096
cluster_size=1M,compression_type=zstd 1048576
END

# Tables that a change of the image has put at the end of the file go to its start with the rest.
while read -r cluster options; do
    "$ZQFS" create -q --force -o "cluster_size=$cluster,zone.size=1M,zone.conventional_zones=2" a 40M
    fill a
    "$ZQFS" amend -o zone.layout=56 a
    "$ZQFS" resize -q a 20G
    cp a b
    "$ZQFS" compact -q --no-compress b
    same a b "$cluster, tables at the end"
    "$ZQFS" convert -q --force -S 0 -o "cluster_size=$cluster$options" a copy
    is_small b copy "$cluster" "$cluster, tables at the end"
done <<'END'
65536
4096
512 ,refcount_bits=16
END

# What cannot be compacted is refused by name, and stays as it was.
"$ZQFS" create -q -o zone.size=1M,refcount_bits=1 narrow 4M
expect_fail 'refcounts are too narrow' "$ZQFS" compact narrow
"$ZQFS" compact -q --no-compress narrow
"$ZQFS" create -q -o zone.size=1M,data_file=data.raw ext 4M
expect_fail 'external data file' "$ZQFS" compact ext
"$ZQFS" create -q -o zone.size=1M,compression_type=zlib a 4M --force
expect_fail 'has levels from 1 to 9, not 12' "$ZQFS" compact --level 12 a
expect_fail 'of no use with --no-compress' "$ZQFS" compact --no-compress --level 2 a
cp a dirty
"$TOOLS/qpatch" dirty set-bit:0
expect_fail 'marked dirty' "$ZQFS" compact dirty
if command -v qemu-img >/dev/null; then
    cp a snap
    "$TOOLS/qpatch" snap clear-bit:5
    qemu-img snapshot -c one snap
    "$TOOLS/qpatch" snap set-bit:5
    expect_fail 'it has internal snapshots' "$ZQFS" compact snap
    cp a bitmap
    "$TOOLS/qpatch" bitmap clear-bit:5
    qemu-img bitmap --add bitmap b0
    "$TOOLS/qpatch" bitmap set-bit:5
    cp bitmap before
    expect_fail 'it has persistent bitmaps' "$ZQFS" compact bitmap
    cmp bitmap before || fail "an image that was refused has changed"
fi
if [ -c /dev/fuse ]; then
    mount_image a mnt
    expect_fail 'a:' "$ZQFS" compact a
    unmount mnt
fi

# A signal or a kill at any time leaves the same disk.
"$ZQFS" create -q -o zone.size=4M b1 200M
mapfile -t appends < <(seq -f append:%g:4194304:1 0 40)
"$zdev" b1 "${appends[@]}" reset:{3..20} append:7:4194304:3 >made
interrupted=
for signal in TERM KILL; do
    for delay in 0.03 0.1 0.2 0.3 0.5; do
        cp b1 b2
        "$ZQFS" compact --level 9 -m 2 b2 2>err >out &
        pid=$!
        sleep "$delay"
        kill "-$signal" "$pid" 2>/dev/null || true
        wait "$pid" || true
        ! grep -q 'interrupted; the image is whole' err || interrupted=yes
        "$ZQFS" check --repair=leaks b2 >out 2>&1 || fail "check after $signal: $(cat out)"
        same b1 b2 "after $signal"
    done
    "$ZQFS" compact -q b2
    same b1 b2 "at last"
done
[ -n "$interrupted" ] || fail "was never interrupted: $(cat err)"

# A cluster that was hardly written on takes no more of the disk where it is moved to. Room for tables
# that were moved is kept, so that a commit does not meet a full disk.
"$ZQFS" create -q --force -o zone.size=1M a 64M
"$zdev" a append:{1,5,9,13,17,21}:600:1 append:25:70000:2 >made
cp --sparse=never a b
if fallocate -d b 2>err; then # the file system has holes
    before=$(disk_usage b)
    "$ZQFS" compact -q b
    same a b "hardly written"
    [ "$(size_of b)" -lt $(($(size_of a) / 2)) ] || fail "nothing was moved: $(size_of b) bytes"
    [ "$(disk_usage b)" -le $((before + 2 * 65536)) ] ||
        fail "takes $(disk_usage b) bytes of the disk, before $before"
fi
