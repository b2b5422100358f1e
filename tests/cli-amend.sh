#!/usr/bin/env bash
# "zqfs amend" changes layout, byte order, limits and names in place, and refuses what cannot be.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires jq
requires_tool zdev qpatch
cd "$DIR"
zdev=$TOOLS/zdev

info() { "$ZQFS" info --json a.qcow2 | jq -r "$1"; } # FILTER
amend() { "$ZQFS" amend -o "$1" a.qcow2; }          # KEY=VALUE[,...]
# What the zones hold and which states they are in.
zones() {
    "$ZQFS" report --csv a.qcow2
    for zone in 0 1 2 3 4; do
        "$zdev" ro a.qcow2 "cat:$zone" | sha256sum
    done
}
refused() { # "PART OF THE MESSAGE" KEY=VALUE: one line, status 1, the image as it was
    cp a.qcow2 before
    assert_status 1 "$ZQFS" amend -o "$2" a.qcow2
    assert_eq "$(wc -l <out)" 1 "lines of: amend -o $2"
    grep -qF -- "a.qcow2: " out || fail "amend -o $2 does not name the image: $(cat out)"
    grep -qF -- "$1" out || fail "amend -o $2 said '$(cat out)', expected '$1'"
    assert_same a.qcow2 before
}

"$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=1,zone.max_active_zones=4 a.qcow2 7680K
"$zdev" a.qcow2 append:1:70000:1 append:2:1048576:2 finish:3 append:4:512:4 finish:7 >/dev/null
zones >want

# ---- layouts and byte orders ----------------------------------------------------------------

for step in 56:big 48:little 48b:big 56:little 48:big 44:big; do
    layout=${step%:*} order=${step#*:}
    amend "zone.layout=$layout,zone.wp_order=$order" 2>err
    assert_eq "$(info '.layout + ":" + .wp_order')" "$step" "after amending to $step"
    zones | diff want - || fail "zones in $step"
    assert_status 0 "$ZQFS" check a.qcow2
    # what is there already changes nothing
    cp a.qcow2 before
    amend "zone.layout=$layout,zone.wp_order=$order"
    assert_same a.qcow2 before
    # and it can be written on
    cp a.qcow2 written.qcow2
    "$zdev" written.qcow2 append:4:512:5 finish:5 reset:1 again is:4:512:512:5 >/dev/null
    assert_status 0 "$ZQFS" check written.qcow2
done
grep -qF 'a.qcow2: warning: max_append_bytes 65536 is lost: layout 44 has no such field' err ||
    fail "amending to 44 said '$(cat err)'"
size=$(size_of a.qcow2)
for layout in 56 44 56 44 56 44; do amend zone.layout=$layout 2>/dev/null; done
[ "$(size_of a.qcow2)" -le $((size + 6 * 65536)) ] || fail "the file grows: $(size_of a.qcow2)"
assert_status 0 "$ZQFS" check a.qcow2
amend zone.layout=56
amend zone.wp_order=little # alone
assert_eq "$(info .wp_order)" little "byte order"
amend zone.layout=48 # another layout begins big-endian
assert_eq "$(info .wp_order)" big "byte order of the new layout"
refused "zone.wp_order=little does not fit layout 48b" zone.layout=48b,zone.wp_order=little
refused "zone.layout=52 is not one of 44, 56, 48, 48b" zone.layout=52

# ---- limits ---------------------------------------------------------------------------------

amend zone.max_open_zones=2,zone.max_active_zones=3,zone.max_append_bytes=4K
assert_eq "$(info '.geometry | [.max_open, .max_active, .max_append] | @csv')" 2,3,4096 limits
refused "max_open_zones 4 is larger than max_active_zones 3" zone.max-open-zones=4
refused "max_active_zones 9 is larger than nr_zones 8" zone.max_active_zones=9
refused "max_append_bytes 4097 is not a multiple of 512" zone.max_append_bytes=4097
refused "max_append_bytes 4096 does not fit layout 44" zone.layout=44,zone.max_append_bytes=4K
amend zone.max_open_zones=0,zone.max_active_zones=0
assert_eq "$(info '.geometry | [.max_open, .max_active] | @csv')" 0,0 "no limits"

# ---- what qemu-img amend and rebase -u change --------------------------------------------------

amend lazy_refcounts=on,compression_type=zstd
assert_eq "$(info '[.lazy_refcounts, .compression_type] | @csv')" 'true,"zstd"' features
amend lazy_refcounts=off,compression_type=zlib
assert_eq "$(info '[.lazy_refcounts, .compression_type] | @csv')" 'false,"zlib"' "features again"
refused "has no backing file" backing_fmt=raw
refused "a backing file that is added needs backing_fmt" backing_file=base.raw
refused "backing_fmt without a backing file" backing_file=,backing_fmt=raw
refused '"cluster_size" cannot be changed in an image' cluster_size=4K
refused 'unknown option "zone.layuot"; did you mean zone.layout?' zone.layuot=44
zones | diff want - || fail "zones after all that"

# ---- what is not fit for it ------------------------------------------------------------------

good() { # the image as it was before it was spoiled
    cp kept a.qcow2
}
cp a.qcow2 kept
"$TOOLS/qpatch" a.qcow2 set-bit:0
refused "is marked dirty" zone.layout=44
good
"$TOOLS/qpatch" a.qcow2 set-bit:1
refused "is marked corrupt" zone.layout=44
good
"$TOOLS/qpatch" a.qcow2 wp-be:4:7
refused "is damaged" zone.layout=44
good
"$TOOLS/qpatch" a.qcow2 wp-be:4:4194817
refused "zone 4 (seq/3): write pointer 4194817 is not a multiple of 512, which layout 44 needs" \
    zone.layout=44
amend zone.layout=48b # which holds it
good
"$ZQFS" create -q --force -o zone.size=4G,zone.layout=56 a.qcow2 8G
refused "zone_size 4294967296 does not fit layout 48 (below 4 GiB)" zone.layout=48
"$ZQFS" create -q --force -o zone.size=4K,cluster_size=4K,zone.layout=56 a.qcow2 4194308K
refused "nr_zones 1048577 is larger than 1048576, the most that layout 44 allows" zone.layout=44
"$ZQFS" create -q --force -o zone.size=8K,cluster_size=64K,zone.layout=56 a.qcow2 1M
refused "zone_size 8192 is not a multiple of the cluster size 65536, which layout 44 needs" \
    zone.layout=44

# A compressed cluster does not tell its method: that is the image's.
"$ZQFS" create -q --force -o zone.size=1M plain.qcow2 8M
"$zdev" plain.qcow2 append:1:1048576:1 append:3:70000:2 >ran
for method in zlib:zstd zstd:zlib; do
    "$ZQFS" convert -q --force -c -o "compression_type=${method%:*}" plain.qcow2 a.qcow2
    refused "compression_type cannot change: 18 clusters are compressed" \
        "compression_type=${method#*:}"
    refused "compression_type cannot change: 18 clusters are compressed" \
        "zone.layout=48,compression_type=${method#*:}"
    amend "zone.layout=56,compression_type=${method%:*}" # what it has
    assert_status 0 "$ZQFS" compare -q plain.qcow2 a.qcow2
    "$zdev" a.qcow2 reset:3 >ran
    refused "16 clusters are compressed" "compression_type=${method#*:}"
    "$zdev" a.qcow2 reset:1 >ran
    amend "compression_type=${method#*:}"
    assert_eq "$(info .compression_type)" "${method#*:}" "once nothing is compressed"
    assert_status 0 "$ZQFS" check a.qcow2
done
if command -v qemu-img >ran; then # what a snapshot holds nobody reads again but by its method
    "$ZQFS" convert -q --force -c plain.qcow2 a.qcow2
    "$TOOLS/qpatch" a.qcow2 clear-bit:5
    qemu-img snapshot -c one a.qcow2
    "$TOOLS/qpatch" a.qcow2 set-bit:5
    "$zdev" a.qcow2 reset:1 reset:3 >ran
    refused "compression_type cannot change: it has internal snapshots" compression_type=zstd
    amend compression_type=zlib
fi

# ---- other files' names ----------------------------------------------------------------------

truncate -s 8M base.raw
cp base.raw other.raw
"$ZQFS" create -q --force -o zone.size=1M,backing_file=base.raw,backing_fmt=raw a.qcow2 8M
amend backing_file=other.raw,zone.layout=56
assert_eq "$(info '[.backing_file, .backing_fmt, .layout] | @csv')" '"other.raw","raw","56"' names
assert_eq "$("$zdev" a.qcow2 append:1:512:1 is:1:0:512:1)" "512 yes " "work over the other file"
# it goes, and what it held with it; it comes back; an overlay of zones forgets its base
amend backing_file= 2>err
grep -qF "a.qcow2: warning: what only the backing file holds reads as zeros now" err || fail "$(cat err)"
assert_eq "$(info '[.backing_file, .backing_fmt] | @csv')" , "no backing file"
assert_eq "$("$zdev" a.qcow2 append:1:512:2 is:1:0:512:1)" "512 yes " "work over nothing"
cp a.qcow2 before
amend backing_file= 2>err
assert_same a.qcow2 before
[ ! -s err ] || fail "warned of nothing: $(cat err)"
amend backing_file=base.raw,backing_fmt=raw
assert_eq "$("$zdev" a.qcow2 append:2:512:3 is:1:0:512:1 is:1:512:512:2)" "512 yes yes " "over it again"
assert_status 0 "$ZQFS" check a.qcow2
"$ZQFS" create -q --force -o zone.size=1M base.qcow2 8M
"$zdev" base.qcow2 append:1:512:1 >ran
"$ZQFS" create -q --force -b base.qcow2 -F qcow2 a.qcow2
amend backing_file= 2>err
"$zdev" base.qcow2 reset:1 >ran # which an overlay would notice
assert_eq "$("$zdev" a.qcow2 is:1:0:512:0 append:1:512:3)" "yes 512 " "an overlay that has lost its base"
assert_status 0 "$ZQFS" check a.qcow2
"$ZQFS" create -q --force -o zone.size=1M,data_file=raw.data,data_file_raw=on a.qcow2 8M
refused "exclude each other" backing_file=base.raw,backing_fmt=raw

"$ZQFS" create -q --force -o zone.size=1M,data_file=some.data a.qcow2 8M
amend zone.layout=48
assert_eq "$(info .data_file)" some.data "the data file's name"
assert_eq "$("$zdev" a.qcow2 append:1:512:1 is:1:0:512:1)" "512 yes " "work with the data file"
assert_status 0 "$ZQFS" check a.qcow2

assert_status 2 "$ZQFS" amend a.qcow2
"$ZQFS" amend -o help | holds '^  zone.layout=NAME ' || fail "amend -o help"
