#!/usr/bin/env bash
# The tree: folders, numbers of files, inode numbers, sizes of folders, statfs.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse
requires getfattr

conf_create "$DIR/a.qcow2"
M=$DIR/mnt
mount_image "$DIR/a.qcow2" "$M"

numbers() { seq "$1" "$2" | tr '\n' ' ' | sed 's/ $//'; }
listing() { find "$1" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -n | tr '\n' ' ' | sed 's/ $//'; }

t "folders" "cnv seq" listing "$M"
t "conventional files" "$(numbers 0 3)" listing "$M/cnv"
t "sequential files" "$(numbers 0 7)" listing "$M/seq"
t "size of cnv" 4 size_of "$M/cnv"
t "size of seq" 8 size_of "$M/seq"
t "size of the root" 4 size_of "$M"
t "mode of folders" "555 555 555" echo "$(mode_of "$M") $(mode_of "$M/cnv") $(mode_of "$M/seq")"
t "links of the root" 4 fact %h "$M"
t "links of folders" "2 2" echo "$(fact %h "$M/cnv") $(fact %h "$M/seq")"
t "links of a file" "1 1" echo "$(fact %h "$M/cnv/0") $(fact %h "$M/seq/0")"
t "types" "directory directory directory" echo \
    "$(fact %F "$M") $(fact %F "$M/cnv") $(fact %F "$M/seq")"
t "inodes of conventional files" "1 2 4" echo \
    "$(fact %i "$M/cnv/0") $(fact %i "$M/cnv/1") $(fact %i "$M/cnv/3")"
t "inodes of sequential files" "5 6 12" echo \
    "$(fact %i "$M/seq/0") $(fact %i "$M/seq/1") $(fact %i "$M/seq/7")"
t "inodes of folders" "13 14 15" echo \
    "$(fact %i "$M") $(fact %i "$M/cnv") $(fact %i "$M/seq")"
# the inode of "." and ".." is the file system's own matter, of a mount point the host's
t "inodes in readdir of seq" "$(for n in 0 1 2 3 4 5 6 7; do echo "$((n + 5)) f $n"; done)" \
    sh -c "$TOOLS/zpath dirents $M/seq | grep -v '[.]' | sort -n"
t "inodes in readdir of the root" "14 d cnv
15 d seq" sh -c "$TOOLS/zpath dirents $M | grep -v '[.]' | sort -n"
t "st_blocks of a conventional file" $((ZONE / 512)) fact %b "$M/cnv/0"
t "st_blocks of a sequential file" $((CAP / 512)) fact %b "$M/seq/0"
t "st_blksize" "4096 4096" echo "$(fact %o "$M/cnv/0") $(fact %o "$M/seq/0")"
t "sizes" "$ZONE 0" echo "$(size_of "$M/cnv/0") $(size_of "$M/seq/0")"

blocks() { zpath statfs "$M" | tr ' ' '\n' | sed -n "s/^$1=//p"; }
bytes() { echo $(($(blocks "$1") * $(blocks bsize))); }
t "statfs: all" $((4 * ZONE + 8 * CAP)) bytes blocks
t "statfs: free" $((8 * CAP)) bytes bfree
t "statfs: available" $((8 * CAP)) bytes bavail
t "statfs: files" 14 blocks files
t "statfs: free files" 0 blocks ffree
t "statfs: name length" 16 blocks namelen
zio "$M/seq/0" w pwrite:0:64K >/dev/null
t "statfs moves with a write" $((8 * CAP - 65536)) bytes bfree
truncate -s $CAP "$M/seq/0"
t "statfs moves with a finish" $((7 * CAP)) bytes bfree
truncate -s 0 "$M/seq/0"
t "statfs moves with a reset" $((8 * CAP)) bytes bfree
zio "$M/cnv/0" w pwrite:0:64K >/dev/null
t "statfs stays with conventional writes" $((8 * CAP)) bytes bfree
t "statfs below" "$(zpath statfs "$M")" zpath statfs "$M/seq/3"

attrs() { echo "$(attr "$M" nr_zones) $(attr "$M" nr_conventional) $(attr "$M" size)"; }
t "attributes of the root" "12 4 $ZONE" attrs
unmount "$M"

# ---- no conventional zones, many zones, a short last zone -----------------------------------------

"$ZQFS" create -o zone.size=64K "$DIR/b.qcow2" $((64 * 1024 * 5000 + 8192)) >/dev/null
mount_image "$DIR/b.qcow2" "$M"
t "without conventional zones: no cnv" "seq" listing "$M"
t "ENOENT" ENOENT zpath lstat "$M/cnv"
t "size of the root" 3 size_of "$M"
t "links of the root" 3 fact %h "$M"
t "many files" 5001 sh -c "ls $M/seq | wc -l"
t "each once" 5001 sh -c "ls -U $M/seq | sort -u | wc -l"
t "listed twice is the same" "" diff <(ls -U "$M/seq") <(ls -U "$M/seq")
t "size of seq" 5001 size_of "$M/seq"
t "inode of the root" 5002 fact %i "$M"
t "inode of seq" 5004 fact %i "$M/seq"
t "inode of the last" 5001 fact %i "$M/seq/5000"
t "the short last zone" "8192 16" echo "$(attr "$M/seq/5000" size) $(fact %b "$M/seq/5000")"
t "its capacity" "8192 8192 EFBIG full" echo "$(attr "$M/seq/5000" capacity)" \
    "$(zio "$M/seq/5000" w pwrite:0:16K append:0:512) $(state "$M/seq/5000")"
t "statfs files" 5002 blocks files
unmount "$M"

# ---- other layouts --------------------------------------------------------------------------------

mount_image "$DIR/a.qcow2" "$M" -o aggr_cnv
t "aggr_cnv" "0" listing "$M/cnv"
t "aggr_cnv: size of cnv" 1 size_of "$M/cnv"
t "aggr_cnv: its size" $((4 * ZONE)) size_of "$M/cnv/0"
t "aggr_cnv: blocks" $((4 * ZONE / 512)) fact %b "$M/cnv/0"
t "aggr_cnv: sequential files keep their names" "$(numbers 0 7)" listing "$M/seq"
t "aggr_cnv: statfs files" 11 blocks files
t "aggr_cnv: no second file" ENOENT zpath lstat "$M/cnv/1"
unmount "$M"

mount_image "$DIR/a.qcow2" "$M" -o layout=zloop
names="cnv-000000 cnv-000001 cnv-000002 cnv-000003 seq-000004 seq-000005 seq-000006 seq-000007"
names="$names seq-000008 seq-000009 seq-000010 seq-000011"
t "zloop: names" "$names" listing "$M"
t "zloop: number" 7 attr "$M/seq-000007" number
t "zloop: write" "512 512" zio "$M/seq-000007" w pwrite:0:512 size
t "zloop: conventional" "512" zio "$M/cnv-000001" w pwrite:777:512
t "zloop: other spellings" "ENOENT ENOENT ENOENT" echo "$(zpath lstat "$M/seq-7")" \
    "$(zpath lstat "$M/seq-000003") $(zpath lstat "$M/cnv-000004")"
t "zloop: no folder" ENOENT zpath lstat "$M/seq"
unmount "$M"
mount_image "$DIR/a.qcow2" "$M" -o layout=zonefs
t "layout=zonefs is the usual one" "512" size_of "$M/seq/3"
conf_done
