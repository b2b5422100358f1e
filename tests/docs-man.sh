#!/usr/bin/env bash
# The man page is well formed, and its own commands work as it shows them.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
cd "$DIR"

if command -v mandoc >/dev/null; then
    # EXAMPLES stand near the top, where a new user looks
    ! mandoc -Tlint -W warning "$TOP/zqfs.1" | grep -v 'sections out of conventional order' ||
        fail "mandoc finds fault with zqfs.1"
    mandoc -Tutf8 "$TOP/zqfs.1" >/dev/null
fi

# the commands of the examples that need no mount, word for word
ln -s "$ZQFS" zqfs
export PATH=$DIR:$PATH
example() { # LINE: must be in the page
    grep -qF -- "$1" "$TOP/zqfs.1" || fail "not in the man page: $1"
    bash -c "${2:-$1}" >out 2>&1 || {
        cat out
        fail "an example of the man page fails: $1"
    }
}
example "zqfs create -o zone.size=64M disk.qcow2 768M"
rm disk.qcow2
example 'zqfs create -o zone.size=64M,zone.conventional_zones=2 \e' \
    'zqfs create -o zone.size=64M,zone.conventional_zones=2 \
    -o zone.max_open_zones=6,zone.max_active_zones=8 disk.qcow2 768M'
example "zqfs reset disk.qcow2 all"
example "zqfs finish disk.qcow2 3-5"
example "zqfs report disk.qcow2"
example "zqfs report -c closed,full --csv disk.qcow2"
assert_eq "$(wc -l <out)" 4 "lines of that report"

# every exit status that the page names can be had
assert_status 0 zqfs check disk.qcow2
assert_status 1 zqfs check no-such
assert_status 2 zqfs check
