#!/usr/bin/env bash
# A minute of fuzzing, some seconds for each target; "make fuzz" goes on for longer.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 600
source "${0%/*}/lib.sh"
# Sanitizers of its own: under another one it would only be run twice.
case $BUILD in */asan | */tsan) skip "fuzzing brings its own sanitizers" ;; esac
export FUZZ_SECONDS=${FUZZ_SMOKE_SECONDS:-10} FUZZ_CORPUS=$DIR/corpus FUZZ_FINDINGS=$DIR/findings
rc=0
"$TOP/tests/fuzz/run" || rc=$?
[ "$rc" -ne 77 ] || skip "no clang with libFuzzer"
if [ "$rc" -ne 0 ]; then
    # $DIR goes away; what was found must not
    mkdir -p "$BUILD/findings"
    cp "$DIR"/findings/* "$BUILD/findings/"
    fail "a promise is broken; the image is in $BUILD/findings"
fi
