#!/usr/bin/env bash
# Images of every kind that qemu-img writes, given zones, read as qemu-img reads them.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
source "${0%/*}/lib.sh"
requires qemu-img qemu-io
requires_tool addzones
requires_tool zdev
requires_tool qpatch
cd "$DIR"
SIZE=$((12 * 1024 * 1024))

# Something to store: noise, text that packs well, and holes, not aligned to clusters.
{
    random_bytes 700000
    pattern_bytes text 2000000
    head -c 1000000 /dev/zero
    random_bytes 3000
    pattern_bytes more 4000000
    head -c 3000000 /dev/zero
    random_bytes 1200000
} | head -c $SIZE >source.raw
truncate -s $SIZE source.raw

# The device through libzqfs: zone 0 is conventional, all others are full.
zoned_read() { # IMAGE
    local n ops=()
    for ((n = 0; n < 12; n++)); do
        ops+=("cat:$n")
    done
    "$TOOLS/zdev" ro "$1" "${ops[@]}"
}

# Gives IMAGE zones and compares; the image must be clean for qemu-img before.
compare() { # NAME IMAGE
    qemu-img convert -O raw "$2" want.raw
    "$TOOLS/addzones" "$2" zone_size=1M conventional=1 pointers=full
    zoned_read "$2" >got.raw
    cmp got.raw want.raw || fail "$1 reads differently"
    # and what is written next leaves an image that qemu-img finds nothing wrong with
    "$TOOLS/zdev" "$2" write:1000:100000:7 reset:3 append:3:70000:8 finish:3 reset:5 \
        append:11:1:9 >out || fail "$1: writing"
    assert_eq "$(cat out)" "100000 0 70000 0 0 EFBIG " "$1: results of the writes"
    zoned_read "$2" >got.raw
    fill 7 100000 | dd of=want.raw bs=1000 seek=1 conv=notrunc status=none
    { fill 10 70000 && head -c $((1048576 - 70000)) /dev/zero; } |
        dd of=want.raw bs=1M seek=3 conv=notrunc iflag=fullblock status=none
    # the file of zone 5 is empty now, those behind it move up
    { head -c 5M want.raw && tail -c +$((6 * 1048576 + 1)) want.raw; } >want2.raw
    cmp got.raw want2.raw || fail "$1 reads differently after writes"
    rm -f copy.qcow2
    cp --sparse=always "$2" copy.qcow2
    "$TOOLS/qpatch" copy.qcow2 clear-bit:5
    rc=0
    qemu-img check copy.qcow2 >out 2>&1 || rc=$?
    if [ $rc -ne 3 ] || ! grep -qx "1 leaked clusters were found on the image." out; then
        cat out
        fail "$1: qemu-img check: status $rc"
    fi
    qemu-img convert -O raw copy.qcow2 got.raw
    cmp -n 5242880 got.raw want.raw || fail "$1: qemu-img reads differently before zone 5"
    cmp -i 6291456 got.raw want.raw || fail "$1: qemu-img reads differently behind zone 5"
}

fill() { head -c "$2" /dev/zero | tr '\0' "\\$1"; } # OCTAL COUNT

image() { # NAME OPTIONS [CONVERT ARGUMENT...]
    local name=$1 options=$2
    shift 2
    qemu-img convert -O qcow2 -o "$options" "$@" source.raw "$name.qcow2"
    compare "$name" "$name.qcow2"
    rm "$name.qcow2"
}

for cluster in 4K 64K 2M; do
    image "plain-$cluster" cluster_size=$cluster
    image "zlib-$cluster" cluster_size=$cluster -c
    image "zstd-$cluster" cluster_size=$cluster,compression_type=zstd -c
done
image "extended-l2" extended_l2=on,cluster_size=128K
image "extended-l2-zlib" extended_l2=on -c
image "lazy" lazy_refcounts=on
image "metadata" preallocation=metadata
image "falloc" preallocation=falloc

# an overlay over two more, the lowest raw and shorter than the disk
head -c 9000000 source.raw >base.raw
qemu-img create -q -f qcow2 -b base.raw -F raw mid.qcow2 $SIZE
qemu-io -c 'write -P 0x31 100000 300000' -c 'write -z 2M 512K' mid.qcow2 >/dev/null
qemu-img create -q -f qcow2 -b mid.qcow2 -F qcow2 -o cluster_size=16K top.qcow2
qemu-io -c 'write -P 0x32 150001 777' -c 'write -zu 8M 100K' -c 'discard 9M 64K' \
    -c 'write -P 0x33 11M 64K' top.qcow2 >/dev/null
# a reset zone over a backing file reads as the file is: what zqfs wrote there is compared
qemu-img convert -O raw top.qcow2 want.raw
cp top.qcow2 chain.qcow2
"$TOOLS/addzones" chain.qcow2 zone_size=1M conventional=1 pointers=full
zoned_read chain.qcow2 >got.raw
cmp got.raw want.raw || fail "chain reads differently"
qemu-img create -q -f qcow2 -b mid.qcow2 -F qcow2 -o extended_l2=on,cluster_size=64K sub.qcow2
qemu-io -c 'write -P 0x32 150001 777' -c 'write -z 8M 3K' -c 'write -P 0x34 5000 9000' \
    sub.qcow2 >/dev/null
qemu-img convert -O raw sub.qcow2 want.raw
"$TOOLS/addzones" sub.qcow2 zone_size=1M conventional=1 pointers=full
zoned_read sub.qcow2 >got.raw
cmp got.raw want.raw || fail "overlay with subclusters reads differently"

# snapshots: what they hold stays as it is whatever is written
qemu-img convert -O qcow2 source.raw snap.qcow2
qemu-img snapshot -c one snap.qcow2
qemu-io -c 'write -P 0x41 1M 300000' snap.qcow2 >/dev/null
qemu-img snapshot -c two snap.qcow2
compare "snapshots" snap.qcow2
for s in one two; do
    qemu-img convert -l snapshot.name=$s -O raw copy.qcow2 $s.raw
done
cmp one.raw source.raw || fail "snapshot one has changed"
qemu-io -f raw -c 'write -P 0x41 1M 300000' source.raw >/dev/null
cmp two.raw source.raw || fail "snapshot two has changed"
qemu-img snapshot -l copy.qcow2 | holds one || fail "the snapshot table has changed"

# persistent bitmaps are not kept up, so they are no longer valid once something is written
qemu-img convert -O qcow2 source.raw bitmap.qcow2
qemu-img bitmap --add bitmap.qcow2 b0
qemu-img info bitmap.qcow2 | holds b0 || fail "qemu-img made no bitmap"
"$TOOLS/addzones" bitmap.qcow2 zone_size=1M conventional=1 pointers=full
assert_eq "$("$TOOLS/qpatch" bitmap.qcow2 get-be64:88)" 1 "autoclear bits before"
"$TOOLS/zdev" ro bitmap.qcow2 is:0:0:1:0 >/dev/null
assert_eq "$("$TOOLS/qpatch" bitmap.qcow2 get-be64:88)" 1 "autoclear bits after reading"
"$TOOLS/zdev" bitmap.qcow2 reset:3 append:3:512:1 >/dev/null
assert_eq "$("$TOOLS/qpatch" bitmap.qcow2 get-be64:88)" 0 "autoclear bits after writing"

# external data files
for raw in off on; do
    qemu-img convert -O qcow2 -o data_file=ext.data,data_file_raw=$raw source.raw ext.qcow2
    qemu-img convert -O raw ext.qcow2 want.raw
    "$TOOLS/addzones" ext.qcow2 zone_size=1M conventional=1 pointers=full
    zoned_read ext.qcow2 >got.raw
    cmp got.raw want.raw || fail "data file, raw=$raw, reads differently"
    "$TOOLS/zdev" ext.qcow2 reset:3 append:3:512:8 finish:3 reset:5 write:5:1000:9 >/dev/null
    { fill 10 512 && head -c 1048064 /dev/zero; } |
        dd of=want.raw bs=1M seek=3 conv=notrunc iflag=fullblock status=none
    head -c 1M /dev/zero | dd of=want.raw bs=1M seek=5 conv=notrunc status=none
    fill '11' 1000 | dd of=want.raw bs=5 seek=1 conv=notrunc status=none
    cp --sparse=always ext.qcow2 copy.qcow2
    "$TOOLS/qpatch" copy.qcow2 clear-bit:5
    qemu-img convert -O raw copy.qcow2 got.raw
    cmp got.raw want.raw || fail "data file, raw=$raw, differs after writes"
    if [ $raw = on ]; then
        cmp -n $SIZE ext.data want.raw || fail "the raw data file is not the disk"
    fi
    rm ext.qcow2 ext.data copy.qcow2
done
