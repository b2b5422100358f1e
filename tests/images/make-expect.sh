#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes golden.zones from the sidecars in the archives of golden images: what two QEMUs with the
# zoned series, of the layouts 56 and 44, had written, as plain lines, so that the tests need no
# jq. Run once; the result is kept.
set -euo pipefail
cd "$(dirname "$0")"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
for archive in qemu-*.tar.zst; do
    zstd -dc "$archive" | tar -xf - -C "$dir"
done

{
    echo "# Made by make-expect.sh. One line a zone:"
    echo "# image zone conventional start length capacity pointer sha256-of-the-whole-zone"
    echo "# (capacity by the header and the zone's length; pointer absolute, without the flag)"
    for image in "$dir"/*.qcow2; do
        name=$(basename "$image" .qcow2)
        case $name in
            backing-base) continue ;;
            base-48-little | base-56-big) sidecar=base ;;
            *) sidecar=$name ;;
        esac
        jq -r --arg name "$name" '
            .disk.zoned.zone_capacity as $cap | .zones[] |
            [$name, .zone, (if .conv then 1 else 0 end), .start, .len,
             (if .conv then .len else ([$cap, .len] | min) end),
             .wp // (.start + .wp_rel), .sha256] | join(" ")' "$dir/$sidecar.json"
    done
} >golden.zones
