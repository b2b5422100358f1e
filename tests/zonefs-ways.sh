#!/usr/bin/env bash
# Every way to write to a sequential file stores the bytes in their order, whatever its length.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse
requires_tool zways
S=$DIR/mnt/seq

"$ZQFS" create -o zone.size=32M "$DIR/a.qcow2" 256M >/dev/null
for options in "" max_threads=8; do
    max=${options:+1M}
    mount_image "$DIR/a.qcow2" "$DIR/mnt" ${options:+-o "$options"}
    # the source stands on the mount too: copy_file_range does not go from one to another
    ok "${options:-default}: one zone" "$TOOLS/zways" ways "$S/0" "$S/7" "${max:-16M}"
    ok "${options:-default}: several zones" "$TOOLS/zways" zones 4M "$S/0" "$S/1" "$S/2" "$S/3"
    for len in 4096 286720 4M; do
        ok "${options:-default}: two appenders of $len bytes" \
            "$TOOLS/zways" appenders "$S/0" "$len" 3
    done
    unmount "$DIR/mnt"
done
ok "the image is sound" "$ZQFS" check "$DIR/a.qcow2"
conf_done
