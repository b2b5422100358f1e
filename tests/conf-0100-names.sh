#!/usr/bin/env bash
# Names: what exists, what does not, and that nothing can be made, renamed or removed.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse

conf_create "$DIR/a.qcow2"
M=$DIR/mnt
mount_image "$DIR/a.qcow2" "$M"

for name in 00 01 000 +1 " 0" "0 " 1a a1 -1 -0 0x1 8 9 10 4294967296 9999999999999999 1. ١ .hidden; do
    t "seq/$name" ENOENT zpath lstat "$M/seq/$name"
done
for name in 4 00 +0; do
    t "cnv/$name" ENOENT zpath lstat "$M/cnv/$name"
done
for name in 0 cnv0 CNV sequential se; do
    t "/$name" ENOENT zpath lstat "$M/$name"
done
t "16 characters" ENOENT zpath lstat "$M/seq/1234567890123456"
t "17 characters" ENAMETOOLONG zpath lstat "$M/seq/12345678901234567"
t "17 characters in the root" ENAMETOOLONG zpath lstat "$M/12345678901234567"
t "255 characters" ENAMETOOLONG zpath lstat "$M/seq/$(printf '%0255d' 0)"
t "making a name of 17 characters" ENAMETOOLONG zpath create "$M/seq/12345678901234567"
t "a file is no folder" ENOTDIR zpath lstat "$M/seq/0/0"

for where in "$M/new" "$M/seq/new" "$M/seq/8" "$M/seq/00" "$M/cnv/new"; do
    name=${where#"$M"/}
    t "create $name" ENOENT zpath create "$where"
    t "mkdir $name" ENOENT zpath mkdir "$where"
    t "mknod $name" ENOENT zpath mknod "$where"
    t "mkfifo $name" ENOENT zpath mkfifo "$where"
    t "symlink $name" ENOENT zpath symlink 0 "$where"
    t "link $name" ENOENT zpath link "$M/seq/0" "$where"
    t "rename to $name" ENOENT zpath rename "$M/seq/0" "$where"
    t "unlink $name" ENOENT zpath unlink "$where"
    t "rmdir $name" ENOENT zpath rmdir "$where"
done
for where in "$M/seq" "$M/seq/0" "$M/cnv/0"; do
    name=${where#"$M"/}
    t "mkdir $name" EEXIST zpath mkdir "$where"
    t "mknod $name" EEXIST zpath mknod "$where"
    t "symlink $name" EEXIST zpath symlink 0 "$where"
    t "link to $name" EEXIST zpath link "$M/seq/1" "$where"
done
t "create of what is there" EEXIST zpath create "$M/seq/0"
t "unlink of a file" EPERM zpath unlink "$M/seq/0"
t "unlink of a conventional file" EPERM zpath unlink "$M/cnv/0"
t "unlink of a folder" EISDIR zpath unlink "$M/seq"
t "rmdir of a folder" EPERM zpath rmdir "$M/seq"
t "rmdir of a file" ENOTDIR zpath rmdir "$M/seq/0"
t "rename onto another file" EPERM zpath rename "$M/seq/0" "$M/seq/1"
t "rename to itself" 0 zpath rename "$M/seq/0" "$M/seq/0"
t "rename of a folder" EPERM zpath rename "$M/seq" "$M/cnv"
t "rename over folders" EPERM zpath rename "$M/seq/0" "$M/cnv/0"
t "rename to outside" EXDEV zpath rename "$M/seq/0" "$DIR/x"
t "rename from outside" EXDEV zpath rename "$DIR/a.qcow2" "$M/seq/0"
t "hard link to outside" EXDEV zpath link "$M/seq/0" "$DIR/x"
t "hard link within a folder of a new name" ENOENT zpath link "$M/seq/0" "$M/seq/x"
t "O_TMPFILE" EOPNOTSUPP zpath tmpfile "$M/seq"
t "O_TMPFILE in the root" EOPNOTSUPP zpath tmpfile "$M"
t "all files are still there" "4 8" echo "$(find "$M/cnv" -type f | wc -l)" \
    "$(find "$M/seq" -type f | wc -l)"
t "readlink" "" readlink "$M/seq/0"
t "a folder cannot be written" EISDIR zpath open "$M/seq" w
t "a folder cannot be truncated" EISDIR zpath truncate "$M/seq" 0
ok "ls -lR" ls -lR "$M"
ok "find" find "$M" -name '*x*'
ok "du" du -a "$M"
ok "tar of all files" tar -cf /dev/null -C "$M" .
conf_done
