#!/usr/bin/env bash
# Partial blocks: shell tools write any number of bytes, sizes are always whole blocks.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse
requires getfattr

conf_create "$DIR/a.qcow2"
M=$DIR/mnt
S=$M/seq
mount_image "$DIR/a.qcow2" "$M"

# The first bytes of a file as text, zeros shown as dots.
text() { head -c "$2" "$1" | tr '\0' .; } # FILE BYTES

echo hello >>"$S/0"
t "size after echo" 512 size_of "$S/0"
t "its text" "hello" head -c 5 "$S/0"
t "the padding is zeros" yes zio "$S/0" r is:6:506:0
echo again >>"$S/0"
t "another description goes behind the padding" "1024 yes yes" echo \
    "$(size_of "$S/0") $(zio "$S/0" r is:6:506:0) $(zio "$S/0" r is:518:506:0)"
t "its text is at 512" "again" sh -c "dd if=$S/0 bs=512 skip=1 status=none | head -c 5"
empty "$S/0"

(echo a; /bin/echo b; printf c) >"$S/0"
t "one description, several processes" 512 size_of "$S/0"
t "exactly contiguous" "a
b
c..." text "$S/0" 8
empty "$S/0"

for n in 1 511 512 513 1023 1024 1025 4095 4097; do
    pattern_bytes "$n" "$n" >"$DIR/want"
    cat "$DIR/want" >"$S/0"
    truncate -s %512 "$DIR/want"
    ok "$n bytes, padded" cmp "$S/0" "$DIR/want"
done
pattern_bytes many 5000 >"$DIR/want"
empty "$S/0"
dd if="$DIR/want" of="$S/0" bs=7 status=none
truncate -s %512 "$DIR/want"
ok "dd in pieces of 7 bytes" cmp "$S/0" "$DIR/want"
empty "$S/0"
pattern_bytes tee 10000 | tee -a "$S/0" "$S/1" >"$DIR/want"
truncate -s %512 "$DIR/want"
ok "tee -a to two zones" cmp "$S/0" "$S/1"
ok "tee wrote what went through" cmp "$S/0" "$DIR/want"
empty "$S/0" "$S/1"
pattern_bytes cp 12345 >"$DIR/want"
cp "$DIR/want" "$S/0"
truncate -s %512 "$DIR/want"
ok "cp onto a zone" cmp "$S/0" "$DIR/want"

# ---- who sees what, and when ----------------------------------------------------------------

empty "$S/0"
t "size while the writer is within a block" "6 512 0" zio "$S/0" w pwrite:0:6 size \
    "sh:test \$(stat -c %s $S/0) = 512"
empty "$S/0"
t "the pointer too" "6 0" zio "$S/0" w pwrite:0:6 \
    "sh:test \$(getfattr --only-values -n user.zone.wp $S/0) = $((4 * ZONE + 512))"
empty "$S/0"
t "the writer goes on behind its last byte" "6 6 500 100 1024" \
    zio "$S/0" w pwrite:0:6:1 pwrite:6:6:2 pwrite:12:500:3 pwrite:512:100:4 size
t "what it wrote" "yes yes yes yes yes" zio "$S/0" r is:0:6:1 is:6:6:2 is:12:500:3 \
    is:512:100:4 is:612:412:0
empty "$S/0"
t "an appending writer goes on behind its last byte" "6 6 512" \
    zio "$S/0" w,append write:6:1 write:6:2 size
t "contiguous" "yes yes" zio "$S/0" r is:0:6:1 is:6:6:2
empty "$S/0"
t "not at the rounded size" "6 EINVAL" zio "$S/0" w pwrite:0:6 pwrite:1024:6
empty "$S/0"
t "another appender pads first" "6 0 1024" zio "$S/0" w pwrite:0:6:1 \
    "sh:$TOOLS/zio $S/0 w,append write:6:2 >/dev/null" size
t "and lands behind the padding" "yes yes yes yes" zio "$S/0" r is:0:6:1 is:6:506:0 is:512:6:2 \
    is:518:506:0
empty "$S/0"
t "then the first writer gets EINVAL" "6 0 EINVAL" zio "$S/0" w pwrite:0:6:1 \
    "sh:$TOOLS/zio $S/0 w,append write:6:2 >/dev/null" pwrite:6:6
empty "$S/0"
t "unless it appends" "6 0 6 1536" zio "$S/0" w,append write:6:1 \
    "sh:$TOOLS/zio $S/0 w,append write:6:2 >/dev/null" write:6:3 size
t "each in a block of its own" "yes yes yes" zio "$S/0" r is:0:6:1 is:512:6:2 is:1024:6:3
empty "$S/0"
t "another writer at the size" "6 0" zio "$S/0" w pwrite:0:6:1 \
    "sh:test \"\$($TOOLS/zio $S/0 w pwrite:512:6:2)\" = 6"
empty "$S/0"
t "a reader sees the bytes and zeros" "6 0" zio "$S/0" w pwrite:0:6:1 \
    "sh:test \"\$($TOOLS/zio $S/0 r is:0:6:1 is:6:506:0 pread:0:4096)\" = 'yes yes 512'"
empty "$S/0"
t "fsync puts it on disk padded and the writer goes on" "6 0 6 yes yes yes" \
    zio "$S/0" rw pwrite:0:6:1 fsync pwrite:6:6:2 is:0:6:1 is:6:6:2 is:12:500:0
empty "$S/0"
t "RWF_APPEND goes on as well" "6 6 512 yes" zio "$S/0" rw append:0:6:1 append:0:6:1 size is:0:12:1
empty "$S/0"
t "RWF_APPEND after another's padding" "6 0 600 2048" zio "$S/0" rw pwrite:0:6:1 \
    "sh:$TOOLS/zio $S/0 w,append write:6:2 >/dev/null" append:0:600:3 size
empty "$S/0"

# ---- what ends a partial block ----------------------------------------------------------------

t "close of the zone pads" "6 0 512" zio "$S/0" w pwrite:0:6:1 \
    "sh:setfattr -n user.zone.command -v close $S/0" size
empty "$S/0"
t "finish pads" "6 0 $CAP yes yes" zio "$S/0" rw pwrite:0:6:1 trunc:768K size is:0:6:1 is:6:767K:0
empty "$S/0"
t "ftruncate to where its own stream ends changes nothing" "6 0 512 3 0 512 yes" \
    zio "$S/0" rw pwrite:0:6:1 trunc:6 size pwrite:6:3:1 trunc:9 size is:0:9:1
t "to where another's ends it is refused" EPERM zio "$S/0" rw trunc:9
empty "$S/0"
t "reset forgets it" "6 0 0 6 yes" zio "$S/0" rw pwrite:0:6:1 trunc:0 size pwrite:0:6:2 is:0:6:2
empty "$S/0"
t "to the very end" "786431 1 full" echo \
    "$(zio "$S/0" w pwrite:0:786431:1 pwrite:786431:1:2) $(state "$S/0")"
t "the last byte" "yes" zio "$S/0" r is:786431:1:2
empty "$S/0"
t "into the last block" "786431 full $CAP" echo \
    "$(zio "$S/0" w pwrite:0:786431:1) $(state "$S/0") $(size_of "$S/0")"
t "a byte over the end" "786431 1 EFBIG" zio "$S/1" w pwrite:0:786431 pwrite:786431:2 pwrite:768K:1
empty "$S/0" "$S/1"

# ---- a close that comes late ------------------------------------------------------------------

# Its padding is long gone: another has reset the zone and written there.
late_close() {
    exec 3>>"$S/0"
    printf 'hello' >&3
    truncate -s 0 "$S/0"
    zio "$S/0" w pwrite:0:512:1 >/dev/null
    exec 4<"$S/0" 5<"$S/0"
    cat <&4 >/dev/null # the page is cached now
    exec 3>&-
    cat <&5 | cmp - <(head -c 512 /dev/zero | tr '\0' '\1') &&
        echo same
    exec 4<&- 5<&-
}
t "a late close leaves what another wrote" same late_close
empty "$S/0"

# ---- in the image ----------------------------------------------------------------------------

printf 'partial' >>"$S/0"
zio "$S/1" w pwrite:0:700:1 fsync pwrite:700:700:2 >/dev/null
remount_image "$DIR/a.qcow2" "$M"
t "padded in the image" "512 closed" echo "$(size_of "$S/0") $(state "$S/0")"
t "text in the image" "partial." text "$S/0" 8
t "after fsync and more" "1536 yes yes yes" echo "$(size_of "$S/1")" \
    "$(zio "$S/1" r is:0:700:1 is:700:700:2 is:1400:136:0)"
printf 'more' >>"$S/0"
t "goes on behind the padding" "1024 more" echo \
    "$(size_of "$S/0") $(dd if="$S/0" bs=512 skip=1 status=none | head -c 4)"
unmount "$M"

# ---- strict ------------------------------------------------------------------------------------

mount_image "$DIR/a.qcow2" "$M" -o strict
empty "$S/0" "$S/1"
t "strict: partial block" "EINVAL" zio "$S/0" w,direct pwrite:0:100
t "strict: not O_DIRECT" "EINVAL" zio "$S/0" w pwrite:0:4096
t "strict: whole blocks" "4096 4096" zio "$S/0" w,direct pwrite:0:4096 size
t "strict: appended" "512" zio "$S/0" w,direct,append write:512
t "strict: past the pointer" "EINVAL" zio "$S/0" w,direct pwrite:8192:512
t "strict: behind the capacity" "EFBIG" zio "$S/0" w,direct pwrite:768K:512
t "strict: buffered reads work" "4608" zio "$S/0" r pread:0:8192
t "strict: conventional files take any bytes" "7" zio "$M/cnv/0" rw pwrite:3:7
conf_done
