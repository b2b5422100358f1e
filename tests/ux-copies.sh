#!/usr/bin/env bash
# Tools that copy attributes along (cp -a, rsync -X, tar --xattrs) never change a zone.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
# shellcheck source=tests/conf.bash
source "${0%/*}/conf.bash"
requires_fuse
requires getfattr setfattr
M=$DIR/mnt
S=$M/seq

"$ZQFS" create -o zone.size=1M,zone.conventional_zones=1 "$DIR/a.qcow2" 8M >/dev/null
mount_image "$DIR/a.qcow2" "$M"
cd "$DIR"
setfattr -n user.test -v x "$DIR/a.qcow2" || skip "no attributes in $DIR"

# A backup of a zone in each state; each is then filled by its user and copied back.
states="empty closed full explicit-open"
backup() { # TOOL...
    local zone=0 state
    for state in $states; do
        truncate -s 0 "$S/$zone"
        case $state in
            closed) printf '%512s' x >"$S/$zone"; setfattr -n user.zone.command -v close "$S/$zone" ;;
            full) setfattr -n user.zone.command -v finish "$S/$zone" ;;
            explicit-open) setfattr -n user.zone.command -v open "$S/$zone" ;;
        esac
        "$@" "$S/$zone" "copy-$state"
        zone=$((zone + 1))
    done
}

# Whatever state the backup tells of, afterwards the zone has the backup's data.
restored() { # STATUS... -- TOOL...
    local state want=() rc
    while [ "$1" != -- ]; do want+=("$1"); shift; done
    shift
    for state in $states; do
        setfattr -n user.zone.command -v reset "$S/4"
        seq 1 1000 >"copy-$state" # keeps the attributes
        rc=0
        "$@" "copy-$state" "$S/4" 2>err || rc=$?
        case " ${want[*]} " in
            *" $rc "*) ;;
            *) cat err ;;
        esac
        ok "status $rc" sh -c "case ' ${want[*]} ' in *' $rc '*) ;; *) exit 1 ;; esac"
        ok "$state: the data" cmp -n "$(size_of "copy-$state")" "copy-$state" "$S/4"
        t "$state: the size" 4096 size_of "$S/4"
        t "$state: the state" implicit-open state "$S/4"
        rm "copy-$state"
    done
}

backup cp -a
ok "cp -a takes the state along" sh -c "getfattr -d copy-full | grep -q 'user.zone.state=\"full\"'"
restored 0 -- cp -a

if command -v rsync >/dev/null; then
    backup rsync -aX
    # 23: some attributes were not transferred
    restored 0 23 -- rsync -aX --inplace
fi

tar_out() { # FILE ARCHIVE
    tar --xattrs --xattrs-include='user.*' -cf "$2.tar" -C "${1%/*}" "${1##*/}"
    tar --xattrs --xattrs-include='user.*' -xf "$2.tar" -O >"$2"
    mkdir -p x && tar --xattrs --xattrs-include='user.*' -xf "$2.tar" -C x
    mv -f "x/${1##*/}" "$2"
}
tar_in() { # COPY ZONE
    tar --xattrs --xattrs-include='user.*' -cf in.tar "$1"
    tar --xattrs --xattrs-include='user.*' -xOf in.tar >"$2"
}
backup tar_out
ok "tar takes the state along" sh -c "getfattr -d copy-full | grep -q 'user.zone.state=\"full\"'"
restored 0 -- tar_in
# With attributes it first makes the file, so it cannot unpack over one that stays.
seq 1 2000 >"$S/5"
cp "$S/5" before
backup tar_out
cp -a copy-empty 5
tar --xattrs --xattrs-include='user.*' -cf in.tar 5
t "tar over a zone" 2 sh -c \
    "tar --xattrs --xattrs-include='user.*' --overwrite -xf in.tar -C '$S' 2>err; echo \$?"
ok "changes nothing" cmp before "$S/5"
unmount "$M"
ok "the image is sound" "$ZQFS" check "$DIR/a.qcow2"
conf_done
