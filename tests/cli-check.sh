#!/usr/bin/env bash
# check: exit status, lines, JSON, and that a clean image is left as it is.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires jq
cd "$DIR"

"$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=1 a.qcow2 8M
"$ZQFS" finish a.qcow2 2-3
cp a.qcow2 before

assert_status 0 "$ZQFS" check a.qcow2
grep -qx "a.qcow2: no errors" out || fail "said: $(cat out)"
grep -q "clusters allocated" out || fail "no summary: $(cat out)"
assert_same a.qcow2 before

"$ZQFS" check --json a.qcow2 >json
assert_eq "$(jq -c '[.image, .corruptions, .leaks, .findings, .exit_status]' json)" \
    '["a.qcow2",0,0,[],0]' "JSON of a clean image"
assert_eq "$(jq -r '[.allocated_clusters, .total_clusters, .compressed_clusters, .image_end | type]
    | unique | .[]' json)" number "types of the counts"

# clusters behind the end that have a reference count and no user: leaked
table=$(od -An -tu8 --endian=big -j 48 -N 8 a.qcow2 | tr -d ' ')   # of refcount blocks
block=$(od -An -tu8 --endian=big -j "$table" -N 8 a.qcow2 | tr -d ' ')
end=$(size_of a.qcow2)
cluster=65536
nr=$(((end + cluster - 1) / cluster))
truncate -s $(((nr + 2) * cluster)) a.qcow2
printf '\0\1\0\1' | dd of=a.qcow2 bs=1 seek=$((block + 2 * nr)) conv=notrunc status=none
cp a.qcow2 leaked

assert_status 3 "$ZQFS" check a.qcow2
assert_eq "$(grep -c '^leak: ' out)" "$(grep -c '^leak' out)" "every leak has its line"
grep -q '^2 leaked clusters$' out || fail "said: $(cat out)"
assert_same a.qcow2 leaked
rc=0
"$ZQFS" check --json a.qcow2 >json || rc=$?
assert_eq "$rc $(jq -c '[.leaks, .leaks_fixed, .exit_status, (.findings | map(.kind) | unique)]' json)" \
    '3 [2,0,3,["leak"]]' "JSON of leaks"

assert_status 0 "$ZQFS" check --repair=leaks a.qcow2
grep -q '^2 leaked clusters, 2 of them repaired$' out || fail "said: $(cat out)"
assert_status 0 "$ZQFS" check a.qcow2
grep -qx "a.qcow2: no errors" out || fail "after the repair: $(cat out)"
cp leaked a.qcow2
assert_status 0 "$ZQFS" check -r all a.qcow2
assert_status 0 "$ZQFS" check a.qcow2

# a cluster in use without a reference count: corruption; leaks alone do not repair it
cp before a.qcow2
printf '\0\0' | dd of=a.qcow2 bs=1 seek=$((block + 2 * (nr - 1))) conv=notrunc status=none
assert_status 2 "$ZQFS" check a.qcow2
grep -q '^corruption: ' out || fail "said: $(cat out)"
assert_status 2 "$ZQFS" check --repair=leaks a.qcow2
assert_status 0 "$ZQFS" check --repair=all a.qcow2
assert_status 0 "$ZQFS" check a.qcow2

# what could not be checked
assert_status 1 "$ZQFS" check no-such
assert_eq "$(cat out)" "zqfs: no-such: No such file or directory" message
echo text >junk
assert_status 1 "$ZQFS" check --json junk
assert_eq "$(grep -c . out)" 1 "lines of a failed check as JSON"
