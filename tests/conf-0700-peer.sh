#!/usr/bin/env bash
# What zonefs-tools' scripts do and no other script here: inodes that are dropped, one cnv file, fio.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse
requires getfattr
M=$DIR/mnt
S=$M/seq
owner() { fact %u:%g "$1"; }
me=$(id -u):$(id -g)
conf_create "$DIR/a.qcow2"

# ---- 0023: policies that there are not --------------------------------------------------------

mkdir "$M"
for bad in errors=continue errors=panic foo=bar bad_option; do
    refused "-o $bad" 1 "${bad%%=*}" "$ZQFS" -o $bad "$DIR/a.qcow2" "$M"
done

# ---- 0045, 0061 to 0065, 0081 to 0085, 0111, 0201, 0203: one file for all conventional zones -------

mount_image "$DIR/a.qcow2" "$M" -o aggr_cnv
t "aggr_cnv: mode and owner" "640 $me" fact "%a %u:%g" "$M/cnv/0"
t "aggr_cnv: inodes" "1 5 12 13 14 15" echo "$(fact %i "$M/cnv/0") $(fact %i "$S/0")" \
    "$(fact %i "$S/7") $(fact %i "$M") $(fact %i "$M/cnv") $(fact %i "$S")"
t "aggr_cnv: blocks of all files" $((4 * ZONE + 8 * CAP)) \
    echo $(($(stat -f -c '%b * %S' "$M")))
t "aggr_cnv: truncate" "EPERM EPERM" echo \
    "$(zpath truncate "$M/cnv/0" 0) $(zpath truncate "$M/cnv/0" $ZONE)"
t "aggr_cnv: unlink" EPERM zpath unlink "$M/cnv/0"

if [ "$(id -u)" -eq 0 ]; then
    zpath chmod "$M/cnv/0" 770 >/dev/null
    zpath chmod "$S/0" 770 >/dev/null
    zpath chown "$M/cnv/0" 1000 1000 >/dev/null
    zpath chown "$S/0" 1000 2000 >/dev/null
    evict "$M"
    t "aggr_cnv: chmod and chown outlive the inode" "770 1000:1000" fact "%a %u:%g" "$M/cnv/0"
    t "and those of a sequential file" "770 1000:2000" fact "%a %u:%g" "$S/0"
    t "and no other file has them" "640 $me" fact "%a %u:%g" "$S/1"
fi
unmount "$M"
mount_image "$DIR/a.qcow2" "$M" -o aggr_cnv,uid=1000,gid=2000,perm=770
t "aggr_cnv: uid=, gid=, perm=" "770 1000:2000 770 1000:2000" echo \
    "$(fact "%a %u:%g" "$M/cnv/0") $(fact "%a %u:%g" "$S/7")"
unmount "$M"

# ---- 0513, 0518, 0519: what counts as open for writing -----------------------------------------------

# an image without limits ignores explicit-open, as zonefs does
"$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=2,zone.max_open_zones=4 "$DIR/l.qcow2" 16M
mount_image "$DIR/l.qcow2" "$M" -o explicit-open
counts="\$($TOOLS/zpath get $M user.zone.nr_active) \$($TOOLS/zpath get $M user.zone.nr_write_open)"
t "open for reading counts nowhere" 0 zio "$S/0" r "sh:exec 4<$S/1 5<$S/2; test \"$counts\" = '0 0'"
t "conventional files neither" 0 zio "$M/cnv/0" rw "sh:exec 4<>$M/cnv/1; test \"$counts\" = '0 0'"
t "written ones neither" "4096 0" zio "$M/cnv/0" rw,direct pwrite:0:4096 "sh:test \"$counts\" = '0 0'"
t "sequential ones do" 0 zio "$S/0" w "sh:exec 4>>$S/1; test \"$counts\" = '2 2'"
unmount "$M"

# ---- 0305: asynchronous writes ahead of the pointer ---------------------------------------------------

if ! has_libaio; then
    echo "fio with libaio is not installed: its cases are left out"
    conf_done
    exit 0
fi
mount_image "$DIR/a.qcow2" "$M"
# every second block: the first is in its place
ok "asynchronous writes ahead of the pointer" fio_fails "Invalid argument" --filename="$S/0" \
    --rw=write:4k --bs=4k --size=128k --direct=1 --ioengine=libaio --iodepth=8 --file_append=1
t "only the first is written" "4096 implicit-open" echo "$(size_of "$S/0") $(state "$S/0")"
t "and the file takes writes" 4096 zio "$S/0" w,direct pwrite:4096:4096

# ---- 0309: a mapping that writes, also of a full zone --------------------------------------------------

zpath truncate "$S/0" $CAP >/dev/null
ok "mapped writes to a full zone" fio_fails "No such device" --filename="$S/0" --rw=randwrite --bs=4k \
    --size=768k --ioengine=mmap --file_append=0

# ---- 0310 to 0330: what was written, read in every way after a remount ---------------------------------

empty "$S/0"
verify="--verify=md5 --bs=64k --size=768k"
# shellcheck disable=SC2086
{
    ok "fill" run_fio --filename="$S/0" --rw=write --file_append=1 --direct=1 --ioengine=libaio \
        --iodepth=8 $verify
    remount_image "$DIR/a.qcow2" "$M"
    for how in "psync 0" "libaio 0" "psync 1" "libaio 1" "pvsync2 0" "mmap 0"; do
        for rw in read randread; do
            ok "$rw, ${how% *}, direct ${how#* }" run_fio --filename="$S/0" --rw=$rw \
                --ioengine="${how% *}" --iodepth=8 --direct="${how#* }" $verify --readonly
        done
    done
    ok "the whole zone in one read" run_fio --filename="$S/0" --rw=read --ioengine=psync \
        --bs=768k --size=768k --readonly
    for engine in pvsync2 libaio; do
        empty "$S/0"
        ok "dsync writes of vectors, $engine" run_fio --filename="$S/0" --rw=write --file_append=1 \
            --direct=1 --sync=dsync --ioengine=$engine --iodepth=8 $verify
    done
}
unmount "$M"

# ---- 0204 to 0223: conventional files, one zone and all of them ------------------------------------------

for options in "" aggr_cnv; do
    mount_image "$DIR/a.qcow2" "$M" ${options:+-o "$options"}
    size=$(size_of "$M/cnv/0")
    for how in "psync 0" "libaio 0" "psync 1" "libaio 1" "mmap 0"; do
        for rw in randwrite write; do
            ok "${options:-cnv/0}: $rw, ${how% *}, direct ${how#* }" run_fio \
                --filename="$M/cnv/0" --rw=$rw --ioengine="${how% *}" --iodepth=64 \
                --direct="${how#* }" --bs=128k --size="$size" --verify=md5 --overwrite=1
        done
    done
    random_bytes "$size" >"$DIR/want"
    for direct in "" direct; do
        ok "all of it in one ${direct:-buffered} write" dd if="$DIR/want" of="$M/cnv/0" bs="$size" \
            count=1 iflag=fullblock conv=notrunc ${direct:+oflag=direct} status=none
        ok "all of it in one ${direct:-buffered} read" sh -c "dd if=$M/cnv/0 bs=$size count=1 \
            ${direct:+iflag=direct} status=none | cmp - $DIR/want"
    done
    unmount "$M"
    mount_image "$DIR/a.qcow2" "$M" ${options:+-o "$options"}
    ok "and after a remount" cmp "$M/cnv/0" "$DIR/want"
    unmount "$M"
done
conf_done
