#!/usr/bin/env bash
# In the background messages go to syslog, with the image's name and the daemon's pid.
# serial: a mount namespace of its own holds the mounts that other tests end meanwhile
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_root
requires_fuse
requires unshare
requires_tool dgram
unshare -m true 2>/dev/null || skip "no mount namespace to be had"
cd "$DIR"
mkdir mnt dev
"$ZQFS" create -q -o zone.size=1M a.qcow2 8M

# In a namespace whose /dev/log is ours.
cat >inside <<'END'
zqfs=$1 dgram=$2
mount -t tmpfs none dev
for d in fuse null zero; do
    touch dev/$d
    mount --bind /dev/$d dev/$d
done
mount --rbind dev /dev
"$dgram" /dev/log >log &
until grep -q listening log; do sleep 0.1; done
"$zqfs" --pid-file=pid a.qcow2 mnt >said 2>&1
cp pid pid-was
! dd if=/dev/zero of=mnt/seq/1 bs=512 seek=3 count=1 conv=notrunc status=none 2>/dev/null
wait
"$zqfs" umount mnt
END
unshare -m sh -e ./inside "$ZQFS" "$TOOLS/dgram" || fail "status $?: $(cat log)"
assert_eq "$(cat said)" "" "what is said on the terminal"
grep -qF "zqfs[$(cat pid-was)]: a.qcow2: zone 1 (seq/1): a write at 1536 was refused, the next byte is 0" log ||
    fail "in syslog: $(cat log)"
