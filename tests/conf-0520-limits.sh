#!/usr/bin/env bash
# Limits on open and active zones, the implicit close, and explicit-open.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse
requires getfattr setfattr

M=$DIR/mnt
S=$M/seq
tell_zone() { zpath set "$1" user.zone.command "$2"; }
states() { # zones 0 to 7 by their first letters
    local n out=
    for n in 0 1 2 3 4 5 6 7; do
        case $(state "$S/$n") in
            empty) out="$out-" ;;
            implicit-open) out="${out}i" ;;
            explicit-open) out="${out}E" ;;
            closed) out="${out}c" ;;
            full) out="${out}F" ;;
            *) out="$out?" ;;
        esac
    done
    echo "$out"
}
append() { zio "$S/$1" w append:0:512; }
hold() { # ZONE COMMAND: its status while the zone's file is open for writing
    zio "$S/$1" w "sh:$2"
}
# for the shells that zio starts
mkdir "$DIR/bin"
cat >"$DIR/bin/attr" <<'END'
#!/bin/sh
exec getfattr --only-values --absolute-names -n "user.zone.$2" -- "$1"
END
chmod +x "$DIR/bin/attr"
PATH=$DIR/bin:$PATH

# ---- open limit: the least recently written zone is closed ------------------------------------

conf_create "$DIR/a.qcow2" zone.max_open_zones=3,zone.max_active_zones=5
mount_image "$DIR/a.qcow2" "$M"
t "three zones" "512 512 512 iii-----" echo "$(append 0) $(append 1) $(append 2) $(states)"
t "the fourth closes the first" "512 ciii----" echo "$(append 3) $(states)"
t "a write makes it recent" "512 512 cicii---" echo "$(append 1) $(append 4) $(states)"
t "no active slot is left" "EBUSY cicii---" echo "$(append 5) $(states)"
t "nor for a finish of an empty zone" "EBUSY cicii---" echo \
    "$(zpath truncate "$S/5" $CAP) $(states)"
t "nor for an explicit open" "EBUSY cicii---" echo "$(tell_zone "$S/5" open) $(states)"
t "the refused write left nothing" "0" size_of "$S/5"
t "a closed zone may go on" "512 iicc" echo "$(append 0) $(states | cut -c1-4)"
t "a finish frees a slot" "0 512" echo "$(zpath truncate "$S/2" $CAP) $(append 5)"
t "again none" "EBUSY" append 6
t "a reset frees one" "0 512" echo "$(zpath truncate "$S/0" 0) $(append 6)"
t "a full zone frees one" "785408 512" echo "$(zio "$S/1" w append:0:768K) $(append 7)"
t "active is at its limit" 5 attr "$M" nr_active
t "open is at most three" yes sh -c \
    "[ \$(getfattr --only-values --absolute-names -n user.zone.nr_open_implicit $M) -le 3 ] && echo yes"
unmount "$M"
mount_image "$DIR/a.qcow2" "$M"
t "active survives a remount" "5 0" echo "$(attr "$M" nr_active) $(attr "$M" nr_open_implicit)"
t "all closed" 5 attr "$M" nr_closed
unmount "$M"
rm "$DIR/a.qcow2"

# ---- explicitly open zones are never closed for another -----------------------------------------

conf_create "$DIR/a.qcow2" zone.max_open_zones=2
mount_image "$DIR/a.qcow2" "$M"
tell_zone "$S/0" open >/dev/null
append 1 >/dev/null
t "one explicit, one implicit" "Ei------" states
t "the implicit one is closed" "512 Eci-----" echo "$(append 2) $(states)"
t "a second explicit open" "0 EcE-----" echo "$(tell_zone "$S/2" open) $(states)"
t "nothing can be closed" "EBUSY EcE-----" echo "$(append 3) $(states)"
t "not for a closed zone either" "EBUSY 512" echo "$(append 1) $(size_of "$S/1")"
t "nor for a finish of a closed zone" "EBUSY EcE-----" echo \
    "$(zpath truncate "$S/1" $CAP) $(states)"
t "nor of an empty zone" "EBUSY" zpath truncate "$S/3" $CAP
t "a reset always works" "0" zpath truncate "$S/1" 0
t "writes to the open ones" "512 512" echo "$(append 0) $(append 2)"
t "finish of an explicitly open zone" "0 E-F-----" echo "$(zpath truncate "$S/2" $CAP) $(states)"
t "one is free again" "512 E-Fi----" echo "$(append 3) $(states)"
t "no limit on active zones" "512 512 512" echo "$(append 4) $(append 5) $(append 6)"
unmount "$M"
rm "$DIR/a.qcow2"

# ---- without explicit-open opening a file takes nothing --------------------------------------------

conf_create "$DIR/a.qcow2" zone.max_open_zones=2,zone.max_active_zones=3
mount_image "$DIR/a.qcow2" "$M"
t "opening changes no state" 0 hold 0 "test \$(attr $S/0 state) = empty"
t "many opens" "0" hold 0 "exec 4>>$S/1 5>>$S/2 6>>$S/3 7>>$S/4"
t "and they are counted" "0" hold 0 "exec 4>>$S/1 5>>$S/2; test \$(attr $M nr_write_open) = 3"
unmount "$M"

# ---- explicit-open -----------------------------------------------------------------------------------

mount_image "$DIR/a.qcow2" "$M" -o explicit-open
t "open for writing opens the zone" 0 hold 0 "test \$(attr $S/0 state) = explicit-open"
t "the last close makes it empty" empty state "$S/0"
t "open for reading does not" 0 zio "$S/0" r "sh:test \$(attr $S/0 state) = empty"
t "open for both does" 0 zio "$S/0" rw "sh:test \$(attr $S/0 state) = explicit-open"
t "written, it stays explicitly open" "512 0" zio "$S/0" w append:0:512 \
    "sh:test \$(attr $S/0 state) = explicit-open"
t "the last close closes it" closed state "$S/0"
t "not the first close of two" 0 hold 0 "$TOOLS/zio $S/0 w >/dev/null; test \$(attr $S/0 state) = explicit-open"
t "a reset of an open file keeps it open" "0 0" zio "$S/0" w trunc:0 \
    "sh:test \$(attr $S/0 state) = explicit-open"
t "then close: empty" empty state "$S/0"
t "two zones at the limit" 0 hold 0 "exec 4>>$S/1"
t "a third is refused" 0 hold 0 "exec 4>>$S/1; test \"\$($TOOLS/zio $S/2 w)\" = open:EBUSY"
t "reading it is not" 0 hold 0 "exec 4>>$S/1; test \"\$($TOOLS/zio $S/2 r size)\" = 0"
t "nor its truncate to 0" 0 hold 0 "exec 4>>$S/1; test \"\$($TOOLS/zpath truncate $S/2 0)\" = 0"
t "nor conventional files" 0 hold 0 "exec 4>>$S/1; test \"\$($TOOLS/zio $M/cnv/0 w write:1)\" = 1"
t "another open of an open zone is none more" 0 hold 0 "exec 4>>$S/1 5>>$S/1 6>>$S/0"
t "after the close there is room" "512" append 2
zio "$S/3" w append:0:768K >/dev/null
t "a full zone stays full when opened" 0 hold 3 "test \$(attr $S/3 state) = full"
t "and after" full state "$S/3"
t "and full zones count" 0 hold 3 "exec 4>>$S/1; test \"\$($TOOLS/zio $S/4 w)\" = open:EBUSY"
t "filled while open" "786432 full" echo "$(zio "$S/0" w,append write:768K) $(state "$S/0")"
t "finished while open" "0 full" echo "$(zio "$S/1" w trunc:768K) $(state "$S/1")"
empty "$S/0" "$S/1" "$S/2" "$S/3"
t "counters with files open" 0 hold 0 \
    "exec 4>>$S/1; test \"\$(attr $M nr_open_explicit) \$(attr $M nr_write_open)\" = '2 2'"
t "counters after" "0 0 0" echo "$(attr "$M" nr_open_explicit) $(attr "$M" nr_write_open)" \
    "$(attr "$M" nr_active)"
append 0 >/dev/null
append 1 >/dev/null
append 2 >/dev/null
t "three active, closed" "ccc-----" states
t "a fourth has no active slot" "open:EBUSY" append 3
t "a closed one can be opened" "512" append 1
unmount "$M"
rm "$DIR/a.qcow2"

# close(2) returns before the daemon is told of the last close of a file
conf_create "$DIR/a.qcow2" zone.max_open_zones=1
mount_image "$DIR/a.qcow2" "$M" -o explicit-open
t "a close is done when it returns" "0 0" "$TOOLS/zchurn" "$M" 2000
t "nobody waits for a close that is none" quick "$TOOLS/zchurn" "$M" 300 dups
unmount "$M"
conf_done
