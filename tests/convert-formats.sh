#!/usr/bin/env bash
# Zone reports and dumps of other programs, refusals of what a target cannot hold, and ends that leave nothing.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_tool zdev
requires_tool qpatch
zdev=$TOOLS/zdev

"$ZQFS" create -q -o zone.size=1M,zone.capacity=512K,zone.conventional_zones=1 "$DIR/a" 4M
"$zdev" "$DIR/a" append:1:8192:1 append:2:524288:2 write:100:50:3 >"$DIR/made"
"$ZQFS" convert -O raw "$DIR/a" "$DIR/raw"
"$ZQFS" report --csv "$DIR/a" >"$DIR/own.csv"
"$ZQFS" report --json "$DIR/a" >"$DIR/own.json"

# In sectors of 512 bytes, pointers from the zone's start; as util-linux prints it.
cat >"$DIR/blkzone" <<'END'
  start: 0x000000000, len 0x000800, cap 0x000800, wptr 0xffffffffffffffff reset:0 non-seq:0, zcond: 0(nw) [type: 1(CONVENTIONAL)]
  start: 0x000000800, len 0x000800, cap 0x000400, wptr 0x000010 reset:0 non-seq:0, zcond: 4(cl) [type: 2(SEQ_WRITE_REQUIRED)]
  start: 0x000001000, len 0x000800, cap 0x000400, wptr 0x000800 reset:0 non-seq:0, zcond:14(fu) [type: 2(SEQ_WRITE_REQUIRED)]
  start: 0x000001800, len 0x000800, cap 0x000400, wptr 0x000000 reset:0 non-seq:0, zcond: 1(em) [type: 2(SEQ_WRITE_REQUIRED)]
END
cat >"$DIR/zbd.csv" <<'END'
zone num, type, ofst, len, cap, wp, cond, non_seq, reset
00000, 1, 00000000000000, 00000001048576, 00000001048576, 18446744073709551104, 0x0, 0, 0
00001, 2, 00000001048576, 00000001048576, 00000000524288, 00000001056768, 0x4, 0, 0
00002, 2, 00000002097152, 00000001048576, 00000000524288, 00000003145728, 0xe, 0, 0
00003, 2, 00000003145728, 00000001048576, 00000000524288, 00000003145728, 0x1, 0, 0
END
for report in blkzone zbd.csv own.csv own.json; do
    "$ZQFS" convert --force --zones="$DIR/$report" "$DIR/raw" "$DIR/b" || fail "$report"
    assert_status 0 "$ZQFS" compare "$DIR/a" "$DIR/b"
done

# States that only memory has are named, one line for each kind, with the first zone; and kept where
# the target has a place for them.
zone_line() { # ZONE WPTR ZCOND TYPE: with 1 MiB, 512 KiB usable
    printf '  start: 0x%x, len 0x000800, cap 0x%x, wptr 0x%x reset:0 non-seq:0, zcond:%2d(xx) [type: %d(X)]\n' \
        $(($1 * 2048)) $(($4 == 1 ? 2048 : 1024)) "$2" "$3" "$4"
}
{
    zone_line 0 -1 0 1
    zone_line 1 16 2 2
    zone_line 2 8 3 2
    zone_line 3 16 2 2
    zone_line 4 24 4 2
    zone_line 5 32 13 2
    zone_line 6 -1 15 2
    zone_line 7 40 13 2
    zone_line 8 -1 15 2
    zone_line 9 16 2 2
} >"$DIR/states"
truncate -s 10M "$DIR/many"
cat >"$DIR/want" <<'END'
3 zones implicitly open, closed in the copy (the first is zone 1 (seq/0))
1 zone explicitly open, closed in the copy (the first is zone 2 (seq/1))
2 zones read-only, writable in the copy (the first is zone 5 (seq/4))
2 zones offline, empty in the copy: their data cannot be read (the first is zone 6 (seq/5))
END
for format in qcow2 folder; do
    "$ZQFS" convert -O $format --zones="$DIR/states" "$DIR/many" "$DIR/many.$format" 2>"$DIR/out"
    sed "s|^zqfs: $DIR/many: ||" "$DIR/out" | diff "$DIR/want" - || fail "what $format has no place for"
    "$ZQFS" convert -q --force -O $format --zones="$DIR/states" "$DIR/many" "$DIR/many.$format" 2>"$DIR/out"
    assert_eq "$(cat "$DIR/out")" "" "what --quiet says"
done
for format in raw dump; do
    "$ZQFS" convert -O $format --zones="$DIR/states" "$DIR/many" "$DIR/many.$format" 2>"$DIR/out"
    assert_eq "$(cat "$DIR/out")" "" "what $format has no place for"
done

# So are limits that the target has no place for; and those that it has are kept.
"$ZQFS" create -q -o zone.size=1M,zone.layout=56,zone.max_open_zones=3,zone.max_active_zones=4 \
    -o zone.max_append_bytes=64K "$DIR/limits" 4M
n=0
lost() { # OPTION... LINE
    "$ZQFS" convert --force "${@:1:$#-1}" "$DIR/limits" "$DIR/limited$((++n))" 2>"$DIR/out"
    assert_eq "$(sed 's/.*: \(max_[a-z_]* [0-9]*\) is lost: the copy has no place for it$/\1/' "$DIR/out" |
        tr '\n' ' ')" "${*: -1}" "$*"
}
lost -o zone.layout=44 "max_append_bytes 65536 "
lost -O dump "max_append_bytes 65536 "
lost -O folder "max_open_zones 3 max_active_zones 4 max_append_bytes 65536 "
lost -O raw ""
lost -O qcow2 "max_append_bytes 65536 "
lost -o zone.max_append_bytes=32K ""
lost -o zone.layout=48b ""
"$ZQFS" create -q --force -o zone.size=1M,zone.layout=44 "$DIR/limits" 4M
lost -O folder ""

# What was copied: a zone with 1 MiB, one of zeros, and a hole.
"$ZQFS" create -q -o zone.size=1M "$DIR/copied" 4M
"$zdev" "$DIR/copied" append:0:1048576:1 append:1:1048576:0 finish:2 >"$DIR/made"
"$ZQFS" convert --json --force -O raw "$DIR/copied" "$DIR/raw2" >"$DIR/json"
assert_eq "$(jq -c . "$DIR/json")" \
    '{"source_format":"qcow2","target_format":"raw","size":4194304,"zones":4,"written":3145728,"copied":1048576}' \
    "convert --json"

# A read-only zone whose pointer the device does not know shows all ones, less the zone's start. What
# it holds is read up to its capacity, and a copy of it is full.
sed '2s/wptr 0x000010/wptr 0xfffffffffffff7ff/; 2s/zcond: 4(cl)/zcond:13(ro)/' "$DIR/blkzone" >"$DIR/raw.zones.ro"
cp "$DIR/raw" "$DIR/ro"
cp "$DIR/raw.zones.ro" "$DIR/ro.zones"
"$ZQFS" convert --force -q "$DIR/ro" "$DIR/b"
assert_status 0 "$ZQFS" compare -p "$DIR/ro" "$DIR/b"

# What does not fit together is refused with the zone's number, and leaves no target.
refused() { # PART OF THE MESSAGE, SED SCRIPT
    sed "$2" "$DIR/blkzone" >"$DIR/bad"
    expect_fail "$1" "$ZQFS" convert --zones="$DIR/bad" "$DIR/raw" "$DIR/none"
    [ ! -e "$DIR/none" ] || fail "a target is left after: $1"
}
refused 'zone 2 has a capacity of' '3s/cap 0x000400/cap 0x000300/'
refused 'zone 1 starts at' '2s/start: 0x000000800/start: 0x000000900/'
refused 'zone 1: the write pointer' '2s/wptr 0x000010/wptr 0x000500/'
refused 'zone 3 is conventional' '4s/zcond: 1(em) .type: 2/zcond: 0(nw) [type: 1/'
refused 'line 2: unknown zone condition' '2s/zcond: 4/zcond: 9/'
refused 'line 4: ' '4s/wptr/wpointer/'
refused 'has 4194304 bytes, its zones 5242880' '4p;4s/0x000001800/0x000002000/'
refused 'zone_size 0 is not a power of two' '2,4d;1s/len 0x000800, cap 0x000800/len 0x0, cap 0x0/'
head -c 5000 /dev/zero | tr '\0' x >"$DIR/bad"
expect_fail 'line 1: ' "$ZQFS" convert --zones="$DIR/bad" "$DIR/raw" "$DIR/none"
: >"$DIR/bad"
expect_fail 'no zones in it' "$ZQFS" convert --zones="$DIR/bad" "$DIR/raw" "$DIR/none"

# A copy keeps the zones as they are; a target is not overwritten without a word, nor ever by itself.
expect_fail 'zone.size 2097152 is not that of the source' \
    "$ZQFS" convert -o zone.size=2M "$DIR/a" "$DIR/none"
expect_fail 'zone.max_active_zones 1 is smaller than 2' bash -c '
    "$1" "$2" append:3:512:1 >/dev/null && "$0" convert -o zone.max_active_zones=1 "$2" "$3"' \
    "$ZQFS" "$zdev" "$DIR/a" "$DIR/none"
expect_fail 'exists already' "$ZQFS" convert "$DIR/a" "$DIR/b"
expect_fail 'is the source' "$ZQFS" convert --force "$DIR/a" "$DIR/a"
"$ZQFS" convert -O dump "$DIR/a" "$DIR/same"
expect_fail 'is the source' "$ZQFS" convert --force -O dump "$DIR/same" "$DIR/same"
expect_fail 'is the source' "$ZQFS" convert --force "$DIR/raw" "$DIR/raw.zones"
expect_fail 'line 1: too long' timeout 10 "$ZQFS" convert --zones=/dev/zero "$DIR/raw" "$DIR/none"
expect_fail 'only an image can be compressed' "$ZQFS" convert -c -O raw "$DIR/a" "$DIR/none"
expect_fail 'external data file cannot hold' \
    "$ZQFS" convert -c -o data_file=x.raw "$DIR/a" "$DIR/none"
[ ! -e "$DIR/x.raw" ] || fail "a data file is left"
expect_fail 'its compression_type has levels from 1 to 9, not 12' \
    "$ZQFS" convert -c --level 12 -o compression_type=zlib "$DIR/a" "$DIR/none"
expect_fail 'of no use without --compress' "$ZQFS" convert --level 3 "$DIR/a" "$DIR/none"
expect_fail 'no zone files in it' "$ZQFS" convert "$IMAGES" "$DIR/none"

# A pointer within a block, which the layouts 56 and 48 know and others do not.
"$ZQFS" create -q -o zone.size=1M,zone.layout=56 "$DIR/c" 2M
"$TOOLS/qpatch" "$DIR/c" wp-be:0:513
"$ZQFS" convert -o zone.layout=56 "$DIR/c" "$DIR/c2"
assert_status 0 "$ZQFS" compare "$DIR/c" "$DIR/c2"
expect_fail 'zone 0 (seq/0) has its write pointer at byte 1 of a block, which zone.layout 44, unlike 56, cannot hold' \
    "$ZQFS" convert -o zone.layout=44 "$DIR/c" "$DIR/none"
expect_fail 'at byte 1 of a block' "$ZQFS" convert -O dump "$DIR/c" "$DIR/none"

# A signal ends it without a target, an old one stays as it was.
"$ZQFS" create -q -o zone.size=64M "$DIR/large" 256M
"$zdev" "$DIR/large" append:0:67108864:1 append:1:67108864:2 append:2:67108864:3 >"$DIR/made"
cp "$DIR/b" "$DIR/old"
sum=$(sha256sum <"$DIR/old")
interrupted=
for delay in 0 0.01 0.02 0.04 0.08 0.16 0.3 0.02 0.04 0.08; do
    "$ZQFS" convert --force -c --level 9 -m 1 "$DIR/large" "$DIR/old" 2>"$DIR/out" &
    pid=$!
    sleep "$delay"
    kill -TERM "$pid" 2>/dev/null || true
    ret=0
    wait "$pid" || ret=$?
    # before the signal is expected it ends the process as usual
    if [ "$ret" = 0 ]; then
        sum=$(sha256sum <"$DIR/old")
    else
        ! grep -q interrupted "$DIR/out" || interrupted=yes
        assert_eq "$(sha256sum <"$DIR/old")" "$sum" "the old target"
    fi
done
[ -n "$interrupted" ] || fail "was never interrupted: $(cat "$DIR/out")"
[ -z "$(find "$DIR" -name '.zqfs-*')" ] || fail "temporary files are left"

# The sizes of conventional files tell the size of a zone or are held against it. The kernel's zonefs
# can show all conventional zones as one file (aggr_cnv), and then it does not tell how many there are.
mkdir -p "$DIR/kernel/cnv" "$DIR/kernel/seq"
random_bytes 2097152 >"$DIR/kernel/cnv/0"
random_bytes 1048576 >"$DIR/kernel/seq/0"
expect_fail 'does not tell the size of a zone' "$ZQFS" convert "$DIR/kernel" "$DIR/none"
"$ZQFS" convert -o zone.size=1M "$DIR/kernel" "$DIR/aggregated"
"$ZQFS" convert -O raw "$DIR/aggregated" "$DIR/aggregated.raw"
cmp "$DIR/aggregated.raw" <(cat "$DIR/kernel/cnv/0" "$DIR/kernel/seq/0") || fail "one file, two zones"
truncate -s 1M "$DIR/kernel/cnv/0"
"$ZQFS" convert "$DIR/kernel" "$DIR/single"
"$ZQFS" compare -q -f folder "$DIR/kernel" "$DIR/single" || fail "a single conventional zone"
truncate -s 1M "$DIR/kernel/cnv/1"
truncate -s 512K "$DIR/kernel/cnv/0"
expect_fail 'conventional zone 1 (cnv/1) has 1048576 bytes, a zone 524288' \
    "$ZQFS" convert "$DIR/kernel" "$DIR/none"
expect_fail 'conventional zone 0 (cnv/0) has 524288 bytes, a zone 1048576' \
    "$ZQFS" convert -o zone.size=1M "$DIR/kernel" "$DIR/none"
mkdir "$DIR/zloop"
truncate -s 3M "$DIR/zloop/cnv-000000"
truncate -s 1M "$DIR/zloop/seq-000001"
expect_fail 'has 3145728 bytes, a zone 1048576' \
    "$ZQFS" convert -o zone.size=1M "$DIR/zloop" "$DIR/none"

# libzbd reads our dump.
"$ZQFS" convert --force -O dump "$DIR/a" "$DIR/dump"
if command -v zbd >/dev/null; then
    zbd report -csv "$DIR/dump_zone_info.dump" | grep '^0' >"$DIR/got"
    "$ZQFS" convert --force --zones="$DIR/got" "$DIR/dump_zone_data.dump" "$DIR/b"
    assert_status 0 "$ZQFS" compare "$DIR/a" "$DIR/b"
fi

# Nor is the source taken for the data file of its copy, nor a pipe for a disk.
expect_fail "is the source, or a part of it" \
    "$ZQFS" convert --force -o "data_file=$DIR/raw" --zones="$DIR/own.csv" "$DIR/raw" "$DIR/none"
mkfifo "$DIR/fifo"
expect_fail "is no file, folder or block device" timeout 10 "$ZQFS" convert "$DIR/fifo" "$DIR/none"
