#!/usr/bin/env bash
# Random operations, each with its result, size, state and counters predicted by a model.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 3600
# STRESS_SECONDS (default 40) for all images below, SEED replays a run.
source "${0%/*}/lib.sh"
requires_fuse
requires_tool zstress
requires qemu-img
requires_tool qpatch

# The model runs on one image; remounts in between, and qemu-img has the last word.
stress() { # NAME CREATE-OPTIONS SIZE MOUNT-OPTIONS
    local image=$DIR/$1.qcow2 rc=0 explicit=
    case $4 in *explicit-open*) explicit=explicit ;; esac
    "$ZQFS" create -o "$2" "$image" "$3" >/dev/null
    mount_image "$image" "$DIR/mnt" ${4:+-o "$4"}
    # the remount is done by a shell of its own, which only knows the commands
    printf '#!/bin/sh\n%q umount %q && exec %q %s %q %q\n' "$ZQFS" "$DIR/mnt" "$ZQFS" \
        "${4:+-o $4}" "$image" "$DIR/mnt" >"$DIR/remount"
    chmod +x "$DIR/remount"
    "$TOOLS/zstress" "$DIR/mnt" seconds=$((${STRESS_SECONDS:-40} / 8 + 1)) ${SEED:+seed="$SEED"} \
        remount="$DIR/remount" $explicit >"$DIR/out" 2>&1 || rc=$?
    sed "s/^/$1: /" "$DIR/out"
    daemons_=("$(daemon_of_ "$DIR/mnt")")
    [ "$rc" -eq 0 ] || fail "$1: the mount does something else than the model"
    unmount "$DIR/mnt"
    assert_status 0 "$ZQFS" check "$image"
    "$TOOLS/qpatch" "$image" clear-bit:5
    qemu-img check "$image" >"$DIR/out" 2>&1 || rc=$?
    [ "$rc" -eq 3 ] || {
        cat "$DIR/out"
        fail "$1: qemu-img check: status $rc"
    }
    rm "$image"
}

base=zone.size=256K,zone.conventional_zones=2
stress small "$base,zone.capacity=192K,zone.max_open_zones=3,zone.max_active_zones=5" 2560K ""
stress tiny-clusters "$base,cluster_size=512,zone.max_open_zones=2" 2560K ""
stress large-clusters "$base,zone.layout=56,cluster_size=2M,zone.max_active_zones=4" 2432K ""
stress subclusters "$base,extended_l2=on,refcount_bits=1,zone.max_open_zones=4" 2560K ""
stress data-file "$base,data_file=$DIR/raw.data,data_file_raw=on,zone.max_open_zones=3" 2560K ""
stress often "$base,zone.max_open_zones=3,zone.max_active_zones=5" 2560K "commit=1,cache=64K"
stress sync "$base,zone.max_open_zones=1,lazy_refcounts=on" 2560K "sync"
stress explicit "$base,zone.capacity=192K,zone.max_open_zones=3,zone.max_active_zones=5" 2560K \
    "explicit-open"
