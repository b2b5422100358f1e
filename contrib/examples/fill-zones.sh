#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Fills all empty zones of a mount, several at a time, and shows how fast that was:
#
#     fill-zones.sh MOUNTPOINT [JOBS]
#
# Writers of different zones do not wait for each other. More writers than the disk has open zones
# take slots from each other, so the limit bounds the number of jobs.
set -euo pipefail

mnt=${1:?usage: fill-zones.sh MOUNTPOINT [JOBS]}
jobs=${2:-$(nproc)}
max_open=$(getfattr --only-values --absolute-names -n user.zone.max_open "$mnt")
if [ "$max_open" -gt 0 ] && [ "$jobs" -gt "$max_open" ]; then
    echo "the disk has $max_open open zones: $max_open jobs" >&2
    jobs=$max_open
fi

# A worker: one zone, in pieces of 1 MiB, from its first byte to its capacity.
fill() { # FILE
    local capacity
    capacity=$(getfattr --only-values --absolute-names -n user.zone.capacity "$1")
    dd if=/dev/zero of="$1" bs=1M count="$capacity" iflag=count_bytes oflag=append conv=notrunc \
        status=none
}
export -f fill

start=$(date +%s%N)
# shellcheck disable=SC2016 # for the inner shell
find "$mnt/seq" -type f -size 0 -print0 | xargs -0 -r -n 1 -P "$jobs" bash -euc 'fill "$1"' fill
# One is enough: it makes the whole image durable.
sync "$mnt/seq/0"
ms=$((($(date +%s%N) - start) / 1000000))

bytes=$(find "$mnt/seq" -type f -printf '%s\n' | awk '{ n += $1 } END { printf "%.0f", n }')
echo "$bytes bytes in all sequential zones, after $ms ms with $jobs at a time"
