#!/usr/bin/env bash
# A force_share mount follows the image while another mount writes to it.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse

"$ZQFS" create -q -o zone.size=1M,cluster_size=4K "$DIR/a.qcow2" 16M
mount_image "$DIR/a.qcow2" "$DIR/w"
pattern_bytes one 300032 >"$DIR/want"
cat "$DIR/want" >"$DIR/w/seq/0"
head -c 1M /dev/zero | tr '\0' B >"$DIR/w/seq/1"
sync "$DIR/w/seq/0" "$DIR/w/seq/1"
mount_image "$DIR/a.qcow2" "$DIR/r" -o ro,force_share
assert_same "$DIR/r/seq/0" "$DIR/want"
assert_size "$DIR/r/seq/1" 1048576

# What is synced is there after a second.
pattern_bytes two 200192 | tee -a "$DIR/want" >>"$DIR/w/seq/0"
truncate -s 0 "$DIR/w/seq/1"
sync "$DIR/w/seq/0" "$DIR/w/seq/1"
sleep 2.2
assert_size "$DIR/r/seq/0" 500224
assert_same "$DIR/r/seq/0" "$DIR/want"
assert_size "$DIR/r/seq/1" 0
assert_attr "$DIR/r/seq/1" state empty

# A reader that holds a file open while its zone is reset and the space goes to others.
cat "$DIR/want" >"$DIR/w/seq/2"
sync "$DIR/w/seq/2"
sleep 2.2
exec 3<"$DIR/r/seq/2"
for _ in 1 2 3; do
    truncate -s 0 "$DIR/w/seq/2"
    head -c 1M /dev/zero | tr '\0' E >"$DIR/w/seq/3"
    sync "$DIR/w/seq/2" "$DIR/w/seq/3"
    truncate -s 0 "$DIR/w/seq/3"
    sync "$DIR/w/seq/3"
done
[ "$(cat <&3 | tr -cd E | wc -c)" -lt 1000 ] || fail "read another zone's data"
exec 3<&-
unmount "$DIR/r"
unmount "$DIR/w"
