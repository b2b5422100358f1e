# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Converting and making overlays beside qemu-img, and what compressing in the background costs those who append.

# A zoned image and a plain one with the same content, half of which can be compressed. Both are in
# the cache afterwards, and on the disk.
convert_sources() { # BYTES
    local zones=$(($1 >> 26)) i
    {
        head -c $(($1 / 2)) /dev/urandom
        seq 1 1000000000 | head -c $(($1 / 2)) || true
    } >"$DISK/data" 2>>"$WORK/log.zqfs"
    {
        echo "number,type,state,start,size,capacity,wp"
        for ((i = 0; i < zones; i++)); do
            echo "$i,sequential,full,$((i << 26)),67108864,67108864,"
        done
    } >"$DISK/data.zones"
    "$ZQFS" convert -q --force "$DISK/data" "$base/zoned.qcow2"
    qemu-img convert -f raw -O qcow2 "$DISK/data" "$base/plain.qcow2"
    rm "$DISK/data" "$DISK/data.zones"
    sync -f "$base/plain.qcow2"
}

# Both write through the host's cache and flush at the end; four threads each.
convert_once() { # TARGET [-c]
    case $1 in
        qsd) qemu-img convert "${@:2}" -t writeback -m 4 -W -O qcow2 "$base/plain.qcow2" "$base/copy" ;;
        *) "$ZQFS" convert -q -m 4 "${@:2}" -o compression_type=zlib "$base/zoned.qcow2" "$base/copy" ;;
    esac 2>>"$WORK/log.$1"
}

job_convert() { # TARGET plain|compressed
    local bytes how=() us
    bytes=$(size $((4 << 30)))
    [ "$2" = plain ] || how=(-c)
    if ! qemu-img info "$base/plain.qcow2" 2>/dev/null | grep -q "($bytes bytes)"; then
        convert_sources "$bytes"
    fi
    rm -f "$base/copy"
    us=$(microseconds convert_once "$1" "${how[@]}")
    rm -f "$base/copy"
    rate "$bytes" "$us"
}

# A thousand overlays of one image, as a farm makes them.
job_overlay() { # TARGET
    local nr=$((1000 / divide)) golden=$base/golden.qcow2 us
    mkdir -p "$base/pool"
    case $1 in
        qsd) qemu-img create -q -f qcow2 "$golden" 256G ;;
        *) "$ZQFS" create -q --force -o zone.size=256M "$golden" 256G ;;
    esac
    us=$(microseconds make_overlays "$1" "$nr" "$golden")
    rm -rf "$base/pool" "$golden"
    milliseconds $((us / nr))
}

make_overlays() { # TARGET NR BASE
    local i
    for ((i = 0; i < $2; i++)); do
        case $1 in
            qsd) qemu-img create -q -f qcow2 -b "$3" -F qcow2 "$base/pool/$i" ;;
            *) "$ZQFS" create -q -b "$3" -F qcow2 "$base/pool/$i" ;;
        esac
    done 2>>"$WORK/log.$1"
}

# Appends of text to a mount with compress=1 as part of those to one without, which go before and
# after. A zone is small beside what is appended: nearly all of that time full ones wait.
job_compress_append() {
    local bytes option us with=0 without=0
    bytes=$(size $((1 << 30)))
    seq 1 1000000000 2>/dev/null | head -c 16777216 >"$base/log" || true
    for option in "" compress=1 compress=1 ""; do
        us=$(append_with "$bytes" "$option") || return 1
        [ -z "$option" ] && without=$((without + us)) || with=$((with + us))
    done
    rm -f "$base/log"
    awk -v w=$with -v o=$without 'BEGIN { printf "%.1f\n", 100 * o / w }'
}

append_with() { # BYTES OPTIONS
    local image=$base/compress.qcow2 mnt=$base/compress
    mkdir -p "$mnt"
    "$ZQFS" create -q --force -o zone.size=16M "$image" 1G
    "$ZQFS" "$image" "$mnt" -o "uring=off${2:+,$2}" && have_memory "$1" || return 1
    microseconds append_zones "$mnt" $(($1 >> 24))
    "$ZQFS" umount "$mnt" >/dev/null
    rm -f "$image"
}

append_zones() { # MOUNT ZONES
    local i
    for ((i = 0; i < $2; i++)); do
        dd if="$base/log" of="$1/seq/$i" bs=1M oflag=append conv=notrunc status=none
    done
}
