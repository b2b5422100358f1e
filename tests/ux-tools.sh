#!/usr/bin/env bash
# WHICH TOOLS WORK of the man page: each line of its tables is tried, or the tool is not there.
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC2016 # $Z is set for each command, where it runs
source "${0%/*}/lib.sh"
requires_fuse
cd "$DIR"

"$ZQFS" create -q -o zone.size=8M,zone.conventional_zones=2 a.qcow2 256M
mount_image a.qcow2 mnt
random_bytes 3000000 >src
random_bytes 3000320 >other
n=0
absent=()

# Runs a command on a new, empty zone, which is $Z in it; fails when the tool is not there.
on_zone() { # COMMAND: its status goes to rc
    local tool=${1%% *}
    Z=mnt/seq/$n
    n=$((n + 1))
    command -v "$tool" >/dev/null || {
        absent+=("$tool")
        return 1
    }
    rc=0
    Z=$Z timeout 60 bash -c "$1" >out 2>&1 </dev/null || rc=$?
}
works() { # COMMAND: the zone then begins with src and is as long in whole blocks
    grep -qF -- "$(page_form "$1")" page || fail "not in the page: $(page_form "$1")"
    on_zone "$1" || return 0
    [ "$rc" -eq 0 ] || fail "status $rc from: $1: $(cat out)"
    cmp -n 3000000 src "$Z" || fail "other data after: $1"
    assert_size "$Z" 3000320
}
fails() { # COMMAND: and says so
    on_zone "$1" || return 0
    case $rc in 0 | 124) fail "status $rc, expected a failure: $1" ;; esac
}
# The page calls the zone and the data by other names.
page_form() { sed 's/\$Z/seq\/0/g; s/\bsrc\b/data/g' <<<"$1"; }
# what stands in the page, without its markup
sed -n 's/^\.It Li \(.*\) Ta .*/\1/p' "$TOP/zqfs.1" | sed 's/ Ns //g; s/\\-/-/g; s/\\&//g' >page

works 'cp src $Z'
works 'cp --sparse=never src $Z'
works 'cat src > $Z'
works 'cat src >> $Z'
works 'cat src 1<> $Z'
works 'tee $Z < src'
works 'tee -a $Z < src'
works 'dd if=src of=$Z bs=1M'
works 'dd of=$Z oflag=append conv=notrunc < src'
works 'rsync --inplace src $Z'
works 'rsync --append src $Z'
works 'scp src $Z'
works 'pv src > $Z'
works 'sponge $Z < src'
works 'split -b 1M --filter="cat >> $Z" src'
# cp over a zone that is written resets it first, rsync --inplace does not
on_zone 'cp other $Z && cp src $Z'
[ "$rc" -eq 0 ] || fail "a second cp: $(cat out)"
cmp -n 3000000 src "$Z"
fails 'rsync --inplace --ignore-times other mnt/seq/0'
fails 'rsync src $Z'
fails 'install src $Z'
fails 'sed -i s/a/b/ $Z'
fails 'sqlite3 $Z "create table t(a)"'
fails 'mkfs.ext4 -q $Z'
fails 'truncate -s 4096 $Z'
fails 'fallocate -l 1M $Z'
fails 'mv src $Z'
fails 'echo hello >$Z; shred -n 1 $Z'
grep -q hello "$Z" || fail "shred has changed a zone"
on_zone 'tar -cf $Z src && tar -tf $Z'
[ "$rc" -eq 0 ] || fail "tar: $(cat out)"
if on_zone 'ed -s $Z <<< $'"'a\\nhello\\n.\\nw\\nq'"; then
    assert_eq "$(tr -d '\0' <"$Z")" hello "what ed has written"
fi

# the fio jobs of the page
job='fio --name=write --filename=$Z --rw=write --bs=64k --size=8M --direct=1 --ioengine=libaio --iodepth=8 --fallocate=none --create_on_open=1'
if on_zone "$job"; then
    [ "$rc" -eq 0 ] || fail "fio: $(tail -n 5 out)"
    assert_size "$Z" 8388608
    read_job="fio --name=read --filename=$Z --rw=randread --bs=4k --size=8M --io_size=1M"
    $read_job >out 2>&1 || fail "fio: $(tail -n 5 out)"
fi
for word in --fallocate=none --create_on_open=1 --rw=randread; do
    grep -qF -- "$word" "$TOP/zqfs.1" || fail "not in the page: $word"
done

# conventional zones
C=mnt/cnv/0
cat src 1<>$C
cmp -n 3000000 src $C || fail "1<> on a conventional zone"
dd if=other of=$C bs=1M conv=notrunc 2>out || fail "dd conv=notrunc: $(cat out)"
expect_fail "Operation not permitted" cp src $C
expect_fail "Operation not permitted" dd if=src of=$C bs=1M
if [ "$(id -u)" -eq 0 ] && command -v mkfs.ext4 >/dev/null && command -v losetup >/dev/null; then
    mkfs.ext4 -q -F $C || fail "mkfs on a conventional zone"
    if loop=$(losetup --find --show $C 2>out); then
        cleanup_fn losetup -d "$loop"
        mkdir disk
        if mount "$loop" disk 2>out; then
            cleanup_fn umount disk
            cp src disk/file
            umount disk
            mount "$loop" disk
            cmp src disk/file || fail "a file on a loop device on a conventional zone"
            umount disk
        fi
        losetup -d "$loop"
    fi
fi
[ ${#absent[@]} -eq 0 ] || echo "not installed and not tried: ${absent[*]}"
