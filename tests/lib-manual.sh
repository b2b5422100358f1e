#!/usr/bin/env bash
# libzqfs(3) is what the headers say, and has every function, structure and value of them.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires awk

"$TOP/contrib/manual/generate.sh" - >"$DIR/libzqfs.3"
diff "$TOP/libzqfs.3" "$DIR/libzqfs.3" || fail "the headers have changed: run contrib/manual/generate.sh"

awk -f "$TOP/contrib/manual/headers.awk" "$TOP"/include/zqfs/*.h | cut -d ' ' -f 2 | sort -u >"$DIR/names"
[ "$(wc -l <"$DIR/names")" -gt 60 ] || fail "the headers were not understood"
sed -n 's/^\(struct\|enum\) \(zq_[a-z_]*\) {.*/\2/p' "$TOP"/include/zqfs/*.h >>"$DIR/names"
grep -ohw 'ZQ_[A-Z_0-9]*' "$TOP"/include/zqfs/*.h | sort -u >>"$DIR/names"
while read -r name; do
    grep -qw -- "$name" "$DIR/libzqfs.3" || fail "libzqfs(3) has no $name"
done <"$DIR/names"

# headers and manual speak of what is installed only
! grep -nE 'src/|tests/|[A-Z]+\.md|issue' "$TOP"/include/zqfs/*.h "$DIR/libzqfs.3" || fail "not installed"

if command -v mandoc >/dev/null; then
    mandoc -T lint -W warning "$DIR/libzqfs.3" || fail "mandoc finds something"
fi
