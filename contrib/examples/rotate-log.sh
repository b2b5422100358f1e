#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A log that goes round the zones of a disk: reads lines and appends them, goes on to the next zone
# when one is full, and resets the oldest when there is no empty one left.
#
#     program | rotate-log.sh MOUNTPOINT       writes
#     rotate-log.sh -r MOUNTPOINT              prints the log, oldest line first
#
# No list of what is where is kept. The zone behind the newest one is always empty or reset next,
# so the states of the zones alone tell where to go on after a stop.
set -euo pipefail
export LC_ALL=C # lengths in bytes

read_back=
if [ "${1:-}" = -r ]; then
    read_back=1
    shift
fi
mnt=${1:?usage: rotate-log.sh [-r] MOUNTPOINT}
zone_attr() { getfattr --only-values --absolute-names -n "user.zone.$2" "$mnt/seq/$1"; }
nr=$(find "$mnt/seq" -type f | wc -l)
[ "$nr" -ge 2 ] || { echo "rotate-log.sh: $mnt has $nr sequential zones, two are needed" >&2; exit 1; }

# The newest zone: the one that is begun; else, before the first empty one, the last full one.
newest=
for ((i = 0; i < nr; i++)); do
    case $(zone_attr "$i" state) in
        empty) ;;
        full)
            next=$(((i + 1) % nr))
            if [ -z "$newest" ] && [ "$(zone_attr "$next" state)" = empty ]; then newest=$i; fi
            ;;
        *) newest=$i; break ;;
    esac
done

if [ -n "$read_back" ]; then
    # A zone ends with zeros where its last block was not full.
    for ((i = 1; i <= nr; i++)); do
        tr -d '\0' <"$mnt/seq/$(((${newest:-0} + i) % nr))"
    done
    exit
fi

open_zone() { # NUMBER
    zone=$1
    file=$mnt/seq/$zone
    left=$(($(zone_attr "$zone" capacity) - $(stat -c %s "$file")))
    exec 3>>"$file" # one open file: its lines are contiguous, whatever their length
}

next_zone() {
    exec 3>&-
    truncate -s "$(zone_attr "$zone" capacity)" "$file" # finish: gives its active slot back
    truncate -s 0 "$mnt/seq/$(((zone + 1) % nr))"       # reset the oldest
    open_zone $(((zone + 1) % nr))
}

open_zone "${newest:-0}"
while IFS= read -r line || [ -n "$line" ]; do
    [ $((${#line} + 1)) -le "$left" ] || next_zone
    printf '%s\n' "$line" >&3
    left=$((left - ${#line} - 1))
done
exec 3>&-
sync "$file"
