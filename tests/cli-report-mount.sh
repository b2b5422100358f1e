#!/usr/bin/env bash
# report and info of what is mounted: asked at the mount, by image, mount point or zone file.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires_fuse
requires jq getfattr
cd "$DIR"

# a path with a blank, which the kernel's list of mounts escapes
mkdir "a folder"
image="$DIR/a folder/a.qcow2"
mnt=$DIR/mnt
"$ZQFS" create -q -o zone.size=1M,zone.capacity=768K,zone.conventional_zones=2 "$image" 7680K
mount_image "$image" "$mnt"
echo hello >>"$mnt/seq/0"
truncate -s 768K "$mnt/seq/1"
setfattr -n user.zone.command -v open "$mnt/seq/2"
setfattr -n user.zone.command -v offline "$mnt/seq/3"
setfattr -n user.zone.command -v read-only "$mnt/seq/4"

cat >want.csv <<'END'
number,type,state,start,size,capacity,wp,file
0,conventional,not-wp,0,1048576,1048576,,cnv/0
1,conventional,not-wp,1048576,1048576,1048576,,cnv/1
2,sequential,implicit-open,2097152,1048576,786432,2097664,seq/0
3,sequential,full,3145728,1048576,786432,,seq/1
4,sequential,explicit-open,4194304,1048576,786432,4194304,seq/2
5,sequential,offline,5242880,1048576,786432,,seq/3
6,sequential,read-only,6291456,1048576,786432,6291456,seq/4
7,sequential,empty,7340032,524288,524288,7340032,seq/5
END
compare() { # FILE WHAT: wp of offline and read-only zones is left open
    diff <(sed '/offline\|read-only/s/,[0-9]*,seq/,,seq/' want.csv) \
        <(sed '/offline\|read-only/s/,[0-9]*,seq/,,seq/' "$1") || fail "$2"
}
"$ZQFS" report --csv "$image" >got
compare got "the mounted image, by its name"
"$ZQFS" report --csv "$mnt" >got
compare got "the mount point"
(cd "$mnt" && "$ZQFS" report --csv .) >got
compare got "the mount point as ."
ln -s "$image" link.qcow2
"$ZQFS" report --csv link.qcow2 >got
compare got "a link to the image"

# single files: the same lines, with their names
"$ZQFS" report --csv "$mnt/seq/1" "$mnt/cnv/1" "$mnt/seq/0" >got
diff - got <<END || fail "zone files"
number,type,state,start,size,capacity,wp,file
3,sequential,full,3145728,1048576,786432,,$mnt/seq/1
1,conventional,not-wp,1048576,1048576,1048576,,$mnt/cnv/1
2,sequential,implicit-open,2097152,1048576,786432,2097664,$mnt/seq/0
END
"$ZQFS" report "$mnt/seq/0" | tail -n 1 | holds "^2  *$mnt/seq/0 seq" || fail "no file name in the text"
assert_eq "$("$ZQFS" report --json "$mnt/seq/0" | jq -c '[.image, .mountpoint, .geometry.nr_zones,
    .zones[0].number, .zones[0].file]')" "[\"$image\",\"$mnt\",8,2,\"$mnt/seq/0\"]" "JSON of a file"
assert_eq "$("$ZQFS" report -n -c full "$mnt"/seq/* | awk '$1 == "full" { print $2 }')" 1 \
    "count of files"

# JSON and info know both names
assert_eq "$("$ZQFS" report --json "$image" | jq -c '[.image, .mountpoint]')" \
    "[\"$image\",\"$mnt\"]" "names in the JSON"
"$ZQFS" info "$image" >got
grep -qF "mounted on:        $mnt" got || fail "info does not say where it is mounted"
grep -q "^zones by state:    not-wp 2, empty 1, implicit-open 1, explicit-open 1, full 1, read-only 1, offline 1$" got ||
    fail "states in info: $(grep state: got)"
assert_eq "$("$ZQFS" info --json "$image" | jq -c '[.mountpoint, .zones_by_state["explicit-open"]]')" \
    "[\"$mnt\",1]" "JSON of info"
# -U reads the file as it is on disk
"$ZQFS" report -U --csv "$image" >got
assert_eq "$(sed -n '6p' got)" "4,sequential,empty,4194304,1048576,786432,4194304,seq/2" "the file itself"

# what must not be done beneath a mount
expect_fail "a.qcow2: mounted on $mnt; run: zqfs reset $mnt 3" "$ZQFS" reset "$image" 3
expect_fail "a.qcow2: mounted on $mnt; run: zqfs finish $mnt seq/1" "$ZQFS" finish "$image" seq/1
expect_fail "a.qcow2: mounted on $mnt; first run: zqfs umount" "$ZQFS" check "$image"

# other folders
expect_fail "$mnt/seq: a folder of a zqfs mount; ask $mnt" "$ZQFS" report "$mnt/seq"
expect_fail "want.csv: not a zone file of a zqfs mount" "$ZQFS" report "$mnt/seq/0" want.csv
unmount "$mnt"
expect_fail "a directory, and no zqfs image is mounted on it" "$ZQFS" report "$mnt"

# the other ways to name files
for options in aggr_cnv layout=zloop layout=zloop,aggr_cnv; do
    mount_image "$image" "$mnt" -o "$options"
    "$ZQFS" report --csv "$mnt" >got
    sed 1d got | while IFS=, read -r number _ _ _ _ _ _ file; do
        # one file stands for both conventional zones with aggr_cnv
        case $options,$number in *aggr_cnv,1) number=0 ;; esac
        assert_attr "$mnt/$file" number "$number"
    done
    unmount "$mnt"
    "$ZQFS" report --csv "$image" | diff <(cut -d, -f1-7) <(cut -d, -f1-7 got) ||
        fail "report with $options"
done

# a mount point with a blank
mkdir "a folder/mnt"
cleanup_fn fusermount3 -uqz "$DIR/a folder/mnt"
"$ZQFS" "$image" "a folder/mnt"
assert_eq "$("$ZQFS" report --json "$image" | jq -r .mountpoint)" "$DIR/a folder/mnt" "mount point"
"$ZQFS" report "a folder/mnt" >/dev/null
"$ZQFS" umount "a folder/mnt"
"$ZQFS" report --json "$image" | jq -e '.mountpoint == null' >/dev/null || fail "still mounted"
