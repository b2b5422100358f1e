#!/usr/bin/env bash
# -o powercut: what fsync and O_SYNC have confirmed is there after each kind of end, and nothing else.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
source "${0%/*}/lib.sh"
requires_fuse
requires python3
cd "$DIR"
K=1024

# Sound, and what a killed process leaves of unused clusters at most.
assert_sound() { # IMAGE [OPTION]
    local rc=0
    "$ZQFS" check "${@:2}" "$1" >out 2>&1 || rc=$?
    [ "$rc" -eq 0 ] || [ "$rc" -eq 3 ] || fail "check: status $rc: $(cat out)"
}

end_umount() { unmount mnt; }
end_term() {
    kill -TERM "$(mount_pid mnt)"
    wait_gone "$(mount_pid mnt)" || fail "SIGTERM did not end it"
    forget_mount_ mnt
}
end_kill() {
    kill -KILL "$(mount_pid mnt)"
    wait_gone "$(mount_pid mnt)" || fail "SIGKILL did not end it"
    unmount mnt
}
end_cut() {
    "$ZQFS" umount --power-cut mnt
    is_mounted mnt && fail "mounted after --power-cut"
    running_ "$(mount_pid mnt)" && fail "its process runs after --power-cut"
    forget_mount_ mnt
}

# In zone order: confirmed and more, only unconfirmed, reset unconfirmed, reset confirmed, finished
# unconfirmed, O_SYNC; conventional: a confirmed and an unconfirmed range.
cat >work.py <<'END'
import os, sys
m = sys.argv[1]
def zone(n, flags=0): return os.open("%s/seq/%d" % (m, n), os.O_WRONLY | os.O_APPEND | flags)
def conv(n): return os.open("%s/cnv/%d" % (m, n), os.O_WRONLY)
K = 1024
keep = []
def add(n, data, sync=False, flags=0):
    fd = zone(n, flags)
    keep.append(fd)
    os.write(fd, data)
    if sync: os.fsync(fd)
    return fd
fd = add(0, b"a" * 8 * K, True)
os.write(fd, b"b" * 8 * K)
add(1, b"c" * 8 * K)
fd = add(2, b"d" * 8 * K, True)
os.truncate(m + "/seq/2", 0)
add(2, b"e" * 4 * K)
fd = add(3, b"f" * 8 * K, True)
os.truncate(m + "/seq/3", 0)
add(3, b"g" * 3000, True)
add(4, b"h" * 8 * K, True)
os.truncate(m + "/seq/4", 1024 * K)
add(5, b"i" * 1000, flags=os.O_SYNC)
add(5, b"j" * 1000)
a, b = conv(0), conv(1)
os.pwrite(a, b"k" * 5000, 3000)
os.fsync(a)
os.pwrite(a, b"l" * 5000, 100)
os.pwrite(b, b"m" * 5000, 0)
d = os.open(m, os.O_RDONLY)
os.fsync(d)
keep += [a, b]
if len(sys.argv) > 2:
    open(sys.argv[2], "w").close()
    sys.stdin.read()
END

# What all readers of the mount see meanwhile.
assert_live() { # DIR
    local s=$1/seq
    assert_eq "$(stat -c %s "$s"/[0-5] | tr '\n' ' ')" "16384 8192 4096 3072 1048576 2048 " "live sizes"
    assert_eq "$(head -c 10000 "$s/0" | tail -c 2)" bb "live zone 0"
    assert_eq "$(tr -d '\0' <"$s/4" | wc -c)" $((8 * K)) "live zone 4"
    assert_eq "$(head -c 101 "$1/cnv/0" | tail -c 1)" l "live cnv/0"
}

assert_confirmed() { # IMAGE OPTIONS
    mount_image "$1" after -o "ro$2"
    assert_eq "$(stat -c %s after/seq/[0-5] | tr '\n' ' ')" "8192 0 8192 3072 8192 1024 " "sizes after $how"
    assert_eq "$(cat after/seq/[0-5] | tr -d '\0' | fold -w 1 | uniq -c | tr -d ' \n')" \
        "8192a8192d3000g8192h1000i" "contents after $how"
    assert_eq "$(tr '\0' . <after/cnv/0 | fold -w 1 | uniq -c | head -n 3 | tr -d ' \n')" \
        "3000.5000k$((1024 * K - 8000))." "cnv/0 after $how"
    assert_eq "$(tr -d '\0' <after/cnv/1)" "" "cnv/1 after $how"
    unmount after
}

# Each kind of image sets $image, and $options when the mount needs more.
make_file() {
    rm -f d.qcow2
    "$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=2 d.qcow2 8M
    image=d.qcow2 options=
}
make_data_file() { # one that has moved
    rm -f d.qcow2 d.raw moved.raw
    "$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=2,data_file=d.raw d.qcow2 8M
    mv d.raw moved.raw
    image=d.qcow2 options=,data_file=moved.raw
}
make_device() {
    make_file
    dd if=d.qcow2 of="$loop" conv=fsync status=none
    image=$loop
}
truncate -s 64M device
loop=$(losetup -f --show device 2>/dev/null) || loop=
[ -z "$loop" ] || cleanup_fn losetup -d "$loop"

# commit=1: commits in the background confirm nothing
every_end() { # KIND
    for how in umount term kill cut; do
        "make_$1"
        mount_image "$image" mnt -o "powercut,commit=1$options"
        python3 work.py mnt
        compgen -G "*powercut*" && fail "a file with a name is beside the image"
        assert_live mnt
        sleep 1.2
        "end_$how"
        assert_sound "$image" ${options:+--data-file=moved.raw}
        assert_confirmed "$image" "$options"
    done
}
every_end data_file
[ -z "$loop" ] || every_end device
every_end file

# while a program has files open; afterwards it meets errors, and the image is free at once
mount_image d.qcow2 mnt -o powercut
sleep 60 | python3 work.py mnt ready &
for _ in $(seq 200); do
    [ -e ready ] || sleep 0.1
done
[ -e ready ] || fail "the program did not come so far"
expect_fail "busy" "$ZQFS" umount mnt
end_cut
kill %1 2>/dev/null || true
assert_sound d.qcow2
mount_image d.qcow2 after -o ro
assert_eq "$(stat -c %s after/seq/3)" 3072 "zone 3"
unmount after

# every write confirmed; one file of all conventional zones, synced as one
mount_image d.qcow2 mnt -o powercut,sync,aggr_cnv
head -c 4K /dev/zero | tr '\0' z >mnt/seq/5
end_kill
mount_image d.qcow2 mnt -o powercut,aggr_cnv
head -c $((1024 * K + 4096)) /dev/zero | tr '\0' x | dd of=mnt/cnv/0 bs=1M iflag=fullblock conv=notrunc,fsync status=none
head -c 4K /dev/zero | tr '\0' y | dd of=mnt/cnv/0 bs=4K conv=notrunc status=none
end_kill
mount_image d.qcow2 after -o ro
assert_eq "$(head -c 4096 after/seq/5 | tr -d z)" "" "-o sync"
assert_eq "$(tr -d x <after/cnv/1 | wc -c)" $((1024 * K - 4096)) "the second zone of cnv/0"
assert_eq "$(tr -d x <after/cnv/0 | wc -c)" 0 "the first zone of cnv/0"
unmount after

# with seeds: 16 blocks that nobody confirmed, of which some seed keeps none, one all, one a part
kept=()
for seed in $(seq 12); do
    rm -f s.qcow2
    "$ZQFS" create -q -o zone.size=1M s.qcow2 2M
    mount_image s.qcow2 mnt -o "powercut=$seed"
    for _ in $(seq 8); do head -c 1024 /dev/zero | tr '\0' s >>mnt/seq/0; done
    end_kill
    assert_sound s.qcow2
    mount_image s.qcow2 after -o ro
    size=$(stat -c %s after/seq/0)
    if [ $((size % 512)) -ne 0 ] || [ "$size" -gt 8192 ]; then fail "seed $seed: $size bytes"; fi
    assert_eq "$(tr -d s <after/seq/0)" "" "seed $seed: what is kept"
    unmount after
    kept+=("$size")
done
[ "$(printf '%s\n' "${kept[@]}" | sort -u | wc -l)" -ge 3 ] || fail "seeds make no difference: ${kept[*]}"

# what is refused
expect_fail "powercut and compress exclude each other" "$ZQFS" -o powercut,compress d.qcow2 mnt
expect_fail "option powercut=0: must be a number from 1 to" "$ZQFS" -o powercut=0 d.qcow2 mnt
mount_image d.qcow2 mnt
expect_fail "mounted without -o powercut, which --power-cut is for" "$ZQFS" umount --power-cut mnt
is_mounted mnt || fail "it was unmounted"
unmount mnt

# no file can be made beside the image: elsewhere
if [ "$(id -u)" -ne 0 ]; then
    mkdir locked tmp
    "$ZQFS" create -q -o zone.size=1M locked/l.qcow2 2M
    chmod a-w locked
    TMPDIR=$DIR/tmp mount_image locked/l.qcow2 mnt -o powercut
    chmod u+w locked
    echo x >mnt/seq/0
    unmount mnt
fi
