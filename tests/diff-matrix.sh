#!/usr/bin/env bash
# Random operations on images of every shape agree with an array of bytes and with qemu-img.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 600
#
# DIFF_SEED=N replays or varies a run, DIFF_OPS=N sets its length (per image).
source "${0%/*}/lib.sh"
requires qemu-img
requires_tool difftest
requires_tool addzones
requires_tool qpatch
cd "$DIR"
seed=${DIFF_SEED:-1}
ops=${DIFF_OPS:-1500}
runs=0

# A copy that qemu-img takes: without the bit that it does not know.
plain_copy() { # IMAGE
    rm -f plain.qcow2
    cp --sparse=always "$1" plain.qcow2
    "$TOOLS/qpatch" plain.qcow2 clear-bit:5
}

# What the snapshots of a copy hold, as one checksum.
snapshots_sum() {
    local id
    for id in $(qemu-img snapshot -l plain.qcow2 | awk 'NR > 2 { print $2 }'); do
        qemu-img convert -l "snapshot.name=$id" -O raw plain.qcow2 snap.raw
        sha256sum <snap.raw
    done
}

# The model is what qemu-img reads before; afterwards image, model and qemu-img must agree.
differential() { # NAME IMAGE [LEAKED CLUSTERS]
    local rc=0 before
    plain_copy "$2"
    qemu-img convert -O raw plain.qcow2 model.raw
    before=$(snapshots_sum)
    "$TOOLS/difftest" -s "$seed" -n "$ops" "$2" model.raw >out 2>&1 || {
        cat out
        fail "$1: seed $seed"
    }
    plain_copy "$2"
    qemu-img check plain.qcow2 >out 2>&1 || rc=$?
    # the write pointers are the one region that qemu-img does not know
    if [ $rc -ne 3 ] || grep -q ERROR out || [ "$(grep -o "Leaked cluster" out | wc -l)" -ne "${3:-1}" ]; then
        cat out
        fail "$1: qemu-img check: status $rc, seed $seed"
    fi
    qemu-img convert -O raw plain.qcow2 after.raw 2>err || fail "$1: $(cat err)"
    cmp after.raw model.raw || fail "$1: qemu-img reads differently, seed $seed"
    assert_eq "$(snapshots_sum)" "$before" "$1: snapshots, seed $seed"
    runs=$((runs + 1))
    rm -f "$2"
}

# Small zones, a short last one, a capacity below the size: 3 MiB and 37 KiB.
SHAPE=zone.size=128K,zone.capacity=96K,zone.conventional_zones=4
created() { # NAME OPTIONS [SIZE]
    "$ZQFS" create -q -o "$SHAPE,$2" image.qcow2 "${3:-3181056}"
    differential "$1" image.qcow2
    rm -f data.raw
}

for cluster in 512 1K 4K 64K 256K 2M; do
    # in layout 44 a zone is whole clusters
    case $cluster in 256K | 2M) layout=56 ;; *) layout=44 ;; esac
    for bits in 1 8 16 64; do
        created "cluster $cluster, $bits refcount bits" \
            "zone.layout=$layout,cluster_size=$cluster,refcount_bits=$bits"
    done
done
for bits in 2 4 32; do
    created "$bits refcount bits" cluster_size=4K,refcount_bits=$bits
done
for cluster in 16K 64K 2M; do
    created "extended L2, $cluster" zone.layout=48b,extended_l2=on,cluster_size=$cluster
done
created "zones smaller than clusters" zone.layout=48b,zone.size=4K,zone.capacity=4K,cluster_size=64K 1M
created "preallocated" preallocation=metadata,cluster_size=16K
created "preallocated, extended L2" preallocation=metadata,extended_l2=on,cluster_size=32K
created "lazy refcounts" lazy_refcounts=on,cluster_size=8K
created "data file" data_file=data.raw,cluster_size=32K
created "raw data file" data_file=data.raw,data_file_raw=on,cluster_size=32K
created "data file, extended L2" data_file=data.raw,extended_l2=on,cluster_size=16K
created "48-byte layout, little-endian" zone.layout=48,zone.wp_order=little,cluster_size=4K

# Backing files: raw and qcow2, shorter than the image, compressed, of other cluster sizes.
random_bytes 2000000 >base.raw
truncate -s 2000384 base.raw
qemu-img convert -O qcow2 -c -o cluster_size=4K base.raw packed.qcow2
qemu-img convert -O qcow2 -o extended_l2=on,cluster_size=32K base.raw extended.qcow2
qemu-img create -q -f qcow2 -b packed.qcow2 -F qcow2 -o cluster_size=1K middle.qcow2
for cluster in 4K 64K; do
    created "over raw, $cluster" backing_file=base.raw,backing_fmt=raw,cluster_size=$cluster
    created "over compressed, $cluster" \
        backing_file=packed.qcow2,backing_fmt=qcow2,cluster_size=$cluster
    created "over a chain, $cluster" \
        backing_file=middle.qcow2,backing_fmt=qcow2,cluster_size=$cluster
done
created "extended L2 over extended L2" \
    backing_file=extended.qcow2,backing_fmt=qcow2,extended_l2=on,cluster_size=16K

# Images of qemu-img's: compressed clusters of both kinds, snapshots, a bitmap.
truncate -s 3M base.raw
zoned_by_hand() { # NAME IMAGE [LEAKED CLUSTERS]
    "$TOOLS/addzones" "$2" zone_size=256K conventional=4
    differential "$@"
}
for type in zlib zstd; do
    for cluster in 4K 64K; do
        qemu-img convert -O qcow2 -c -o compression_type=$type,cluster_size=$cluster base.raw q.qcow2
        zoned_by_hand "$type, $cluster" q.qcow2
    done
    qemu-img convert -O qcow2 -c -o compression_type=$type,cluster_size=16K base.raw q.qcow2
    qemu-img snapshot -c first q.qcow2
    qemu-img snapshot -c second q.qcow2
    zoned_by_hand "$type with snapshots" q.qcow2
done
for options in cluster_size=4K cluster_size=64K \
    extended_l2=on,cluster_size=64K cluster_size=1K; do
    qemu-img convert -O qcow2 -o "$options" base.raw q.qcow2
    qemu-img snapshot -c kept q.qcow2
    zoned_by_hand "snapshot, $options" q.qcow2
done
qemu-img convert -O qcow2 base.raw q.qcow2
qemu-img bitmap --add q.qcow2 changes
# whoever does not keep bitmaps up to date says so; their two clusters are nobody's then
zoned_by_hand "bitmap" q.qcow2 3

echo "$runs images, seed $seed, $ops operations each: image, model and qemu-img agree"
