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
set_state() { zpath set "$1" user.zone.state "$2"; }
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

# ---- changing the state -----------------------------------------------------------------------

t "explicit-open" "0 explicit-open" echo "$(set_state "$S/0" explicit-open) $(state "$S/0")"
t "again" "0 explicit-open" echo "$(set_state "$S/0" explicit-open) $(state "$S/0")"
t "closed: nothing written, so empty" "0 empty" echo \
    "$(set_state "$S/0" closed) $(state "$S/0")"
t "implicit-open to closed" "0 closed" echo "$(set_state "$S/1" closed) $(state "$S/1")"
t "closed to closed" "0 closed" echo "$(set_state "$S/1" closed) $(state "$S/1")"
t "closed to explicit-open" "0 explicit-open" echo \
    "$(set_state "$S/1" explicit-open) $(state "$S/1")"
zio "$S/1" w append:0:512 >/dev/null
t "a write leaves it explicitly open" explicit-open state "$S/1"
t "full" "0 full $CAP" echo "$(set_state "$S/1" full) $(state "$S/1") $(size_of "$S/1")"
t "wp of a full zone" ENODATA get "$S/1" wp
t "full to full" "0 full" echo "$(set_state "$S/1" full) $(state "$S/1")"
t "closing a full zone changes nothing" "0 full" echo "$(set_state "$S/1" closed) $(state "$S/1")"
t "full to explicit-open" "EINVAL full" echo "$(set_state "$S/1" explicit-open) $(state "$S/1")"
t "empty" "0 empty 0" echo "$(set_state "$S/1" empty) $(state "$S/1") $(size_of "$S/1")"
t "empty to empty" "0 empty" echo "$(set_state "$S/1" empty) $(state "$S/1")"
t "an empty zone can be finished" "0 full" echo "$(set_state "$S/2" full) $(state "$S/2")"
t "closing an empty zone changes nothing" "0 empty" echo "$(set_state "$S/3" closed) $(state "$S/3")"
t "implicit-open cannot be asked for" "EINVAL empty" echo \
    "$(set_state "$S/3" implicit-open) $(state "$S/3")"
t "not-wp cannot be asked for" EINVAL set_state "$S/3" not-wp
t "a word that is no state" EINVAL set_state "$S/3" opened
t "an empty word" EINVAL set_state "$S/3" ""
t "with a newline" EINVAL set_state "$S/3" "full
"
t "capitals" EINVAL set_state "$S/3" FULL
for s in explicit-open closed full empty; do
    t "$s of a conventional zone" EINVAL set_state "$M/cnv/0" $s
done
t "on the root" EPERM set_state "$M" full
set_state "$S/2" empty >/dev/null

# ---- other readers see it at once ---------------------------------------------------------------

zio "$S/2" w pwrite:0:8192:5 >/dev/null
t "a mapped reader after a reset by attribute" "0 yes 0 0 yes" zio "$S/2" r map:shared:r:4096 \
    mis:0:4096:5 "sh:setfattr -n user.zone.state -v empty $S/2" \
    "sh:$TOOLS/zio $S/2 w pwrite:0:4096:6 > /dev/null" mis:0:4096:6
t "an open reader after a reset" "yes 0 0 0" zio "$S/2" r is:0:4096:6 \
    "sh:setfattr -n user.zone.state -v empty $S/2" pread:0:4096 size
t "an open reader after a finish" "0 0 $CAP yes" zio "$S/2" r size \
    "sh:setfattr -n user.zone.state -v full $S/2" size is:0:768K:0
set_state "$S/2" empty >/dev/null

# ---- refusals -----------------------------------------------------------------------------------

t "setting another of ours" EPERM zpath set "$S/0" user.zone.wp 0
t "setting a name that is none" EPERM zpath set "$S/0" user.zone.none 0
t "setting user.something" EPERM zpath set "$S/0" user.comment hello
t "reading a name that is none" ENODATA zpath get "$S/0" user.zone.none
t "reading user.something" ENODATA zpath get "$S/0" user.comment
t "reading a prefix" ENODATA zpath get "$S/0" user.zone
t "removing" EPERM zpath remove "$S/0" user.zone.state
t "removing a name that is none" EPERM zpath remove "$S/0" user.comment
t "a folder's" ENODATA zpath get "$M/seq" user.zone.state
t "security." EOPNOTSUPP zpath get "$S/0" security.selinux
t "trusted." EOPNOTSUPP zpath get "$S/0" trusted.x
t "setting trusted." EOPNOTSUPP zpath set "$S/0" trusted.x y
t "an ACL" EOPNOTSUPP zpath get "$S/0" system.posix_acl_access
t "XATTR_CREATE of what exists" EEXIST zpath set "$S/0" user.zone.state full create
t "XATTR_REPLACE of what exists" "0" zpath set "$S/0" user.zone.state explicit-open replace
set_state "$S/0" empty >/dev/null
set_state "$S/0" closed >/dev/null
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
set_state "$S/1" explicit-open >/dev/null
t "one explicitly open" "1 1 0 2 6 0" counts
set_state "$S/0" closed >/dev/null
t "one closed" "0 1 1 2 6 0" counts
set_state "$S/2" full >/dev/null
t "one full" "0 1 1 2 5 1" counts
set_state "$S/1" closed >/dev/null
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
t "ro: setting" EROFS set_state "$S/4" full
t "ro: writing" "open:EROFS" zio "$S/4" w append:0:512
t "ro: truncating" EROFS zpath truncate "$S/4" 0
t "ro: chmod" EROFS zpath chmod "$S/4" 600
t "ro: conventional" "open:EROFS" zio "$M/cnv/0" w write:1
t "ro: making" EROFS zpath mkdir "$M/x"
conf_done
