#!/usr/bin/env bash
# "zqfs help TOPIC" shows the sections of the manual, word for word, within 80 columns.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
cd "$DIR"

# Titles as the page has them, and all of it that the program shows.
sed -n 's/^\.Sh //p' "$TOP/zqfs.1" | tr 'A-Z-' 'a-z ' >sections
[ "$(wc -l <sections)" -gt 10 ] || fail "found only $(wc -l <sections) sections"
"$ZQFS" help topics | grep -v '^ ' | diff - sections || fail "the sections that topics lists"
while read -r title; do
    "$ZQFS" help "${title// /-}" >text || fail "no topic $title"
    assert_eq "$(head -n 1 text | tr 'A-Z-' 'a-z ')" "$title" "first line of the topic $title"
    # NAME and SYNOPSIS have forms of their own in the page
    case $title in name | synopsis) ;; *) cat text ;; esac
done <sections >shown
words() { # one a line, without quotes; mandoc breaks lines behind a hyphen too,
    # and wraps the cells of a table in another order
    tr -d "\`'" | tr -s ' \n' '\n' | sed -z 's/-\n/-/g' | sort
}
if command -v mandoc >/dev/null; then
    mandoc -Tascii "$TOP/zqfs.1" | sed 's/.\x08//g; 1d; $d' |
        awk '/^[A-Z]/ { on = !/^(NAME|SYNOPSIS)$/ } on' | words >want
    words <shown >got
    [ "$(wc -l <got)" -gt 1000 ] || fail "only $(wc -l <got) words are shown"
    diff want got >difference || {
        head -n 20 difference
        fail "the words differ from the page's (<)"
    }
fi
! awk 'length > 80' shown | grep . || fail "lines of more than 80 columns"

# ---- how topics are named -----------------------------------------------------------------------

says() { # FIRST-LINE WORD...
    local want=$1
    shift
    assert_eq "$("$ZQFS" help "$@" | sed -n '1s/^ *//p')" "$want" "first line of help $*"
}
says "MOUNT OPTIONS" mount options
says "MOUNT OPTIONS" mount-options
says "MOUNT OPTIONS" MOUNT OPT
says "WRITE ERRORS" errors
says "Attributes" attributes
says "usage: zqfs [OPTION...] IMAGE MOUNTPOINT" mount
expect_fail "no command 'nonsense', and no topic of that name" "$ZQFS" help nonsense
expect_fail "no topic of that name" "$ZQFS" help ""
assert_status 2 "$ZQFS" help nonsense

# ---- what the page may not have ------------------------------------------------------------------

printf '.Sh NAME\n.Qq x\n' >bad.1
! awk -f "$TOP/src/cli/topics.awk" bad.1 >out 2>&1 || fail "a macro without a rule is taken"
grep -q 'no rule for .Qq' out || fail "said: $(cat out)"
