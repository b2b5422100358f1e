#!/usr/bin/env bash
# create: every key takes effect, refusals are one line and leave nothing behind.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires jq
cd "$DIR"

info() { "$ZQFS" info --json "$1" | jq -r "$2"; } # IMAGE FILTER

# the example of the documentation
out=$("$ZQFS" create -o zone.size=64M,zone.capacity=64M,zone.conventional_zones=0 \
    -o zone.max_append_bytes=4096,zone.max_open_zones=6,zone.max_active_zones=8 \
    -o zone.mode=host-managed zbc.qcow2 768M)
assert_eq "$out" "created zbc.qcow2: 768 MiB, 12 zones of 64 MiB" "what it says"
assert_eq "$("$ZQFS" info --json zbc.qcow2 | jq -c .geometry)" \
    '{"size":805306368,"zone_size":67108864,"zone_capacity":67108864,"nr_zones":12,"nr_conventional":0,"max_open":6,"max_active":8,"max_append":4096}' geometry

# defaults
assert_eq "$("$ZQFS" create -q default.qcow2 1G)" "" "what -q says"
assert_eq "$(info default.qcow2 '[.geometry.zone_size, .geometry.zone_capacity, .geometry.max_append,
    .geometry.max_open, .cluster_size, .refcount_bits, .layout, .wp_order, .compression_type] | @csv')" \
    '268435456,268435456,0,0,65536,16,"44","big","zlib"' defaults

# each key on its own
key() { # KEY=VALUE FILTER WANT
    "$ZQFS" create -q --force -o "zone.size=1M,$1" key.qcow2 8M || fail "-o $1"
    assert_eq "$(info key.qcow2 "$2")" "$3" "-o $1"
}
key zone.size=2M .geometry.zone_size 2097152
key zone_size=2M .geometry.zone_size 2097152
key zone.capacity=512K .geometry.zone_capacity 524288
key zone_capacity=512K .geometry.zone_capacity 524288
key zone.conventional_zones=3 .geometry.nr_conventional 3
key conventional_zones=3 .geometry.nr_conventional 3
key nr_conv_zones=3 .geometry.nr_conventional 3
key zone.max_open_zones=3 .geometry.max_open 3
key max_open_zones=3 .geometry.max_open 3
key zone.max_active_zones=5 .geometry.max_active 5
key max_active_zones=5 .geometry.max_active 5
key zone.max_append_bytes=8K .geometry.max_append 8192
key max_append_bytes=8192 .geometry.max_append 8192
key max_append_sectors=16 .geometry.max_append 8192
key zone.mode=host-managed .geometry.nr_zones 8
key zone_model=1 .geometry.nr_zones 8
key zone_model=host-managed .geometry.nr_zones 8
key zone.layout=48 .layout 48
key zone.layout=56 .layout 56
key zone.layout=48b .layout 48b
key zone.layout=44 .layout 44
key zone.layout=44 .wp_order big
key zone.max_append_bytes=8K .layout 56
# the limit on open zones follows that on active ones, as in the newest series
key zone.max_active_zones=5 .geometry.max_open 5
key zone.max_active_zones=5,zone.max_open_zones=0 .geometry.max_open 0
key zone.max_active_zones=8,zone.conventional_zones=3 .geometry.max_open 5
# as QMP and qemu-img spell them
key zone.max-active-zones=5 .geometry.max_active 5
key compat=v3,zoned_profile=zns,cluster-size=4K .cluster_size 4096
key zoned_profile=zbc,compat=1.1 .layout 44
key zone.wp_order=little,zone.layout=56 .wp_order little
key zone.wp_order=big .wp_order big
key cluster_size=4K .cluster_size 4096
key refcount_bits=1 .refcount_bits 1
key refcount_bits=64 .refcount_bits 64
key compression_type=zstd .compression_type zstd
key extended_l2=on .extended_l2 true
key lazy_refcounts=on .lazy_refcounts true
key lazy_refcounts .lazy_refcounts true
key preallocation=metadata .geometry.nr_zones 8
key preallocation=off .geometry.nr_zones 8
key data_file=key.data .data_file key.data
rm -f key.data
key data_file=key.data,data_file_raw=on .data_file_raw true
rm -f key.data
truncate -s 8M base.raw
key backing_file=base.raw,backing_fmt=raw .backing_file base.raw
key backing_file=base.raw,backing_fmt=raw .backing_fmt raw
# two commas are one comma of the value
cp base.raw with,comma
key backing_file=with,,comma,backing_fmt=raw .backing_file with,comma

# every name of the table was tried above, so that a new key cannot be forgotten here
for name in $("$ZQFS" help --list | awk -F '\t' '$1 == "key" && $2 == "create" { print $3 }'); do
    grep -q "^key .*\b$name\b" "$TOP/tests/cli-create.sh" || fail "key $name is not tested"
done

# refusals: one line, status 1, no file
refused() { # "PART OF THE MESSAGE" ARGUMENT...
    local part=$1
    shift
    assert_status 1 "$ZQFS" create "$@"
    assert_eq "$(wc -l <"$DIR/out")" 1 "lines of: zqfs create $*"
    grep -qF -- "$part" "$DIR/out" || fail "said '$(cat "$DIR/out")', expected '$part'"
    [ ! -e bad.qcow2 ] || fail "left a file behind: zqfs create $*"
}
refused "'12Q' is not a size" bad.qcow2 12Q
refused "does not fit" bad.qcow2 99999999T
refused "multiple of 512" bad.qcow2 1000
refused "bad.qcow2: " bad.qcow2 0
refused 'unknown option "zone.siez"; did you mean zone.size?' -o zone.siez=1M bad.qcow2 8M
refused "power of two" -o zone.size=3M bad.qcow2 8M
refused "zone_size" -o zone.size=2K bad.qcow2 8M
refused "zone_capacity" -o zone.size=1M,zone.capacity=2M bad.qcow2 8M
refused "conventional" -o zone.size=1M,zone.conventional_zones=8 bad.qcow2 8M
refused "max_open" -o zone.size=1M,zone.max_open_zones=5,zone.max_active_zones=4 bad.qcow2 8M
refused "zone.mode" -o zone.mode=host-aware bad.qcow2 8M
refused "zone.layout" -o zone.layout=50 bad.qcow2 8M
refused "max_append_bytes 4096 does not fit layout 44, which has no such field" \
    -o zone.layout=44,zone.max_append_bytes=4K bad.qcow2 8M
refused "write pointers are big-endian always" -o zone.wp_order=little bad.qcow2 8M
refused "zone_size 4294967296 does not fit layout 48 (below 4 GiB)" \
    -o zone.layout=48,zone.size=4G bad.qcow2 8G
refused "is not a multiple of the cluster size 65536, which layout 44 needs" \
    -o zone.size=32K,cluster_size=64K bad.qcow2 8M
refused "nr_zones 1048577 is larger than 1048576" -o zone.size=4K,cluster_size=4K bad.qcow2 4194308K
refused "nr_zones 1048577 is larger than 1048576" \
    -o zone.layout=48b,zone.size=4K,cluster_size=4K bad.qcow2 4194308K
refused "max_active_zones 9 is larger" -o zone.size=1M,zone.max_active_zones=9 bad.qcow2 8M
refused "compat=0.10" -o compat=0.10 bad.qcow2 8M
refused "cluster_size" -o cluster_size=3K bad.qcow2 8M
refused "refcount_bits" -o refcount_bits=3 bad.qcow2 8M
refused "compression_type" -o compression_type=lzo bad.qcow2 8M
refused "no-such-folder" no-such-folder/bad.qcow2 8M

# what is worth a word is said, and the image is made
warned() { # "PART OF THE MESSAGE" ARGUMENT...
    local part=$1
    shift
    assert_status 0 "$ZQFS" create -q --force "$@"
    assert_eq "$(wc -l <"$DIR/out")" 1 "lines of: zqfs create $*"
    grep -qF -- "warning: $part" "$DIR/out" || fail "said '$(cat "$DIR/out")', expected '$part'"
}
warned "cluster_size is 8192, not 64K" -o zone.size=8K,zone.layout=44 warned.qcow2 1M
assert_eq "$(info warned.qcow2 .cluster_size)" 8192 "the size of clusters that a zone has room for"
warned "zone.capacity is below zone.size and there are conventional zones: a Linux guest refuses" \
    -o zone.size=1M,zone.capacity=512K,zone.conventional_zones=1 warned.qcow2 8M
assert_eq "$("$ZQFS" create -q --force -o zone.size=8K,zone.layout=56 warned.qcow2 1M 2>&1)" "" "layout 56"

# the size as an option, as qemu-img has it; the operand comes first
"$ZQFS" create -q -o size=8M,zone.size=1M sized.qcow2
assert_eq "$(info sized.qcow2 .geometry.size)" 8388608 "size="
"$ZQFS" create -q --force -o size=8M,zone.size=1M sized.qcow2 4M
assert_eq "$(info sized.qcow2 .geometry.size)" 4194304 "the operand beside size="

# "-o help" names every key with its default, and every layout
"$ZQFS" create -o help >help
for name in $("$ZQFS" help --list | awk -F '\t' '$1 == "key" && $2 == "create" { print $3 }'); do
    grep -q "^  $name=" help || fail "-o help does not name $name"
done
for layout in 44 56 48 48b; do
    grep -q "^  $layout  *opened by QEMU with the series of" help || fail "-o help: layout $layout"
done

# an existing file stays as it is without --force
cp zbc.qcow2 before
expect_fail "--force" "$ZQFS" create zbc.qcow2 1G
assert_same zbc.qcow2 before
# and with it when the new image could not be made
expect_fail "power of two" "$ZQFS" create --force -o zone.size=3M zbc.qcow2 1G
assert_same zbc.qcow2 before
"$ZQFS" create -q --force zbc.qcow2 1G
# what it can never replace is said at once
for f in . /dev/null; do
    expect_fail "$f: the image is not a regular file and is not replaced" "$ZQFS" create "$f" 1G
done
assert_eq "$(info zbc.qcow2 .geometry.size)" 1073741824 "size after --force"

# that it cannot be said is no failure to create
"$ZQFS" create -o zone.size=1M said.qcow2 4M >/dev/full || fail "create to a full output: status $?"
"$ZQFS" create -o zone.size=1M said2.qcow2 4M >&- || fail "create without an output: status $?"
for image in said.qcow2 said2.qcow2; do
    "$ZQFS" check "$image" >out || fail "check: $(cat out)"
done
