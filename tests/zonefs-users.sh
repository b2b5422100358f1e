#!/usr/bin/env bash
# Who may do what: a mount of an ordinary user, default_permissions, modes on files and folders.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse
requires_root
requires setpriv fusermount3 getfattr setfattr
fuse_for_users
M=$DIR/mnt
S=$M/seq
for_all_users
# fusermount3 wants one that has a name
U=$(id -u nobody) G=$(id -g nobody)
as_user=(setpriv --reuid="$U" --regid="$G" --clear-groups)
user() { "${as_user[@]}" "$@"; }
mkdir "$DIR/home"
chown "$U:$G" "$DIR/home"
as() { # UID COMMAND...
    local uid=$1
    shift
    setpriv --reuid="$uid" --regid="$uid" --clear-groups --no-new-privs "$@"
}

# ---- an ordinary user mounts ------------------------------------------------------------------------

image=$DIR/home/a.qcow2
conf_create "$image"
chown "$U:$G" "$image"
mkdir "$M"
chown "$U:$G" "$M"
: >"$DIR/stderr"
if ! user test -w /dev/fuse || ! user "$ZQFS" "$image" "$M" 2>"$DIR/stderr"; then
    cat "$DIR/stderr"
    skip "an ordinary user cannot mount here"
fi
mounts_+=("$M")
daemons_+=("$(daemon_of_ "$M")")
t "he owns the files" "$U:$G 640" user stat -c "%u:%g %a" "$S/0"
t "and the folders" "$U:$G 555" user stat -c "%u:%g %a" "$S"
t "he writes" "512 512" user "$TOOLS/zio" "$S/0" w pwrite:0:512 size
t "reads" "512" user "$TOOLS/zio" "$S/0" r pread:0:512
t "sets states" 0 user "$TOOLS/zpath" set "$S/0" user.zone.command close
t "makes a zone read-only" "0" user "$TOOLS/zpath" set "$S/1" user.zone.command read-only
t "takes his own right to read away" "0 open:EACCES" echo \
    "$(user "$TOOLS/zpath" chmod "$S/0" 200) $(user "$TOOLS/zio" "$S/0" r pread:0:512)"
t "and to write" "0 open:EACCES" echo \
    "$(user "$TOOLS/zpath" chmod "$S/0" 400) $(user "$TOOLS/zio" "$S/0" w append:0:512)"
t "which truncate respects" EACCES user "$TOOLS/zpath" truncate "$S/0" 0
t "gives it back" "0 512" echo \
    "$(user "$TOOLS/zpath" chmod "$S/0" 600) $(user "$TOOLS/zio" "$S/0" w append:0:512)"
t "an open file takes a truncation whatever became of its mode" "0 0 0" user "$TOOLS/zio" "$S/2" w \
    "sh:chmod 400 $S/2" trunc:0 size
t "cannot give a file away" EPERM user "$TOOLS/zpath" chown "$S/0" 4321 "$G"
t "nor to a group he is not in" EPERM user "$TOOLS/zpath" chown "$S/0" "$U" 4321
t "sets times of a file" "0 1000000000" echo \
    "$(user "$TOOLS/zpath" utime "$S/0" 1000000000) $(user stat -c %Y "$S/0")"
t "and of a folder" "0 1000000000" echo \
    "$(user "$TOOLS/zpath" utime "$S" 1000000000) $(user stat -c %Y "$S")"
t "another user sees nothing" EACCES as 4321 "$TOOLS/zpath" lstat "$S/0"
t "not even root" EACCES zpath lstat "$S/0"
ok "he unmounts" user "$ZQFS" umount "$M"

# ---- his groups ---------------------------------------------------------------------------------------

as_user=(setpriv --reuid="$U" --regid="$G" --groups=4321)
for options in uid="$U" seccomp; do
    user "$ZQFS" ${ZQFS_TEST_OPTIONS:+-o "$ZQFS_TEST_OPTIONS"} -o "$options" "$image" "$M"
    t "$options: a file for another group of his" "0 4321" echo \
        "$(user chgrp 4321 "$S/0" && echo $?) $(user stat -c %g "$S/0")"
    t "$options: not for one that is not his" EPERM user "$TOOLS/zpath" chown "$S/0" "$U" 4322
    t "$options: setgid for that group" 2770 user sh -c "chmod 2770 $S/0; stat -c %a $S/0"
    ok "$options: the end" user "$ZQFS" umount "$M"
done
user "$ZQFS" -o gid=4322 "$image" "$M"
t "no setgid for a group that is not his" "770 4770" echo \
    "$(user chmod 2770 "$S/0"; user stat -c %a "$S/0")" \
    "$(user chmod 6770 "$S/1"; user stat -c %a "$S/1")"
ok "and the end" user "$ZQFS" umount "$M"
as_user=(setpriv --reuid="$U" --regid="$G" --clear-groups)
forget_mount_ "$M"
t "all is in the image" $((4 * ZONE + 1024)) sh -c "$ZQFS report --csv $image | sed -n 's/^4,.*,\([0-9]*\),.*/\1/p'"
grep -q '^[[:space:]]*user_allow_other' /etc/fuse.conf 2>/dev/null ||
    refused "allow_other takes root's leave" 1 "allow_other" "${as_user[@]}" "$ZQFS" -o allow_other "$image" "$M"
chown root "$image"
chmod 600 "$image"
refused "an image that he may not read" 1 "a.qcow2" "${as_user[@]}" "$ZQFS" "$image" "$M"
chmod 644 "$image"
ok "one that he may only read is mounted read-only" user "$ZQFS" "$image" "$M"
mounts_+=("$M")
daemons_+=("$(daemon_of_ "$M")")
t "and says so to a writer" open:EROFS user "$TOOLS/zio" "$S/2" w append:0:512
t "reading works" 512 user "$TOOLS/zio" "$S/0" r pread:0:512
user "$ZQFS" umount "$M"
forget_mount_ "$M"
refused "unless rw was asked for" 1 "a.qcow2" "${as_user[@]}" "$ZQFS" -o rw "$image" "$M"

# ---- default_permissions without allow_other, modes with it --------------------------------------------

mount_image "$image" "$M" -o default_permissions,uid=1234,gid=2345,perm=640
t "default_permissions alone lets nobody else in" EACCES zpath -u 1234 lstat "$S/0"
t "root may do all" "512" zio "$S/2" w append:0:512
unmount "$M"
mount_image "$image" "$M" -o allow_other,uid=1234,gid=2345,perm=640
t "the group reads" 0 zpath -u 4321:2345 open "$S/0" r
t "the group does not write" EACCES zpath -u 4321:2345 open "$S/0" w
t "nor reset" EACCES zpath -u 4321:2345 truncate "$S/0" 0
t "nor set states" EACCES zpath -u 4321:2345 set "$S/0" user.zone.command finish
t "the group reads attributes" "closed" zpath -u 4321:2345 get "$S/0" user.zone.state
t "others see sizes" 0 zpath -u 4321 lstat "$S/0"
t "read-only is for the owner to ask for" "EACCES 0" echo \
    "$(zpath -u 4321 set "$S/3" user.zone.command read-only)" \
    "$(zpath -u 1234 set "$S/3" user.zone.command read-only)"
chmod 000 "$S"
t "a folder without rights is closed to others" EACCES zpath -u 1234 lstat "$S/0"
t "opening it too" EACCES zpath -u 1234 opendir "$S"
chmod 555 "$S"
t "and open again" 0 zpath -u 1234 lstat "$S/0"
t "chmod of the owner, seen by others" "0 0" echo \
    "$(zpath -u 1234 chmod "$S/0" 666) $(zpath -u 4321 open "$S/0" rw)"
unmount "$M"

# ---- times --------------------------------------------------------------------------------------------

now=$(date +%s)
mount_image "$image" "$M"
for f in "$M" "$S" "$S/0" "$S/7" "$M/cnv/0"; do
    ok "times of ${f#"$DIR"/} start with the mount" test "$(fact %Y "$f")" -ge "$now" -a \
        "$(fact %X "$f")" -ge "$now" -a "$(fact %Z "$f")" -ge "$now"
done
t "chmod moves ctime only" "$(fact %y "$S/0")" sh -c "chmod 600 $S/0; stat -c %y $S/0"
conf_done
