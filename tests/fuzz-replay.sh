#!/usr/bin/env bash
# Hostile images: each target keeps its promises on the seeds, the golden and the bad images.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
source "${0%/*}/lib.sh"
[ -x "$BUILD/tests/fuzz/seeds" ] || fail "the fuzz targets are not built"
cd "$DIR"
mkdir corpus
"$BUILD/tests/fuzz/seeds" corpus
# what fuzzing has found: as changes to those seeds, and below as images
"$TOP/tests/images/make-bad.sh" corpus
if command -v zstd >/dev/null; then
    mkdir golden
    for archive in "$IMAGES"/qemu-*.tar.zst; do
        zstd -dc "$archive" | tar -xf - -C golden
    done
    rm golden/d-2m.qcow2 golden/d-base.qcow2 # larger than inputs are
    find golden -name '*.qcow2' -exec mv {} corpus/ \;
    for image in "$IMAGES"/bad-*.zst; do
        zstd -dq "$image" -o "corpus/$(basename "$image" .zst)"
    done
fi
want=$(find corpus -type f | wc -l)
for t in open map report check repair write; do
    assert_eq "$("$BUILD/tests/fuzz/fuzz_$t" corpus)" "$want images" "what fuzz_$t tried"
done
# as AFL++ runs them
"$BUILD/tests/fuzz/fuzz_open" <corpus/c512
