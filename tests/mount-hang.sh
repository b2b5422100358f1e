#!/usr/bin/env bash
# Whoever waits for the mount gets away: each cell of the table in src/fs/README, one by one.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
source "${0%/*}/serve.bash"
requires_fuse
requires setfattr
requires_tool zio
requires_abort
zio=$TOOLS/zio
M=$DIR/mnt
image=$DIR/a.qcow2

begin() { # WHAT [MOUNT-OPTIONS]
    echo "-- $1"
    rm -f "$image"
    "$ZQFS" create -q -o zone.size=4M,zone.conventional_zones=2 "$image" 40M
    mount_faulty "$image" "$M" ${2:+-o "$2"}
    guard 40 "$M"
}

# An end by force counts as a hang, and a page that waits for its answer too.
finish() {
    heal
    assert_none_stuck "before the end"
    unguard
    unmount "$M"
    assert_status 0 "$ZQFS" check "$image"
}

command_of() { setfattr -n user.zone.command -v "$2" "$1"; } # FILE VERB
got() { # WANT COMMAND...
    local want=$1 out
    shift
    out=$("$@") || true
    assert_eq "$out" "$want" "$*"
}

for verb in read-only offline; do
    begin "6, 3: dirty pages of a file that becomes $verb" max_threads=1
    got "0 0" "$zio" "$M/cnv/0" rw map:shared:rw:1M mset:0:8192:120 \
        "sh:setfattr -n user.zone.command -v $verb $M/cnv/0"
    finish
done

begin "6, 1: dirty pages, and a disk that fails under errors=zone-offline" errors=zone-offline
# the first write takes the zone offline; hundreds of pages are still to come
fault write-eio
"$zio" "$M/cnv/0" rw map:shared:rw:4M mset:0:4M:120 msync >"$DIR/out"
grep -qx "0 E[A-Z]*" "$DIR/out" || fail "msync: $(cat "$DIR/out")"
assert_size "$M/cnv/0" 0
finish

begin "5: writers of uncached pages then" errors=zone-offline
fault write-slow 200
for ((i = 0; i < 6; i++)); do
    spawn "$zio" "$M/cnv/0" rw pwrite:$((i * 65536 + 100)):100:7 >"$DIR/w$i"
done
sleep 0.1
fault write-eio
wait_spawned
cat "$DIR"/w* >"$DIR/out"
grep -q EIO "$DIR/out" || fail "no writer was told: $(cat "$DIR/out")"
finish

begin "4: a page whose READ is slow, when the zone is reset"
head -c 1M /dev/zero | tr '\0' x >"$M/seq/0"
unmount "$M"
mount_faulty "$image" "$M"
guard 40 "$M"
fault read-slow 500
"$zio" "$M/seq/0" r map:shared:r:64K read:4096 >/dev/null &
reader=$!
sleep 0.2
command_of "$M/seq/0" reset
assert_size "$M/seq/0" 0
wait "$reader" || true
finish

# Who gets the first new answer drops the pages, in his own time. Our own question comes later here.
begin "4: a page that somebody else is about to drop"
# Who waits for a page cannot be woken.
assert_sleeps() { # PID
    local n
    for ((n = 0; n < 100; n++)); do
        [ "$(cut -d' ' -f3 "/proc/$1/stat")" != D ] || return 0
        sleep 0.1
    done
    fail "nobody waits for the page"
}
head -c 1M /dev/zero >"$M/seq/0"
unmount "$M"
mount_faulty "$image" "$M"
guard 40 "$M"
# another page: what the reset needs of the image's tables is in memory then
"$zio" "$M/seq/0" r pread:512K:4096 >/dev/null
"$zio" "$M/seq/0" r sizes:20000 >/dev/null &
other=$!
fault ask-slow 300
fault read-hang
spawn "$zio" "$M/seq/0" r read:4096 >/dev/null
assert_sleeps $!
command_of "$M/seq/0" reset &
reset=$!
assert_sleeps $other
sleep 1
kill -0 "$reset" 2>/dev/null || fail "a reset did not wait for pages that are still to be dropped"
heal
wait "$reset"
kill "$other"
wait_spawned
finish

begin "5: a page that a buffered WRITE has locked, when the file becomes read-only"
fault write-slow 500
"$zio" "$M/cnv/1" rw pwrite:100:100:7 >/dev/null &
writer=$!
sleep 0.2
command_of "$M/cnv/1" read-only
wait "$writer"
finish

begin "2: LOOKUP and READDIR of the folder all the time"
list_often() { for ((i = 0; i < 40; i++)); do ls -lR "$M" >/dev/null || true; done; }
spawn list_often 2>/dev/null
for ((i = 0; i < 20; i++)); do
    echo "line $i" >>"$M/seq/1"
    command_of "$M/seq/1" finish
    command_of "$M/seq/1" reset
done
wait_spawned
finish

begin "7: truncations of a file whose pages are written back all the time"
"$zio" "$M/cnv/0" rw map:shared:rw:1M mset:0:1M:1 msync mset:0:1M:2 msync mset:0:1M:3 msync \
    mset:0:1M:4 msync mset:0:1M:5 msync >/dev/null &
mapper=$!
for ((i = 0; i < 100; i++)); do
    truncate -s 4M "$M/cnv/0"
    setfattr -n user.zone.command -v close "$M/cnv/0" 2>/dev/null || true
done
wait "$mapper"
finish

begin "8: a writer that has the file's lock while its state is set"
fault write-slow 300
"$zio" "$M/seq/2" w,append write:4096 write:4096 >"$DIR/out" &
writer=$!
sleep 0.1
command_of "$M/seq/2" finish
wait "$writer"
finish

begin "a page that is not answered holds up its own file only" end_timeout=2
head -c 1M /dev/zero | tr '\0' x >"$M/seq/0"
unmount "$M"
mount_faulty "$image" "$M"
guard 40 "$M"
# what these need of the image's tables is in memory then
turn() {
    timeout 5 sh -c "echo x >>$M/seq/3" || fail "another file waits: write"
    timeout 5 setfattr -n user.zone.command -v finish "$M/seq/3" || fail "another file waits: finish"
    timeout 5 setfattr -n user.zone.command -v reset "$M/seq/3" || fail "another file waits: reset"
}
turn
fault read-hang
spawn "$zio" "$M/seq/0" r read:4096 >/dev/null
sleep 0.2
spawn command_of "$M/seq/0" reset
sleep 0.2
for ((i = 0; i < 10; i++)); do turn; done
heal
wait_spawned
finish

begin "more callers of fsync than there are threads, and a disk that hangs" max_threads=2
for ((i = 0; i < 8; i++)); do echo x >>"$M/seq/$i"; done
fault sync-hang
# fsync has the lock of its own file in the kernel: each caller has another file
for ((i = 0; i < 5; i++)); do spawn "$zio" "$M/seq/$i" r fsync >/dev/null; done
sleep 0.5
for ((i = 5; i < 8; i++)); do
    timeout 5 stat "$M/seq/$i" >/dev/null || fail "stat waits for the disk"
    timeout 5 cat "$M/seq/$i" >/dev/null || fail "a read waits for fsync"
    timeout 5 sh -c "head -c 4096 /dev/zero >>$M/seq/$i" || fail "a write waits for fsync"
done
heal
wait_spawned
finish
