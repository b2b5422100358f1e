#!/usr/bin/env bash
# File handles, as NFS keeps them, name the same file after the kernel has forgotten it.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse
requires_root # open_by_handle_at
requires_tool zpath
M=$DIR/mnt

for layout in zonefs zloop; do
    "$ZQFS" create -o zone.size=1M,zone.conventional_zones=2 "$DIR/$layout" 8M >/dev/null
    mount_image "$DIR/$layout" "$M" -o layout=$layout
    case $layout in
        zonefs) names="cnv seq cnv/1 seq/0 seq/5" ;;
        zloop) names="cnv-000001 seq-000002 seq-000007" ;;
    esac
    for name in . $names; do
        t "$layout: the handle of $name" 0 zpath handle "$M/$name" "$DIR/${name//\//,}.handle"
    done
    # another mount of the same image knows nothing of what the first one has looked up
    remount_image "$DIR/$layout" "$M" -o layout=$layout
    for name in . $names; do
        got=$(zpath byhandle "$M" "$DIR/${name//\//,}.handle")
        t "$layout: $name" "$got" stat -c '%i %s' "$M/$name"
    done
    unmount "$M"
done
# a handle of what this image does not have
"$ZQFS" create -o zone.size=1M "$DIR/small" 2M >/dev/null
mount_image "$DIR/small" "$M"
t "a zone behind the last one" ESTALE zpath byhandle "$M" "$DIR/seq,5.handle"
t "a folder that is not there" ESTALE zpath byhandle "$M" "$DIR/cnv.handle"
unmount "$M"
conf_done
