#!/usr/bin/env bash
# In a virtual machine: a real zoned device becomes an image, and the kernel's zonefs answers as zqfs does.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 600
source "${0%/*}/lib.sh"
requires_tool zio
requires cpio ldd xz
command -v qemu-system-x86_64 >/dev/null || skip "qemu-system-x86_64 is not installed"
[ "$(uname -m)" = x86_64 ] || skip "the guest is an x86_64 machine"
busybox=$(command -v busybox) || skip "busybox-static is not installed"
! ldd "$busybox" >/dev/null 2>&1 || skip "busybox is not static"
case $BUILD in */asan | */tsan) skip "the guest has no sanitizer" ;; esac

folders=("$BUILD/vm-kernel")
[ -z "${ZQFS_VM_KERNEL:-}" ] || folders=("$ZQFS_VM_KERNEL")
found=$("$TOP/tests/vm/kernel" "${folders[@]}") ||
    skip "no kernel with zonefs and null_blk here (contrib/setup.sh fetches one, or ZQFS_VM_KERNEL)"
read -r kernel modules <<<"$found"

add_module() { # PATH WITHOUT ENDING
    local from
    from=$(compgen -G "$modules/$1.ko*" | head -n 1) || return 0 # part of the kernel
    case $from in
        *.xz) xz -dc "$from" ;;
        *.zst) zstd -dcq "$from" ;;
        *) cat "$from" ;;
    esac >"$root/modules/${1##*/}.ko"
}

root=$DIR/root
mkdir -p "$root"/{bin,lib,lib64,modules,etc,proc,sys,dev}
cp "$busybox" "$root/bin/busybox"
programs=("$ZQFS" "$TOOLS/zio")
# its dump and restore want a zoned device
zbd=$(command -v zbd) && programs+=("$zbd") || echo "zbd is not installed: its dumps are left out"
cp "${programs[@]}" "$TOP/tests/vm/ops" "$root/bin"
cp "$TOP/tests/vm/init" "$root/init"
chmod +x "$root/init" "$root/bin/ops"
ldd "${programs[@]}" | sed -n 's/.* => \(\/[^ ]*\).*/\1/p; s/^\s*\(\/[^ ]*ld-linux[^ ]*\) .*/\1/p' |
    sort -u >"$DIR/libraries"
while read -r library; do
    case $library in
        */ld-linux*) cp "$library" "$root/lib64" ;;
        *) cp "$library" "$root/lib" ;;
    esac
done <"$DIR/libraries"
for module in fs/configfs/configfs drivers/block/null_blk/null_blk fs/zonefs/zonefs fs/fuse/fuse; do
    add_module "$module"
done
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$DIR/initrd"

accel=(-accel tcg)
# a guest of its own may have a /dev/kvm that does not work
[ -z "${ZQFS_VM_KVM:-}" ] || accel=(-accel kvm)
boot() {
    timeout 280 qemu-system-x86_64 "${accel[@]}" -m 768 -cpu qemu64,-cx16 -nographic -no-reboot -nic none \
        -monitor none -serial stdio -kernel "$kernel" -initrd "$DIR/initrd" \
        -append "console=ttyS0 quiet nokaslr mitigations=off panic=-1 rdinit=/init" \
        </dev/null >"$DIR/console" 2>&1 || true
    tr -d '\r' <"$DIR/console" >"$DIR/out"
}

# an emulated processor now and then fails (cmpxchg16b of QEMU 7.2 does, so that the guest has none)
for _ in 1 2 3; do
    boot
    ! grep -q 'Kernel panic' "$DIR/out" || continue
    break
done
tail -n 60 "$DIR/out"
if grep -q '^RESULT zonefs cannot write' "$DIR/out"; then
    skip "the device was converted, but zonefs of ${kernel##*/} fails at every direct write"
fi
[ -z "$zbd" ] || grep -q '^RESULT [^a]' "$DIR/out" || grep -q '^RESTORED' "$DIR/out" ||
    fail "zbd is installed, and did nothing in the guest"
grep -q '^RESULT all is well' "$DIR/out" || fail "the guest: $(grep '^RESULT' "$DIR/out" || echo 'no result')"
