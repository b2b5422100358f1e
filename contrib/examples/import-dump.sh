#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copies the dump of a real zoned device into an image. The dump is two files, made on the machine
# that has the device:
#
#     blkzone report /dev/sdX > report
#     dd if=/dev/sdX of=data bs=1M conv=sparse
#
#     import-dump.sh [-o KEY=VALUE,...] REPORT DATA IMAGE
#
# The image gets the geometry, every zone's data and write pointer. Limits of open and active
# zones do not stand in the report: give them with -o, as to "zqfs create".
set -euo pipefail

options=()
while getopts o: opt; do
    case $opt in
        o) options+=(-o "$OPTARG") ;;
        *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -eq 3 ] || { echo "usage: import-dump.sh [-o KEY=VALUE,...] REPORT DATA IMAGE" >&2; exit 2; }
report=$1 data=$2 image=$3

# "start: 0x80000, len 0x80000, cap 0x80000, wptr 0x8 reset:0 non-seq:0, zcond: 4(cl) [type: 2(...)]"
# in sectors of 512 bytes; the write pointer counts from the zone's start.
starts=() lens=() caps=() wptrs=() conds=() types=()
number='0x[0-9a-fA-F]+'
line_form="start: ($number), len ($number)(, cap ($number))?, wptr ($number)"
line_form+=".*zcond: *([0-9]+)\(.*type: *([0-9]+)\("
while IFS= read -r line; do
    [[ $line =~ $line_form ]] || { echo "$report: not a line of blkzone report: $line" >&2; exit 1; }
    starts+=($((BASH_REMATCH[1] * 512)))
    lens+=($((BASH_REMATCH[2] * 512)))
    caps+=($((${BASH_REMATCH[4]:-${BASH_REMATCH[2]}} * 512))) # older blkzone shows no capacity
    wptrs+=($((BASH_REMATCH[5] * 512)))
    conds+=("${BASH_REMATCH[6]}")
    types+=("${BASH_REMATCH[7]}")
done <"$report"
nr=${#starts[@]}
[ "$nr" -gt 0 ] || { echo "$report: no zones" >&2; exit 1; }

conv=0
while [ "$conv" -lt "$nr" ] && [ "${types[conv]}" -eq 1 ]; do conv=$((conv + 1)); done
last=$((nr - 1))
first_seq=$((conv < nr ? conv : last))
zqfs create -q "${options[@]}" -o "zone.size=${lens[0]},zone.capacity=${caps[first_seq]}" \
    -o "zone.conventional_zones=$conv" "$image" $((starts[last] + lens[last]))

mnt=$(mktemp -d)
end() {
    zqfs umount "$mnt" 2>/dev/null || true
    rmdir "$mnt"
}
trap end EXIT
zqfs "$image" "$mnt"

copy() { # START BYTES FILE MODE
    dd if="$data" of="$3" bs=1M iflag=skip_bytes,count_bytes,fullblock skip="$1" count="$2" \
        conv="$4" status=none
}
for ((i = 0; i < nr; i++)); do
    if [ "$i" -lt "$conv" ]; then
        copy "${starts[i]}" "${lens[i]}" "$mnt/cnv/$i" notrunc,sparse
        continue
    fi
    file=$mnt/seq/$((i - conv))
    case ${conds[i]} in
        1) ;;                                          # empty
        14) copy "${starts[i]}" "${caps[i]}" "$file" notrunc # full
            truncate -s "${caps[i]}" "$file" ;;        # also where the data ends early
        2 | 3 | 4) copy "${starts[i]}" "${wptrs[i]}" "$file" notrunc
            if [ "${wptrs[i]}" -gt 0 ]; then
                setfattr -n user.zone.command -v close "$file"
            fi ;;
        *) echo "zone $i is read-only or offline: nothing copied" >&2 ;;
    esac
done
trap - EXIT
zqfs umount "$mnt" # complete only now: what it says must not be lost
rmdir "$mnt"
zqfs report -n "$image"
