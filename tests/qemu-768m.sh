#!/usr/bin/env bash
# The first example of the README: create, write with shell tools, qemu-img finds nothing wrong.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 400
source "${0%/*}/lib.sh"
requires_fuse
requires qemu-img getfattr
requires_tool qpatch
image=$DIR/zbc.qcow2
M=$DIR/mnt
S=$M/seq
MiB=$((1024 * 1024))
[ "$(df --output=avail -B1M "$DIR" | tail -n 1)" -gt 3000 ] || skip "less than 3 GB of room"

options=zone.size=64M,zone.capacity=64M,zone.conventional_zones=0,zone.max_append_bytes=4096
options=$options,zone.max_open_zones=6,zone.max_active_zones=8,zone.mode=host-managed
"$ZQFS" create -o $options "$image" 768M

# The bit-5-cleared copy has no error and leaks only the cluster of the write pointers.
qemu_check() { # WHEN
    local rc=0
    rm -f "$DIR/copy.qcow2"
    cp --sparse=always "$image" "$DIR/copy.qcow2"
    "$TOOLS/qpatch" "$DIR/copy.qcow2" clear-bit:5
    qemu-img check "$DIR/copy.qcow2" >"$DIR/out" 2>&1 || rc=$?
    if [ $rc -ne 3 ] || ! grep -qx "1 leaked clusters were found on the image." "$DIR/out"; then
        cat "$DIR/out"
        fail "qemu-img check $1: status $rc"
    fi
    assert_status 0 "$ZQFS" check "$image"
}

# What qemu-img reads of each zone is its file, padded with zeros.
qemu_compare() { # WHEN
    local n size
    qemu-img convert -O raw "$DIR/copy.qcow2" "$DIR/raw"
    assert_eq "$(size_of "$DIR/raw")" $((768 * MiB)) "size of the raw disk $1"
    for ((n = 0; n < 12; n++)); do
        size=$(size_of "$S/$n")
        cmp -n "$size" -i 0:$((n * 64 * MiB)) "$S/$n" "$DIR/raw" || fail "zone $n $1"
        cmp -n $((64 * MiB - size)) -i 0:$((n * 64 * MiB + size)) /dev/zero "$DIR/raw" ||
            fail "behind zone $n $1"
    done
    rm "$DIR/raw"
}

qemu_check "of a new image"
"$ZQFS" report --csv "$image" >"$DIR/report"
assert_eq "$(grep -c ',sequential,empty,.*,67108864,67108864,' "$DIR/report")" 12 "empty zones"

# ---- the shell lines ----------------------------------------------------------------------

mount_image "$image" "$M"
assert_eq "$(find "$S" -type f | wc -l)" 12 "files"
[ ! -e "$M/cnv" ] || fail "there is a folder cnv"
{ cat /usr/bin/* 2>/dev/null || true; } | head -c 60M >"$S/0" || true
assert_size "$S/0" $((60 * MiB))
{ cat /usr/bin/* 2>/dev/null || true; } | head -c 60M | cmp - "$S/0" || fail "60 MiB read back"
echo hi >>"$S/1"
assert_eq "$(stat -c %s "$S/1")" 512 "stat of seq/1"
assert_eq "$(head -c 3 "$S/1")" hi "seq/1"
getfattr -d --absolute-names "$S/0" >"$DIR/out"
grep -qx 'user.zone.state="implicit-open"' "$DIR/out" || fail "state of seq/0"
grep -qx 'user.zone.capacity="67108864"' "$DIR/out" || fail "capacity of seq/0"
grep -qx "user.zone.wp=\"$((60 * MiB))\"" "$DIR/out" || fail "write pointer of seq/0"
unmount "$M"
full=$(disk_usage "$image")
[ "$full" -ge $((60 * MiB)) ] || fail "the image has only $full bytes on disk"
mount_image "$image" "$M"
assert_attr "$S/0" state closed
assert_size "$S/0" $((60 * MiB))
truncate -s 0 "$S/0"
assert_size "$S/0" 0
assert_attr "$S/0" state empty
assert_attr "$S/0" wp 0
unmount "$M"
[ "$(disk_usage "$image")" -lt $((full - 50 * MiB)) ] ||
    fail "after the reset the image has $(disk_usage "$image") of $full bytes on disk"
qemu_check "after the shell lines"

# ---- a gigabyte of appends, resets and finishes ----------------------------------------------

mount_image "$image" "$M"
random_bytes $((64 * MiB)) >"$DIR/noise"
for round in 1 2 3; do
    for ((n = 0; n < 12; n++)); do
        truncate -s 0 "$S/$n"
    done
    for n in 0 1 2 3; do
        dd if="$DIR/noise" of="$S/$n" bs=1M oflag=append,direct conv=notrunc status=none &
    done
    wait
    for n in 0 1 2 3; do
        assert_same "$S/$n" "$DIR/noise"
        assert_attr "$S/$n" state full
    done
    for n in 4 5 6 7; do
        head -c $((n * MiB + round * 1000)) "$DIR/noise" >"$S/$n"
    done
    truncate -s 0 "$S/1" "$S/5"
    truncate -s 64M "$S/6" "$S/8"
    for k in 1 2 3 4 5 6 7 8; do
        dd if="$DIR/noise" of="$S/9" bs=4k skip=$((k * 100)) count=100 oflag=append \
            conv=notrunc,fsync status=none
        dd if="$DIR/noise" of="$S/1" bs=64k skip=$((k * 16)) count=16 oflag=append,direct \
            conv=notrunc status=none
    done
    cmp -n $((8 * 400 * 1024)) -i 0:409600 "$S/9" "$DIR/noise" || fail "appends of 4 KiB"
    cmp -n $((8 * MiB)) -i 0:1048576 "$S/1" "$DIR/noise" || fail "appends of 64 KiB"
    remount_image "$image" "$M"
    cmp -n $((7 * MiB)) "$S/7" "$DIR/noise" || fail "zone 7 after a remount"
    assert_attr "$S/7" state closed
    assert_size "$S/6" $((64 * MiB))
    assert_size "$S/5" 0
    unmount "$M"
    qemu_check "in round $round"
    mount_image "$image" "$M"
    qemu_compare "in round $round"
done
