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

# States that only memory has are named, in one line.
sed 's/zcond: 4(cl)/zcond: 3(oe)/; s/zcond: 1(em)/zcond:15(ol)/' "$DIR/blkzone" >"$DIR/open"
"$ZQFS" convert --force --zones="$DIR/open" "$DIR/raw" "$DIR/b" 2>"$DIR/out"
grep -q '1 zone explicitly open, closed in the copy' "$DIR/out" || fail "$(cat "$DIR/out")"
grep -q '1 zone offline' "$DIR/out" || fail "offline is not named: $(cat "$DIR/out")"

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
expect_fail 'no zone files in it' "$ZQFS" convert "$IMAGES" "$DIR/none"

# A pointer within a block, which the layouts 56 and 48 know and others do not.
"$ZQFS" create -q -o zone.size=1M,zone.layout=56 "$DIR/c" 2M
"$TOOLS/qpatch" "$DIR/c" wp-be:0:513
"$ZQFS" convert -o zone.layout=56 "$DIR/c" "$DIR/c2"
assert_status 0 "$ZQFS" compare "$DIR/c" "$DIR/c2"
expect_fail 'at byte 1 of a block' "$ZQFS" convert -o zone.layout=44 "$DIR/c" "$DIR/none"
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
