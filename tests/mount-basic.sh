#!/usr/bin/env bash
# Create, mount, write zones with shell tools, unmount, mount again: all is still there.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires getfattr

"$ZQFS" create -o zone.size=1M,zone.conventional_zones=1 "$DIR/a.qcow2" 8M
mount_image "$DIR/a.qcow2" "$DIR/mnt"
cd "$DIR/mnt"
assert_eq "$(ls)" "cnv
seq" "folders"
echo hello >>seq/0
assert_size seq/0 512
pattern_bytes x 300000 >"$DIR/want"
cat "$DIR/want" >>seq/1
dd if="$DIR/want" of=cnv/0 conv=notrunc bs=4k seek=3 status=none
cp "$DIR/want" seq/2
truncate -s 1M seq/2
assert_attr seq/2 state full
echo gone >seq/3
truncate -s 0 seq/3
cd "$DIR"
remount_image "$DIR/a.qcow2" "$DIR/mnt"
cd "$DIR/mnt"
assert_eq "$(head -c 6 seq/0)" hello "text"
cmp -n 300000 seq/1 "$DIR/want"
cmp -n 300000 seq/2 "$DIR/want"
cmp -n 300000 -i 12288:0 cnv/0 "$DIR/want"
assert_size seq/2 1048576
assert_attr seq/2 state full
assert_attr seq/0 state closed
assert_attr seq/3 state empty
assert_size seq/3 0
cd "$DIR"
unmount "$DIR/mnt"
assert_status 0 "$ZQFS" check "$DIR/a.qcow2"
