#!/usr/bin/env bash
# Extended attributes: names, values, what can be asked for through the state, refusals.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse
requires getfattr setfattr

conf_create "$DIR/a.qcow2" zone.max_open_zones=5,zone.max_active_zones=6,zone.max_append_bytes=64K
M=$DIR/mnt
S=$M/seq
mount_image "$DIR/a.qcow2" "$M"
get() { zpath get "$1" "user.zone.$2"; }
tell_zone() { zpath set "$1" user.zone.command "$2"; }
names() { getfattr --absolute-names "$1" | sed -n 's/^user\.zone\.//p' | sort | tr '\n' ' ' | sed 's/ $//'; }

t "names on a sequential file" "capacity number size start state type wp" names "$S/0"
t "names on a conventional file" "capacity number size start state type" names "$M/cnv/0"
t "names on the root" "capacity max_active max_append max_open model nr_active nr_closed nr_conventional nr_empty nr_full nr_open_explicit nr_open_implicit nr_write_open nr_zones size" \
    names "$M"
t "no names on folders" "" names "$M/seq"

t "number" "0 4 11" echo "$(get "$M/cnv/0" number) $(get "$S/0" number) $(get "$S/7" number)"
t "type" "conventional sequential" echo "$(get "$M/cnv/0" type) $(get "$S/0" type)"
t "start" "1048576 5242880" echo "$(get "$M/cnv/1" start) $(get "$S/1" start)"
t "size" "$ZONE $ZONE" echo "$(get "$M/cnv/1" size) $(get "$S/1" size)"
t "capacity" "$ZONE $CAP" echo "$(get "$M/cnv/1" capacity) $(get "$S/1" capacity)"
t "wp of an empty zone" 5242880 get "$S/1" wp
t "wp of a conventional zone" ENODATA get "$M/cnv/0" wp
zio "$S/1" w pwrite:0:1536 >/dev/null
t "wp moves" 5244416 get "$S/1" wp
t "state" "implicit-open not-wp empty" echo \
    "$(get "$S/1" state) $(get "$M/cnv/0" state) $(get "$S/2" state)"
t "model" host-managed get "$M" model
t "geometry" "12 4 $ZONE $CAP" echo \
    "$(get "$M" nr_zones) $(get "$M" nr_conventional) $(get "$M" size) $(get "$M" capacity)"
t "limits" "5 6 65536" echo \
    "$(get "$M" max_open) $(get "$M" max_active) $(get "$M" max_append)"

# ---- commands ----------------------------------------------------------------------

t "explicit-open" "0 explicit-open" echo "$(tell_zone "$S/0" open) $(state "$S/0")"
t "again" "0 explicit-open" echo "$(tell_zone "$S/0" open) $(state "$S/0")"
t "closed: nothing written, so empty" "0 empty" echo \
    "$(tell_zone "$S/0" close) $(state "$S/0")"
t "implicit-open to closed" "0 closed" echo "$(tell_zone "$S/1" close) $(state "$S/1")"
t "closed to closed" "0 closed" echo "$(tell_zone "$S/1" close) $(state "$S/1")"
t "closed to explicit-open" "0 explicit-open" echo \
    "$(tell_zone "$S/1" open) $(state "$S/1")"
zio "$S/1" w append:0:512 >/dev/null
t "a write leaves it explicitly open" explicit-open state "$S/1"
t "full" "0 full $CAP" echo "$(tell_zone "$S/1" finish) $(state "$S/1") $(size_of "$S/1")"
t "wp of a full zone" ENODATA get "$S/1" wp
t "full to full" "0 full" echo "$(tell_zone "$S/1" finish) $(state "$S/1")"
t "closing a full zone changes nothing" "0 full" echo "$(tell_zone "$S/1" close) $(state "$S/1")"
t "full to explicit-open" "EINVAL full" echo "$(tell_zone "$S/1" open) $(state "$S/1")"
t "empty" "0 empty 0" echo "$(tell_zone "$S/1" reset) $(state "$S/1") $(size_of "$S/1")"
t "empty to empty" "0 empty" echo "$(tell_zone "$S/1" reset) $(state "$S/1")"
t "an empty zone can be finished" "0 full" echo "$(tell_zone "$S/2" finish) $(state "$S/2")"
t "closing an empty zone changes nothing" "0 empty" echo "$(tell_zone "$S/3" close) $(state "$S/3")"
t "the name of a state is no command" "EINVAL empty" echo \
    "$(tell_zone "$S/3" implicit-open) $(state "$S/3")"
t "a word that is no command" EINVAL tell_zone "$S/3" opened
t "an empty word" EINVAL tell_zone "$S/3" ""
t "with a newline" EINVAL tell_zone "$S/3" "full
"
t "capitals" EINVAL tell_zone "$S/3" FULL
for s in open close finish reset; do
    t "$s of a conventional zone" EINVAL tell_zone "$M/cnv/0" $s
done
t "on the root" EPERM tell_zone "$M" finish
tell_zone "$S/2" reset >/dev/null

# ---- other readers see it at once ---------------------------------------------------------------

zio "$S/2" w pwrite:0:8192:5 >/dev/null
t "a mapped reader after a reset by attribute" "0 yes 0 0 yes" zio "$S/2" r map:shared:r:4096 \
    mis:0:4096:5 "sh:setfattr -n user.zone.command -v reset $S/2" \
    "sh:$TOOLS/zio $S/2 w pwrite:0:4096:6 > /dev/null" mis:0:4096:6
t "an open reader after a reset" "yes 0 0 0" zio "$S/2" r is:0:4096:6 \
    "sh:setfattr -n user.zone.command -v reset $S/2" pread:0:4096 size
t "an open reader after a finish" "0 0 $CAP yes" zio "$S/2" r size \
    "sh:setfattr -n user.zone.command -v finish $S/2" size is:0:768K:0
tell_zone "$S/2" reset >/dev/null

# ---- refusals -----------------------------------------------------------------------------------

for name in number type state start size capacity wp; do
    t "setting $name" "EPERM empty" echo \
        "$(zpath set "$S/0" "user.zone.$name" "$(get "$S/0" $name)") $(state "$S/0")"
    t "removing $name" EPERM zpath remove "$S/0" "user.zone.$name"
done
t "setting a name that is none" EPERM zpath set "$S/0" user.zone.none 0
t "setting user.something" EPERM zpath set "$S/0" user.comment hello
t "reading a name that is none" ENODATA zpath get "$S/0" user.zone.none
t "reading user.something" ENODATA zpath get "$S/0" user.comment
t "reading a prefix" ENODATA zpath get "$S/0" user.zone
t "removing a name that is none" EPERM zpath remove "$S/0" user.comment
t "a folder's" ENODATA zpath get "$M/seq" user.zone.state
t "security." EOPNOTSUPP zpath get "$S/0" security.selinux
# the kernel itself keeps these from others than root
if [ "$(id -u)" -eq 0 ]; then
    t "trusted." EOPNOTSUPP zpath get "$S/0" trusted.x
    t "setting trusted." EOPNOTSUPP zpath set "$S/0" trusted.x y
fi
t "an ACL" EOPNOTSUPP zpath get "$S/0" system.posix_acl_access
t "a command is no attribute" ENODATA get "$S/0" command
t "nor listed" "" sh -c "getfattr -d '$S/0' 2>/dev/null | grep command"
t "nor removed" EPERM zpath remove "$S/0" user.zone.command
t "XATTR_REPLACE of a command" ENODATA zpath set "$S/0" user.zone.command finish replace
t "XATTR_CREATE of a command" 0 zpath set "$S/0" user.zone.command open create
tell_zone "$S/0" reset >/dev/null
tell_zone "$S/0" close >/dev/null
t "size asked for" 5 zpath get "$S/0" user.zone.state 0
t "too small a buffer" ERANGE zpath get "$S/0" user.zone.state 4
t "just large enough" "empty" zpath get "$S/0" user.zone.state 5
need=$(zpath list "$S/0" 0)
t "list: size" "$need" zpath list "$S/0" "$need"
t "list: too small" ERANGE zpath list "$S/0" $((need - 1))
t "list: one byte" ERANGE zpath list "$S/0" 1
t "list of the root" "$(zpath list "$M" 0)" zpath list "$M" 65536
ok "getfattr -d" sh -c "getfattr -d --absolute-names $S/0 | grep -q 'user.zone.state=\"empty\"'"

# ---- counters -------------------------------------------------------------------------------------

counts() {
    local n out=
    for n in nr_open_implicit nr_open_explicit nr_closed nr_active nr_empty nr_full; do
        out="$out $(get "$M" $n)"
    done
    echo "${out# }"
}
t "all empty" "0 0 0 0 8 0" counts
zio "$S/0" w append:0:512 >/dev/null
t "one implicitly open" "1 0 0 1 7 0" counts
tell_zone "$S/1" open >/dev/null
t "one explicitly open" "1 1 0 2 6 0" counts
tell_zone "$S/0" close >/dev/null
t "one closed" "0 1 1 2 6 0" counts
tell_zone "$S/2" finish >/dev/null
t "one full" "0 1 1 2 5 1" counts
tell_zone "$S/1" close >/dev/null
t "closed again" "0 0 1 1 6 1" counts
truncate -s 0 "$S/0"
t "reset" "0 0 0 0 7 1" counts
zio "$S/3" w append:0:768K >/dev/null
t "filled by a write" "0 0 0 0 6 2" counts
t "files open for writing" "0 0" echo "$(get "$M" nr_write_open)" \
    "$(zio "$S/0" r "sh:test \$(getfattr --only-values -n user.zone.nr_write_open $M) = 0")"
t "one open for writing" "0" zio "$S/0" w \
    "sh:test \$(getfattr --only-values -n user.zone.nr_write_open $M) = 1"
zio "$S/4" w append:0:512 >/dev/null
remount_image "$DIR/a.qcow2" "$M"
t "after a remount" "0 0 1 1 5 2" counts
unmount "$M"

# ---- read-only mount --------------------------------------------------------------------------------

mount_image "$DIR/a.qcow2" "$M" -o ro
t "ro: reading" "closed" get "$S/4" state
t "ro: setting" EROFS tell_zone "$S/4" finish
t "ro: writing" "open:EROFS" zio "$S/4" w append:0:512
t "ro: truncating" EROFS zpath truncate "$S/4" 0
t "ro: chmod" EROFS zpath chmod "$S/4" 600
t "ro: conventional" "open:EROFS" zio "$M/cnv/0" w write:1
t "ro: making" EROFS zpath mkdir "$M/x"
conf_done
