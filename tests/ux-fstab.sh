#!/usr/bin/env bash
# Lines of fstab: mount DIR, mount -a and umount, with the types zqfs and fuse.zqfs.
# serial: a mount namespace of its own holds the mounts that other tests end meanwhile
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_root
requires_fuse
requires unshare mount getfattr
unshare -m true 2>/dev/null || skip "no mount namespace to be had"
[ "$(stat -c %i /sbin/.)" = "$(stat -c %i /usr/sbin/.)" ] || skip "/sbin is not /usr/sbin here"
cd "$DIR"
mkdir one two three four sbin
for i in a b c d; do
    "$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=1 $i.qcow2 8M
done
cat >fstab <<END
$DIR/a.qcow2 $DIR/one   fuse.zqfs nofail,_netdev,x-systemd.requires=network.target,perm=600,uid=7 0 0
$DIR/b.qcow2 $DIR/two   zqfs      ro,users,comment=here 0 0
$DIR/c.qcow2 $DIR/three fuse.zqfs noauto,allow_other,errors=zone-ro 0 0
$DIR/no-such $DIR/four  fuse.zqfs nofail 0 0
END

# mount(8) finds its helpers in /sbin only: in a namespace of its own, this one holds ours.
ln -s "$ZQFS" sbin/mount.zqfs
ln -s "$ZQFS" sbin/mount.fuse.zqfs
cat >inside <<'END'
zqfs=$1
mount --bind sbin /usr/sbin
fail() { echo "fail: $*"; exit 1; }
mounted() { grep -q " $PWD/$1 fuse.zqfs " /proc/self/mounts; }

mount -a -T fstab && fail "mount -a does not say that four failed"
mounted one || fail "one is not mounted"
mounted two || fail "two is not mounted"
mounted three && fail "three is mounted, in spite of noauto"
mounted four && fail "four is mounted"
stat -c '%a %u' one/seq/0 >stat-one
echo x 2>/dev/null >>two/seq/0 && fail "written to two, in spite of ro"

mount -T fstab three || fail "mount three: status $?"
mounted three || fail "three is not mounted"
grep " $PWD/three " /proc/self/mounts >options
echo hello >>three/seq/0

# again is no error: what is mounted is left as it is
mount -a -T fstab 2>&1 | grep -v no-such && fail "mount -a complains about what is mounted"

umount two || fail "umount two: status $?"
"$zqfs" umount one || fail "zqfs umount one: status $?"
"$zqfs" umount three || fail "zqfs umount three: status $?"

# -f only pretends, -o adds to what the line says
mount -f -T fstab three || fail "mount -f: status $?"
mounted three && fail "mount -f has mounted"
mount -T fstab -o ro three || fail "mount -o ro: status $?"
echo x 2>/dev/null >>three/seq/0 && fail "written, in spite of -o ro"
"$zqfs" umount three

# a failure has the helper's words and a status
mount -t fuse.zqfs d.qcow2 four -o strickt 2>said && fail "a mistyped option is taken"
grep -q "strickt" said || fail "said: $(cat said)"
exit 0
END
unshare -m bash ./inside "$ZQFS" || fail "in the namespace: status $?"
assert_eq "$(cat stat-one)" "600 7" "mode and owner of a zone file"
grep -q "allow_other" options || fail "options of three: $(cat options)"
assert_eq "$("$ZQFS" report --csv c.qcow2 | sed -n 3p | cut -d , -f 1-7)" \
    "1,sequential,closed,1048576,1048576,1048576,1049088" "the zone written through fstab's mount"

# without the helper, through FUSE's own: it runs zqfs from a standard PATH
[ -x /sbin/mount.fuse ] || [ -x /sbin/mount.fuse3 ] || exit 0
mkdir bin
ln -s "$ZQFS" bin/zqfs
cat >inside <<'END'
mount --bind bin /usr/local/bin
mount -T fstab "$PWD/three"
grep " $PWD/three fuse.zqfs " /proc/self/mounts
head -n 1 three/seq/0 >read
bin/zqfs umount three
END
unshare -m sh -e ./inside || fail "through mount.fuse: status $?"
assert_eq "$(cat read)" "hello" "what zone 0 holds"
