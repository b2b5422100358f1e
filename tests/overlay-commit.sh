#!/usr/bin/env bash
# zqfs commit: an overlay goes down into its base, whatever the two look like; what is refused, and an
# interrupt, leave both as they were.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 240
source "${0%/*}/lib.sh"
requires_tool zdev
requires_tool qpatch
zdev=$TOOLS/zdev
cd "$DIR"
opts=zone.size=1M,zone.conventional_zones=1
base_work=(write:5000:3000:7 append:1:70144:1 append:2:1048576:2 append:3:4096:3 finish:3 append:4:200704:4)
over_work=(append:1:512:9 reset:2 append:2:1024:8 append:4:66048:5 finish:4 reset:3 append:5:131072:6
    write:5500:100:6 write:131072:65536:5 zero:131072:32768)

# make_pair BASE-OPTIONS OVERLAY-OPTIONS: base, over, another overlay, and what over shows.
make_pair()
{
    rm -f base over other flat fresh
    "$ZQFS" create -q -o "$opts$1" base 6M
    "$zdev" base "${base_work[@]}" >made
    "$ZQFS" create -q -b base -F qcow2 -o "$2" over
    "$ZQFS" create -q -b base -F qcow2 other
    cp --sparse=always over fresh
    "$zdev" over "${over_work[@]}" >made
    "$ZQFS" convert over flat
}

# is_done: the overlay is empty and both show what it showed.
is_done()
{
    "$ZQFS" compare base flat >out || fail "$1: the base differs: $(cat out)"
    "$ZQFS" compare over flat >out || fail "$1: the overlay differs: $(cat out)"
    "$ZQFS" check over >out || fail "$1: check of the overlay: $(cat out)"
    grep -q '^0 of ' out || fail "$1: the overlay holds something: $(cat out)"
    "$ZQFS" check base >out || fail "$1: check of the base: $(cat out)"
    "$ZQFS" info base | grep -q '^features: .*dirty' && fail "$1: the base is dirty"
    [ "$(size_of over)" -le "$(size_of fresh)" ] || fail "$1: the overlay is $(size_of over) bytes long"
    expect_fail "base: is another than it was" "$ZQFS" report other
    "$zdev" over append:5:512:1 >made
    "$zdev" ro over is:5:0:131072:6 is:5:131072:512:1 | grep -q '^yes yes' ||
        fail "$1: the overlay goes on"
}

# All kinds of pairs: clusters, layouts, byte order, subclusters, external data files.
while read -r name b o; do
    make_pair "$b" "${o:-cluster_size=64K}"
    "$ZQFS" commit over >out || fail "$name: $(cat out)"
    grep -q 'other overlays of the base are of no use any more' out || fail "$name: says $(cat out)"
    is_done "$name"
done <<'END'
alike ,cluster_size=64K cluster_size=64K
small-above ,cluster_size=256K cluster_size=4K
large-above ,cluster_size=512 cluster_size=1M
other-layouts ,zone.layout=48b zone.layout=56
little-endian ,zone.layout=48,zone.wp_order=little zone.layout=44,cluster_size=32K
subclusters ,extended_l2=on extended_l2=on
refcounts ,refcount_bits=64 refcount_bits=1
data-below ,data_file=data,data_file_raw=on cluster_size=16K
END
rm -f data

# The data file of an overlay gives its room back.
make_pair "" "data_file=over-data"
"$ZQFS" commit -q over
is_done "data file above"
[ "$(disk_usage over-data)" -le 65536 ] || fail "the overlay's data file takes $(disk_usage over-data)"

# A chain: into the middle, then into the bottom.
make_pair "" "cluster_size=64K"
"$ZQFS" create -q -b over -F qcow2 top
"$zdev" top append:1:100352:4 reset:4 append:5:1536:3 >made
"$ZQFS" convert top top-flat
"$ZQFS" commit -q top
"$ZQFS" compare top top-flat >out || fail "the top: $(cat out)"
"$ZQFS" compare over top-flat >out || fail "the middle: $(cat out)"
"$ZQFS" compare base top-flat >out && fail "the bottom changed too"
"$ZQFS" commit --json over >out
grep -q '"resumed": false' out || fail "JSON: $(cat out)"
"$ZQFS" compare base top-flat >out || fail "the bottom: $(cat out)"
"$ZQFS" compare top top-flat >out || fail "the top after both: $(cat out)"

# An interrupt: the overlay shows its disk, the base is for nobody else, and the next one goes on.
make_pair "" "cluster_size=64K"
rm -f over
"$ZQFS" create -q -b base -F qcow2 over
"$zdev" over append:5:1048576:3 append:1:978432:4 >made
rm -f flat && "$ZQFS" convert over flat
"$ZQFS" commit over >interrupted 2>&1 & pid=$!
sleep 0.0$((RANDOM % 9))
kill -TERM $pid 2>/dev/null || true
status=0
wait $pid || status=$?
case $status in
    0 | 143) ;; # it was done before, or had not begun
    *) grep -q 'interrupted; it shows its disk as before, and the next commit goes on' interrupted ||
        fail "an interrupt: $(cat interrupted)" ;;
esac
"$ZQFS" compare over flat >out || fail "after the interrupt: $(cat out)"
"$ZQFS" commit -q over
"$ZQFS" compare base flat >out || fail "after the interrupt and another commit: $(cat out)"

# What is refused stays as it was.
refused()
{
    local what=$1 sums
    shift
    sums=$(sha256sum base over)
    expect_fail "$what" "$ZQFS" commit over
    assert_eq "$(sha256sum base over)" "$sums" "the files after: $what"
}
make_pair "" "cluster_size=64K"
expect_fail "base: is no overlay, it has no backing file" "$ZQFS" commit base
mkfifo go
for held in base over; do
    "$TOOLS/holdlock" $held read <go >held & holder=$!
    cleanup_fn stop_process $holder
    exec 8>go
    until [ -s held ]; do sleep 0.05; done
    refused "$held: in use by another process"
    exec 8>&-
    wait $holder
    rm held
done
"$TOOLS/qpatch" over wp-be:3:1234
refused "over: zone 3 (seq/2): the write pointer 0x4d2 is corrupt"
make_pair "" "cluster_size=64K"
"$TOOLS/qpatch" base set-bit:1
refused "base: cannot be written to: the image is marked corrupt"
make_pair "" "cluster_size=64K"
"$zdev" base write:5000:3000:8 >made
refused "base: is another than it was: it has been written to"
truncate -s 6M raw
rm -f over
"$ZQFS" create -q -o "$opts" -b raw -F raw over 6M
sums=$(sha256sum over raw)
expect_fail 'its backing file "raw" has no zones' "$ZQFS" commit over
assert_eq "$(sha256sum over raw)" "$sums" "files after a raw base"
if command -v qemu-img >/dev/null; then
    make_pair "" "cluster_size=64K"
    rm -f over
    "$TOOLS/qpatch" base clear-bit:5
    qemu-img snapshot -c before base
    "$TOOLS/qpatch" base set-bit:5
    "$ZQFS" create -q -b base -F qcow2 over
    refused "base: has internal snapshots"
fi
