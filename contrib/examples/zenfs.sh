#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# RocksDB on ZenFS on a zoned image: makes the image that ZenFS expects, mounts it, and makes ZenFS's
# file system in it where the program zenfs is installed.
#
#     zenfs.sh [-z ZONE_SIZE] IMAGE SIZE MOUNTPOINT AUX_FOLDER
#
# IMAGE is made and formatted if it is not there; one that is there is only mounted. AUX_FOLDER is where
# ZenFS keeps its log and lock files.
#
# What ZenFS needs:
# * It asks /sys/fs/zonefs for the limits of open and active zones. Nothing there knows a FUSE mount,
#   and so it takes both to be 14: the image has 14 of each. More, or no limit, would do too. With
#   fewer, writes and the opening of the database fail with "Device or resource busy".
# * It never calls fsync. With O_DIRECT on a real disk a write is nearly safe when it returns; here
#   -o sync makes it so.
# * At least 32 sequential zones, of which it takes 3 for itself. Conventional ones it does not use.
set -euo pipefail
usage='usage: zenfs.sh [-z ZONE_SIZE] IMAGE SIZE MOUNTPOINT AUX_FOLDER'

zone_size=64M
if [ "${1:-}" = -z ]; then
    zone_size=${2:?$usage}
    shift 2
fi
image=${1:?$usage} size=${2:?$usage} mnt=${3:?$usage} aux=${4:?$usage}

new=
if [ ! -e "$image" ]; then
    zqfs create -o "zone.size=$zone_size" -o zone.max_open_zones=14 -o zone.max_active_zones=14 "$image" "$size"
    new=1
fi
mkdir -p "$mnt"
zqfs -o sync "$image" "$mnt"
mnt=$(cd "$mnt" && pwd -P)
trap 'zqfs umount "$mnt"' EXIT # until all is well

attr() { # NAME
    getfattr --only-values --absolute-names -n "user.zone.$1" "$mnt"
}
sequential=$(($(attr nr_zones) - $(attr nr_conventional)))
if [ "$sequential" -lt 32 ]; then
    echo "zenfs.sh: $image has $sequential sequential zones, and ZenFS wants 32" >&2
    exit 1
fi
for limit in max_open max_active; do
    n=$(attr "$limit")
    if [ "$n" -ne 0 ] && [ "$n" -lt 14 ]; then
        echo "zenfs.sh: $image has the limit $limit=$n, and ZenFS takes it for 14" >&2
        exit 1
    fi
done

case $aux in
    /*) ;;
    *) aux=$PWD/$aux ;; # ZenFS keeps the name as it is
esac
mkfs=(zenfs mkfs "--zonefs=$mnt" "--aux_path=$aux")
bench=(db_bench "--fs_uri=zenfs://zonefs:$mnt" "--benchmarks=fillrandom,compact,readrandom,verifychecksum"
    --use_direct_io_for_flush_and_compaction)
if [ -n "$new" ] && command -v zenfs >/dev/null; then
    "${mkfs[@]}"
    new=
    echo # its message has no end
fi
trap - EXIT
echo "mounted; next, for instance:"
[ -z "$new" ] || printf '    %s\n' "${mkfs[*]}"
printf '    %s\n' "${bench[*]}" "zqfs umount $mnt"
