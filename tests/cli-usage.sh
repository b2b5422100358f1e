#!/usr/bin/env bash
# Wrong command lines: status 2, a sentence that names what is wrong, and the usage.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
cd "$DIR"

usage() { # "PART OF THE MESSAGE" ARGUMENT...
    local part=$1
    shift
    assert_status 2 "$ZQFS" "$@"
    grep -qF -- "$part" "$DIR/out" || {
        cat "$DIR/out"
        fail "did not say '$part': zqfs $*"
    }
    [ "$(head -c 6 "$DIR/out")" = "zqfs: " ] || fail "message does not begin with the name: $*"
}

: >image
mkdir mnt

# nothing at all: what there is, on the screen of a terminal
assert_status 2 "$ZQFS"
head -n 1 out | grep -qx 'usage: zqfs .*IMAGE MOUNTPOINT' || fail "said without arguments: $(cat out)"
[ "$(wc -l <out)" -lt 24 ] || fail "without arguments it says $(wc -l <out) lines"

# what is missing is named
usage "MOUNTPOINT is missing after 'image'" image
usage "MOUNTPOINT is missing after 'image'" mount image
usage "create: IMAGE is missing" create
usage "create: SIZE is missing after 'image'" create image
usage "reset: IMAGE|MOUNTPOINT is missing" reset
usage "reset: ZONES is missing after 'image'" reset image
usage "finish: ZONES is missing after 'image'" finish image
usage "info: IMAGE|MOUNTPOINT is missing" info
usage "report: IMAGE|MOUNTPOINT|FILE is missing" report
usage "check: IMAGE is missing" check
usage "umount: MOUNTPOINT is missing" umount

# what is too much as well
usage "'c' is one argument too many" image mnt c
usage "info: 'b' is one argument too many" info a b
usage "help: no topic 'mount b'" help mount b
usage "check: 'b' is one argument too many" check a b

# options
usage "report: unknown option --jsn; did you mean --json?" report --jsn image
usage "check: unknown option --repiar; did you mean --repair?" check --repiar=all image
usage "unknown option --verison; did you mean --version?" --verison
usage "create: unknown option --forec; did you mean --force?" create --forec image 1M
usage "unknown option --zebra" --zebra image mnt
grep -qF "did you mean" out && fail "suggested something for --zebra"
usage "unknown option -x" -x image mnt
usage "report: unknown option -z" report -nz image
usage "option --json takes no value" report --json=yes image
usage "option --repair needs a value" check image --repair
usage "option -c needs a value" report image -c
usage "option -o needs a value" image mnt -o
usage "--repair is leaks or all, not 'some'" check --repair=some image
usage "--json and --csv exclude each other" report --json --csv image
usage "no state 'open'; there are not-wp, empty, implicit-open" report -c open image
usage "--ready-fd: 'x' is not a descriptor's number" --ready-fd=x image mnt

# commands
usage "no command 'reprot', and no image of that name; did you mean 'zqfs report'?" reprot image
usage "no command 'unmount', and no image of that name; did you mean 'zqfs umount'?" unmount mnt
usage "no command 'chek', and no image of that name; did you mean 'zqfs check'?" chek
usage "no command 'crate', and no topic of that name ('zqfs help topics'); did you mean 'zqfs create'?" help crate
usage "no command 'zebra', and no topic of that name ('zqfs help topics'); 'zqfs help' lists the commands" help zebra
usage "no command 'list', and no image of that name; 'zqfs help' lists the commands" list image
usage "no command 'zebra', and no image of that name" zebra
usage "open: MOUNTPOINT is missing" open
usage "close: ZONES is missing after 'mnt'" close mnt

# the wrong way round
usage "mnt is a directory and image is not: the image comes first: zqfs image mnt" mnt image
usage "the image comes before the size: zqfs create image 12M" create 12M image

# "--" ends the options, so that a file may have any name
expect_fail "--json: No such file or directory" "$ZQFS" info -- --json
# a file with the name of a command is reached through its path
cp image report
expect_fail "./report: the file is empty" "$ZQFS" info ./report

# the usage line stands below the sentence
assert_status 2 "$ZQFS" info
assert_eq "$(sed -n 2p out)" "usage: zqfs info [OPTION...] IMAGE|MOUNTPOINT" "second line"
