#!/usr/bin/env bash
# Images that QEMU wrote become compressed ones and plain ones again, and stay the same disks.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
# shellcheck source=tests/golden.bash
source "${0%/*}/golden.bash"
golden_unpack

# A copy of the image, which is as good as the first one; $clusters: how many are compressed.
copied() { # IMAGE COPY OPTION...
    "$ZQFS" convert -q --force "${@:3}" "$1" "$2"
    assert_status 0 "$ZQFS" compare "$1" "$2"
    assert_status 0 "$ZQFS" check "$2"
    head -n 1 out | grep -q ': no errors$' || fail "check of the copy of $name (${*:3}): $(cat out)"
    clusters=$(sed -n 's/.* \([0-9]*\) compressed.*/\1/p' out)
}

cd "$DIR"
all=0
for name in $(golden_names); do
    layout=()
    [ "$name" != unaligned ] || layout=(-o zone.layout=56) # pointers within a block
    for how in zlib zstd,cluster_size=4K zstd,cluster_size=16K,extended_l2=on; do
        copied "golden/$name.qcow2" packed.qcow2 -c -o "compression_type=$how" "${layout[@]}"
        [ "$name" = pristine ] || [ "$clusters" -gt 0 ] || fail "nothing of $name is compressed by $how"
        all=$((all + clusters))
        copied packed.qcow2 plain.qcow2 "${layout[@]}"
        assert_eq "$clusters" 0 "compressed clusters of a plain copy of $name"
        assert_status 0 "$ZQFS" compare "golden/$name.qcow2" plain.qcow2
    done
done
[ "$all" -gt 1000 ] || fail "only $all clusters were compressed"
