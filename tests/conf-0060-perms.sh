#!/usr/bin/env bash
# Permissions: perm=, uid=, gid=, chmod, chown, utimes, and who may do what.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse
requires getfattr

conf_create "$DIR/a.qcow2"
M=$DIR/mnt
S=$M/seq/0
chmod 755 "$DIR"
owner() { fact %u:%g "$1"; }

mount_image "$DIR/a.qcow2" "$M"
t "default mode" "640 640" echo "$(mode_of "$S") $(mode_of "$M/cnv/0")"
t "default owner" "$(id -u):$(id -g) $(id -u):$(id -g)" echo "$(owner "$S") $(owner "$M/cnv/0")"
t "owner of folders" "$(id -u):$(id -g)" owner "$M/seq"
t "chmod" "0 600" echo "$(zpath chmod "$S" 600) $(mode_of "$S")"
t "chmod of another file only" 640 mode_of "$M/seq/1"
t "chmod of a conventional file" "0 444" echo "$(zpath chmod "$M/cnv/0" 444) $(mode_of "$M/cnv/0")"
t "chmod of a folder with a write bit" "EPERM 555" echo \
    "$(zpath chmod "$M/seq" 755) $(mode_of "$M/seq")"
t "chmod of a folder to less" "0 500" echo "$(zpath chmod "$M/seq" 500) $(mode_of "$M/seq")"
t "chmod of a folder back" "0 555" echo "$(zpath chmod "$M/seq" 555) $(mode_of "$M/seq")"
t "chmod of the root with a write bit" "EPERM 555" echo "$(zpath chmod "$M" 777) $(mode_of "$M")"
t "utimes" "0 1000000000 1000000000" echo \
    "$(zpath utime "$S" 1000000000) $(fact %Y "$S") $(fact %X "$S")"
t "a write moves mtime again" yes sh -c "$TOOLS/zio $S w append:0:512 >/dev/null;
    [ \$(stat -c %Y $S) -gt 1000000000 ] && echo yes"
if [ "$(id -u)" -eq 0 ]; then
    t "chown" "0 12:34" echo "$(zpath chown "$S" 12 34) $(owner "$S")"
    t "chown of a folder" "0 12:34" echo "$(zpath chown "$M/seq" 12 34) $(owner "$M/seq")"
fi
t "writes keep the mode" "600" mode_of "$S"
remount_image "$DIR/a.qcow2" "$M"
t "all of it until unmount only" "640 $(id -u):$(id -g)" echo "$(mode_of "$S") $(owner "$S")"
unmount "$M"

mount_image "$DIR/a.qcow2" "$M" -o uid=1234,gid=2345,perm=600
t "perm=" "600 600" echo "$(mode_of "$S") $(mode_of "$M/cnv/0")"
t "uid= and gid=" "1234:2345 1234:2345" echo "$(owner "$S") $(owner "$M/cnv/0")"
t "not of folders: their mode stays" 555 mode_of "$M/seq"
unmount "$M"
mount_image "$DIR/a.qcow2" "$M" -o perm=0444
t "perm= in octal with a zero" 444 mode_of "$S"
unmount "$M"
for bad in perm=888 perm=7777777 perm=x perm= uid=x uid=-1 gid=99999999999 uid=; do
    refused "-o $bad" 1 "${bad%%=*}" "$ZQFS" -o "$bad" "$DIR/a.qcow2" "$M"
done
if [ "$(id -u)" -ne 0 ]; then
    conf_done
    exit 0
fi

# ---- other users ---------------------------------------------------------------------------------

mount_image "$DIR/a.qcow2" "$M"
t "without allow_other nobody else gets in" EACCES zpath -u 1234 lstat "$S"
unmount "$M"

mount_image "$DIR/a.qcow2" "$M" -o allow_other
t "allow_other: lookup" 0 zpath -u 1234 lstat "$S"
t "allow_other: the mode says no" EACCES zpath -u 1234 open "$S" r
t "allow_other: nor writing" EACCES zpath -u 1234 open "$S" w
t "allow_other: truncate" EACCES zpath -u 1234 truncate "$S" 0
t "allow_other: chmod of another's file" EPERM zpath -u 1234 chmod "$S" 777
t "allow_other: chown" EPERM zpath -u 1234 chown "$S" 1234 1234
t "allow_other: create" EACCES zpath -u 1234 create "$M/seq/new"
t "allow_other: mkdir" EACCES zpath -u 1234 mkdir "$M/seq/new"
t "allow_other: unlink" EACCES zpath -u 1234 unlink "$S"
t "allow_other: rename" EACCES zpath -u 1234 rename "$S" "$M/seq/1"
t "allow_other: access" "EACCES 0" echo \
    "$(zpath -u 1234 access "$S" w) $(zpath -u 1234 access "$M/seq" x)"
t "allow_other: attributes are read by who may read" EACCES zpath -u 1234 get "$S" user.zone.state
t "allow_other: no command is taken" EACCES zpath -u 1234 set "$S" user.zone.command finish
t "allow_other: the group may read" 0 zpath -u "1234:$(id -g)" open "$S" r
t "allow_other: the group may not write" EACCES zpath -u "1234:$(id -g)" open "$S" w
t "allow_other: folders are listed" 0 zpath -u 1234 opendir "$M/seq"
unmount "$M"

mount_image "$DIR/a.qcow2" "$M" -o allow_other,uid=1234,gid=1234,perm=640
t "the owner may read and write" "0 0" echo \
    "$(zpath -u 1234 open "$S" r) $(zpath -u 1234 open "$S" w)"
t "the owner may reset" 0 zpath -u 1234 truncate "$S" 0
t "the owner may chmod" "0 600" echo "$(zpath -u 1234 chmod "$S" 600) $(mode_of "$S")"
t "the owner may set a state" "0 full" echo \
    "$(zpath -u 1234 set "$S" user.zone.command finish) $(state "$S")"
t "another user may not" EACCES zpath -u 4321 open "$S" r
unmount "$M"

mount_image "$DIR/a.qcow2" "$M" -o allow_other,perm=666
t "perm=666: all may write" "0 0" echo \
    "$(zpath -u 1234 open "$S" rw) $(zpath -u 1234 open "$M/cnv/0" rw)"
unmount "$M"

mount_image "$DIR/a.qcow2" "$M" -o allow_other,uid=1234,gid=4321
t "setgid for a group that the owner is not in" "0 770" echo \
    "$(zpath -u 1234 chmod "$S" 2770) $(mode_of "$S")"
t "setgid for one that he is in" "0 2770" echo \
    "$(zpath -u 1234:4321 chmod "$S" 2770) $(mode_of "$S")"
unmount "$M"

# ---- setuid and setgid, as on any file system -------------------------------------------------

as() { setpriv "--reuid=$1" "--regid=$1" --clear-groups sh -c "$2"; } # UID COMMAND
# The mode that a file has after the command, and that the kernel then believes in.
after() { # FILE UID COMMAND [MODE BEFORE]
    chmod "${4:-6777}" "$1"
    as "$2" "$3" >/dev/null || echo failed
    mode_of "$1"
}
for_all_users
mount_image "$DIR/a.qcow2" "$M" -o allow_other,suid
truncate -s 0 "$S"
t "another's append takes setuid away" 777 after "$S" 1234 "echo x >>$S"
t "another's second append as well" 777 after "$S" 1234 "echo x >>$S"
t "another's reset" 777 after "$S" 1234 "truncate -s 0 $S"
t "another's write to a conventional file" 777 after "$M/cnv/0" 1234 "echo x 1<>$M/cnv/0"
t "the same without the page cache" 777 after "$M/cnv/0" 1234 \
    "$TOOLS/zio $M/cnv/0 w pwrite:0:512 >/dev/null"
t "what is read takes nothing" 6777 after "$S" 1234 "cat $S"
t "root's append" 6777 after "$S" 0 "echo x >>$S"
t "a new owner" 777 after "$S" 0 "chown 1234 $S"
t "setgid of what the group cannot execute stays" 2767 after "$S" 1234 "echo x >>$S" 2767
unmount "$M"
conf_done
