#!/usr/bin/env bash
# What only some users or machines may: what stands in the way is said, and what to do about it.
# serial: a mount namespace of its own holds the mounts that other tests end meanwhile
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_root
requires_fuse
requires unshare setpriv
unshare -m true 2>/dev/null || skip "no mount namespace to be had"
cd "$DIR"
mkdir mnt
"$ZQFS" create -q -o zone.size=1M a.qcow2 8M

# In a namespace of its own, where the machine's files can be covered.
cat >no-fuse <<'END'
mkdir empty
mount -t tmpfs none empty
mknod -m 666 empty/null c 1 3
mount --rbind empty /dev
"$1" a.qcow2 mnt
END
assert_status 1 unshare -m sh -e ./no-fuse "$ZQFS"
assert_eq "$(cat out)" "zqfs: /dev/fuse: No such file or directory; load it with: modprobe fuse (in a \
container: give it the device)" "without /dev/fuse"

# As somebody else than root. The program is copied where everybody can reach it; where /dev/fuse
# is for root only, one that is for all lies over it.
[ -e /etc/fuse.conf ] || skip "no /etc/fuse.conf"
requires fusermount3
chmod 755 .
install -m 755 "$ZQFS" zqfs
chown -R 65534:65534 mnt a.qcow2
cat >as-user <<'END'
mount --bind "$1" /etc/fuse.conf
shift
if [ -c fuse ]; then
    mount --bind fuse /dev/fuse
fi
exec setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"
END
as_user() { # FUSE.CONF COMMAND...
    unshare -m sh -e ./as-user "$@"
}
# a /dev/fuse that the user may not open
mknod -m 600 closed c 10 229 || skip "no devices can be made here"
assert_status 1 unshare -m sh -ec 'mount --bind closed /dev/fuse
    exec setpriv --reuid=65534 --regid=65534 --clear-groups ./zqfs a.qcow2 mnt'
assert_eq "$(cat out)" "zqfs: /dev/fuse: users may not open it here; as root: chmod 666 /dev/fuse (in a \
container: give it the device)" "with a /dev/fuse for root only"

echo '#user_allow_other' >refuses
echo 'user_allow_other' >permits
chmod 644 refuses permits
if ! as_user refuses sh -c ': </dev/fuse'; then
    mknod -m 666 fuse c 10 229 || skip "only root may use /dev/fuse here"
    as_user refuses sh -c ': </dev/fuse' || skip "only root may use /dev/fuse here"
fi

assert_status 1 as_user refuses ./zqfs -o allow_other a.qcow2 mnt
assert_eq "$(cat out)" "zqfs: option allow_other: only root may use it, unless /etc/fuse.conf has the \
line user_allow_other" "allow_other refused"
# without the option, or with the line, the same user may
assert_status 0 as_user refuses sh -ec './zqfs a.qcow2 mnt; echo x >>mnt/seq/0; ./zqfs umount mnt'
assert_status 0 as_user permits sh -ec './zqfs -o allow_other a.qcow2 mnt; echo x >>mnt/seq/0
    ./zqfs umount mnt'
assert_eq "$("$ZQFS" report --csv a.qcow2 | sed -n 2p | cut -d , -f 1-7)" \
    "0,sequential,closed,0,1048576,1048576,1024" "the zone after both"

# a folder of somebody else
mkdir theirs
assert_status 1 as_user refuses ./zqfs a.qcow2 theirs
assert_eq "$(cat out)" "zqfs: theirs: cannot mount there: a user must be allowed to write to the folder" \
    "mounting on a folder of root"
# an image that may only be read
chmod 444 a.qcow2
assert_status 0 as_user refuses sh -ec './zqfs a.qcow2 mnt; ./zqfs umount mnt'
assert_eq "$(cat out)" "zqfs: a.qcow2: mounted read-only: no permission to write to the file" \
    "mounting what may only be read"
assert_status 1 as_user refuses ./zqfs -o rw a.qcow2 mnt
