#!/usr/bin/env bash
# The scripts of contrib/examples do what they say.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 240
source "${0%/*}/lib.sh"
requires_fuse
fuse_for_users
requires getfattr setfattr xargs
E=$TOP/contrib/examples
cd "$DIR"
mkdir bin
ln -s "$ZQFS" bin/zqfs
export PATH=$DIR/bin:$PATH
zone_line() { zqfs report --csv "$1" | grep "^$2," | cut -d , -f 1-7; } # IMAGE ZONE

# ---- fill zones in parallel
zqfs create -q -o zone.size=1M,zone.capacity=768K,zone.conventional_zones=1 \
    -o zone.max_open_zones=3,zone.max_active_zones=3 fill.qcow2 12M
mount_image fill.qcow2 mnt
"$E/fill-zones.sh" mnt 4 >out 2>err
assert_eq "$(cat err)" "the disk has 3 open zones: 3 jobs" "what it says of the limit"
grep -q "^$((11 * 768 * 1024)) bytes in all sequential zones, " out || fail "said: $(cat out)"
assert_eq "$(zqfs report -n mnt | awk '$1 == "full" { print $2 }')" 11 "full zones"
unmount mnt

# ---- a log that goes round the zones
zqfs create -q -o zone.size=64K,zone.max_active_zones=1 log.qcow2 256K
mount_image log.qcow2 mnt
seq -f 'line %.0f of a log' 5000 >log
"$E/rotate-log.sh" mnt <log # 20 bytes a line, 100 KiB: no zone is used twice
"$E/rotate-log.sh" -r mnt >back
assert_same back log
seq -f 'line %.0f of a log' 5001 16000 >newer
"$E/rotate-log.sh" mnt <newer
"$E/rotate-log.sh" -r mnt >back
[ "$(wc -c <back)" -gt $((3 * 64 * 1024 - 1024)) ] || fail "three zones hold $(wc -c <back) bytes of it"
cat log newer | tail -n "$(wc -l <back)" >want
assert_same back want # its newest lines, no gap, none twice
remount_image log.qcow2 mnt
echo "after a stop" | "$E/rotate-log.sh" mnt
assert_eq "$("$E/rotate-log.sh" -r mnt | tail -n 2)" "line 16000 of a log
after a stop" "end of the log"
unmount mnt

# ---- a real device's dump: as blkzone prints it, an SMR disk with 2 + 4 zones of 1 MiB
cat >report <<'END'
  start: 0x000000000, len 0x000800, cap 0x000800, wptr 0x000000 reset:0 non-seq:0, zcond: 0(nw) [type: 1(CONVENTIONAL)]
  start: 0x000000800, len 0x000800, cap 0x000800, wptr 0x000000 reset:0 non-seq:0, zcond: 0(nw) [type: 1(CONVENTIONAL)]
  start: 0x000001000, len 0x000800, cap 0x000800, wptr 0x000800 reset:0 non-seq:0, zcond:14(fu) [type: 2(SEQ_WRITE_REQUIRED)]
  start: 0x000001800, len 0x000800, cap 0x000800, wptr 0x000013 reset:0 non-seq:0, zcond: 4(cl) [type: 2(SEQ_WRITE_REQUIRED)]
  start: 0x000002000, len 0x000800, cap 0x000800, wptr 0x000000 reset:0 non-seq:0, zcond: 1(em) [type: 2(SEQ_WRITE_REQUIRED)]
  start: 0x000002800, len 0x000800, cap 0x000800, wptr 0x000400 reset:0 non-seq:0, zcond: 2(oi) [type: 2(SEQ_WRITE_REQUIRED)]
END
random_bytes $((6 * 1024 * 1024)) >data
zqfs convert -q -o zone.max_active_zones=4 --zones=report data dump.qcow2
zqfs info --json dump.qcow2 >out
grep -q '"max_active_zones": *4' out || grep -q '"max_active": *4' out || fail "info: $(cat out)"
M=1048576
assert_eq "$(zone_line dump.qcow2 1)" "1,conventional,not-wp,$M,$M,$M," "zone 1"
assert_eq "$(zone_line dump.qcow2 2)" "2,sequential,full,$((2 * M)),$M,$M," "zone 2"
assert_eq "$(zone_line dump.qcow2 3)" "3,sequential,closed,$((3 * M)),$M,$M,$((3 * M + 19 * 512))" "zone 3"
assert_eq "$(zone_line dump.qcow2 4)" "4,sequential,empty,$((4 * M)),$M,$M,$((4 * M))" "zone 4"
assert_eq "$(zone_line dump.qcow2 5)" "5,sequential,closed,$((5 * M)),$M,$M,$((5 * M + M / 2))" "zone 5"
mount_image dump.qcow2 mnt -o ro
same_part() { # FILE START BYTES
    dd if=data iflag=skip_bytes,count_bytes skip="$2" count="$3" status=none | cmp - "$1" ||
        fail "$1 is not what the dump holds"
}
same_part mnt/cnv/0 0 $M
same_part mnt/cnv/1 $M $M
same_part mnt/seq/0 $((2 * M)) $M
same_part mnt/seq/1 $((3 * M)) $((19 * 512))
same_part mnt/seq/3 $((5 * M)) $((M / 2))
unmount mnt
echo nonsense >>report
expect_fail "report: line 7: not a line of" zqfs convert --zones=report data no.qcow2
[ ! -e no.qcow2 ] || fail "an image of a report with nonsense"

# ---- a disk for a virtual machine, before and after
random_bytes 100000 >one
echo two >two
"$E/vm-disk.sh" prepare vm.qcow2 256M one two
"$E/vm-disk.sh" look vm.qcow2 found
assert_eq "$(ls found)" "cnv-0
seq-0
seq-1" "what was found"
head -c 100000 found/seq-0 | cmp - one || fail "the first file is not in zone 0"
assert_eq "$(head -n 1 found/seq-1)" "two" "zone 1"
assert_status 2 "$E/vm-disk.sh" look vm.qcow2

# ---- CI without root
cat >in-ci <<'END'
id -u
echo result >>"$ZONED_DIR/seq/0"
stat -c %s "$ZONED_DIR/seq/0"
echo "$ZONED_IMAGE" >"$1"
exit 5
END
mkdir ci
install -m 755 "$E/ci-zoned.sh" ci/script # others may not be let into the folder of the sources
run_ci() { "$@" "$DIR/ci/script" -o zone.size=1M 8M sh -e in-ci "$DIR/ci/image"; }
rc=0
if [ "$(id -u)" -ne 0 ]; then
    run_ci env >out || rc=$?
elif command -v setpriv >/dev/null && command -v fusermount3 >/dev/null &&
    setpriv --reuid=65534 --clear-groups sh -c ': </dev/fuse' 2>/dev/null; then
    chmod 755 . && chmod 777 ci
    rm bin/zqfs
    install -m 755 "$ZQFS" bin/zqfs
    run_ci setpriv --reuid=65534 --regid=65534 --clear-groups >out || rc=$?
    grep -qx 65534 out || fail "ran as another user: $(cat out)"
else
    run_ci env >out || rc=$?
fi
assert_eq "$rc" 5 "status of the command"
assert_eq "$(tail -n 1 out)" 512 "size in CI"
[ ! -e "$(cat ci/image)" ] || fail "the image is left"
rc=0
"$E/ci-zoned.sh" 8M true || rc=$?
assert_eq "$rc" 0 "status of true"

# ---- power cuts: a log that calls fsync keeps what it has called safe, one that forgets it does not
if command -v python3 >/dev/null; then
    assert_status 0 env TMPDIR="$DIR" "$E/powercut.sh" -n 5
    grep -q '^5 power cuts, [1-9][0-9]* records safe, none lost$' out || fail "said: $(cat out)"
    assert_status 1 env TMPDIR="$DIR" "$E/powercut.sh" -n 5 "$E/log-writer.py" --no-fsync
    grep -q '^round 0 (-o powercut): lost; the disk is ' out || fail "said: $(cat out)"
fi

# ---- ZenFS: the image that it expects, and writes that survive without fsync
mkdir aux
"$E/zenfs.sh" -z 1M zen.qcow2 32M zen aux >out
mounts_+=(zen)
daemons_+=("$(getfattr --only-values -n user.zone.pid zen)")
grep -qx "    zenfs mkfs --zonefs=$PWD/zen --aux_path=$PWD/aux" out || command -v zenfs >/dev/null || fail "said: $(cat out)"
# what it looks at: so many zones of that size, and room for 14 at once
assert_eq "$(stat -c %s zen/seq) $(stat -c '%b %B' zen/seq/0)" "32 2048 512" "zones as ZenFS sees them"
for zone in $(seq 0 13); do
    head -c 4096 /dev/zero | tr '\0' z |
        dd of="zen/seq/$zone" bs=4096 oflag=direct conv=notrunc iflag=fullblock status=none
done
exec 7>>zen/seq/13
head -c 4096 /dev/zero >&7 # no close, which would begin a commit
kill -KILL "$(mount_pid zen)"
wait_gone "$(mount_pid zen)"
exec 7>&-
unmount zen
assert_eq "$(zqfs report -n zen.qcow2 | awk '$1 == "closed" { print $2 }')" 14 "zones with what was written"
"$E/zenfs.sh" zen.qcow2 32M zen aux >out # an image that is there is not made anew
! grep mkfs out || fail "formats what is there"
zqfs umount zen
assert_eq "$(zqfs report --csv zen.qcow2 | awk -F, '$1 == 13 { print $7 - $4 }')" 8192 "written to the last of them"
# below 14 it would be wrong about the limits
zqfs create -q -o zone.size=1M,zone.max_open_zones=8 small.qcow2 32M
expect_fail "small.qcow2 has the limit max_open=8, and ZenFS takes it for 14" "$E/zenfs.sh" small.qcow2 32M zen aux
zqfs create -q -o zone.size=1M few.qcow2 31M
expect_fail "few.qcow2 has 31 sequential zones, and ZenFS wants 32" "$E/zenfs.sh" few.qcow2 31M zen aux
is_mounted zen && fail "what was refused is mounted"
true
