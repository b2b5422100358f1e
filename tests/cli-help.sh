#!/usr/bin/env bash
# Help and version: where they go, what they end with, and that a closed pipe or a full disk shows.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
cd "$DIR"

version=$(sed -n 's/^#define ZQFS_VERSION "\(.*\)"/\1/p' "$TOP/include/zqfs/version.h")
assert_eq "$("$ZQFS" --version)" "zqfs $version" "--version"
assert_eq "$("$ZQFS" -V)" "zqfs $version" "-V"

# all spellings of help are the same text, on standard output, status 0
"$ZQFS" help >overview 2>err
assert_eq "$(cat err)" "" "stderr of help"
"$ZQFS" --help | cmp - overview
"$ZQFS" -h | cmp - overview
for command in $("$ZQFS" help --list | awk -F '\t' '$1 == "command" { print $2 }'); do
    grep -Eq "^  ([a-z]+, )?$command[, ]" overview || fail "the overview leaves out $command"
    "$ZQFS" help "$command" >help.txt
    head -n 1 help.txt | holds "^usage: zqfs " || fail "no usage in help $command"
    [ "$command" = mount ] || "$ZQFS" "$command" --help | cmp - help.txt
    [ "$command" = mount ] || "$ZQFS" "$command" nothing here --help | cmp - help.txt
    awk 'length > 80 { exit 1 }' help.txt || fail "help $command has lines over 80 characters"
done
awk 'length > 80 { exit 1 }' overview || fail "the overview has lines over 80 characters"
[ "$(wc -l <overview)" -le 23 ] || fail "the overview and a prompt need more than 24 lines"

# without arguments it is an error, on standard error
assert_status 2 "$ZQFS"
rc=0
"$ZQFS" >stdout 2>err || rc=$?
assert_eq "$rc$(cat stdout)" 2 "zqfs without arguments"
assert_same err overview

# output that cannot be written is a failure
if [ -w /dev/full ]; then
    rc=0
    "$ZQFS" help >/dev/full 2>err || rc=$?
    assert_eq "$rc" 1 "status with a full disk"
    grep -q "cannot write the output: No space left" err || fail "said: $(cat err)"
fi

# -o help shows the keys wherever -o takes some, and does nothing else
for args in "create -o help" "create -o zone.size=1M,help x.qcow2 1M" "-o help" "-o ro,help a b" "mount -o help"; do
    # shellcheck disable=SC2086
    assert_status 0 "$ZQFS" $args
    case $args in create*) key=zone.capacity= ;; *) key=errors= ;; esac
    grep -qF "  $key" out || fail "no $key in: zqfs $args"
    ! grep -q '^usage' out || fail "more than the keys: zqfs $args"
done
! [ -e x.qcow2 ] || fail "create -o help created"
