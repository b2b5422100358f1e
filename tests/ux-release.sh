#!/usr/bin/env bash
# The tarball of "make dist" builds and installs, and a program builds on what it installs.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 400
source "${0%/*}/lib.sh"
requires make cc pkg-config
cd "$DIR"

# Nothing of the make that runs this test: its flags are not those of a release.
plain_make() {
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKEOVERRIDES -u BUILD -u ZQFS -u CFLAGS -u LDFLAGS \
        -u SAN -u CC -u PREFIX -u DESTDIR make --no-print-directory "$@"
}
[ ! -e "$TOP/.git" ] || git -C "$TOP" rev-parse >/dev/null 2>&1 || skip "git does not work here"

version=$("$ZQFS" --version | sed 's/^zqfs //')
plain_make -s -C "$TOP" dist BUILD="$DIR/build" DISTDIR="$DIR"
tar -xzf "zqfs-$version.tar.gz" || fail "no zqfs-$version.tar.gz: $(ls)"
cd "zqfs-$version"
plain_make -s -j2 CFLAGS=-O0 WERROR=1
assert_eq "$(./zqfs --version)" "zqfs $version" "version of the built program"
# and it makes the same tarball again
plain_make -s dist DISTDIR="$DIR/again"
tar -tzf "$DIR/again/zqfs-$version.tar.gz" | sort >"$DIR/second"
tar -tzf "$DIR/zqfs-$version.tar.gz" | sort | diff - "$DIR/second" || fail "another list of files"

# made in another folder, with a space in its name, it is the same to the byte
mkdir "$DIR/other place"
tar -xzf "$DIR/zqfs-$version.tar.gz" -C "$DIR/other place" --strip-components=1
plain_make -s -j2 -C "$DIR/other place" CFLAGS=-O0 WERROR=1
for f in zqfs libzqfs.a "libzqfs.so.$version"; do
    cmp "$f" "$DIR/other place/$f" || fail "$f depends on where it was made"
done
expect_fail "run make in the folder of the sources" env -C "$DIR" make -f "zqfs-$version/Makefile"
expect_fail "must have no spaces" env -u MAKEFLAGS make BUILD="$DIR/other place/b"
expect_fail "PREFIX and the folders to install to must have no spaces" \
    env -u MAKEFLAGS make PREFIX="$DIR/other place" install

# installed where each tool looks
root=$DIR/root
plain_make PREFIX=/usr DESTDIR="$root" install >"$DIR/installed"
! grep -E '^ +(CC|AR|LINK) ' "$DIR/installed" || fail "install made anew what was made with other flags"
for f in bin/zqfs sbin/mount.zqfs sbin/mount.fuse.zqfs lib/libzqfs.a lib/libzqfs.so lib/libzqfs.so.0 lib/pkgconfig/libzqfs.pc \
    lib/systemd/system/zqfs@.service include/zqfs/device.h share/man/man1/zqfs.1 \
    share/man/man8/mount.zqfs.8 share/man/man8/mount.fuse.zqfs.8 share/zsh/site-functions/_zqfs \
    share/bash-completion/completions/zqfs share/fish/vendor_completions.d/zqfs.fish \
    share/doc/zqfs/README share/doc/zqfs/examples/report.c; do
    [ -e "$root/usr/$f" ] || [ -L "$root/usr/$f" ] || fail "not installed: $f"
done
assert_eq "$(readlink "$root/usr/sbin/mount.zqfs")" "/usr/bin/zqfs" "what mount.zqfs is"
assert_eq "$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$root/usr/lib/systemd/system/zqfs@.service")" \
    "/usr/bin/zqfs" "what the service runs"
! grep -rl '@[a-zA-Z]*@' "$root/usr/lib/pkgconfig" "$root/usr/lib/systemd" || fail "not filled in"

# a program on the library, by pkg-config alone
export PKG_CONFIG_PATH=$root/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
assert_eq "$(pkg-config --modversion libzqfs)" "$version" "version that pkg-config knows"
cp "$root/usr/share/doc/zqfs/examples/report.c" "$DIR"
cd "$DIR"
# shellcheck disable=SC2046 # words
cc -Wall -Wextra -Werror report.c $(pkg-config --cflags --libs libzqfs) -o report
export LD_LIBRARY_PATH=$root/usr/lib
"$root/usr/bin/zqfs" create -q -o zone.size=1M,zone.conventional_zones=1 a.qcow2 4M
assert_eq "$(./report a.qcow2 2 hello)" "5 bytes at 0" "what it says of an append"
assert_eq "$(./report a.qcow2 2 again)" "5 bytes at 512" "what it says of the next"
assert_eq "$(./report a.qcow2)" "1 empty 0 of 1048576
2 closed 1024 of 1048576
3 empty 0 of 1048576" "what it lists"
assert_status 1 ./report no-such
assert_status 2 ./report
assert_status 1 ./report a.qcow2 0 text # conventional
"$ZQFS" check a.qcow2

# each public header stands on its own, in C++ too
for header in "$root"/usr/include/zqfs/*.h; do
    name=zqfs/${header##*/}
    echo "#include <$name>" | cc -Wall -Wextra -Werror -I "$root/usr/include" -fsyntax-only -x c - ||
        fail "$name in C"
    if command -v g++ >/dev/null; then
        echo "#include <$name>" | g++ -Wall -Wextra -Werror -I "$root/usr/include" -fsyntax-only -x c++ - ||
            fail "$name in C++"
    fi
done

# and all of it goes again
cd "zqfs-$version"
plain_make -s PREFIX=/usr DESTDIR="$root" uninstall >/dev/null
assert_eq "$(find "$root" ! -type d)" "" "what uninstall leaves"
for d in include/zqfs share/doc/zqfs; do
    [ ! -d "$root/usr/$d" ] || fail "a folder is left: /usr/$d"
done
