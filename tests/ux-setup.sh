#!/usr/bin/env bash
# contrib/setup.sh says in one line what to install where it may not; "make dist" makes no empty tarball.
# SPDX-License-Identifier: GPL-2.0-or-later
source "${0%/*}/lib.sh"
requires make
setup=$TOP/contrib/setup.sh
cd "$DIR"

# A machine with the tools that every Debian has, and nothing to build with.
mkdir bare
for c in bash env id dirname grep head tail sed cat uname; do ln -s "$(command -v "$c")" bare/; done
bare() { # COMMAND...
    env PATH="$DIR/bare" ZQFS_NO_INSTALL=1 "$@"
}

# ---- what is missing ---------------------------------------------------------------------------

for command in demo check "install build"; do
    rc=0
    # shellcheck disable=SC2086 # words
    bare "$setup" $command >out 2>&1 || rc=$?
    assert_eq "$rc" 1 "status of $command where nothing can be installed"
    assert_eq "$(wc -l <out)" 1 "lines that $command says"
    for p in build-essential make pkg-config; do
        grep -qw -e "$p" out || fail "$command does not name $p: $(cat out)"
    done
    grep -q 'as root: apt-get install ' out || fail "no command to type: $(cat out)"
done
# what is there is not named, even without pkg-config to ask
if pkg-config --exists fuse3 && compgen -G '/usr/lib/*/pkgconfig/fuse3.pc' >/dev/null; then
    ! grep -q libfuse3-dev out || fail "named though it is there: $(cat out)"
fi
# what only lets tests run is a note
for c in gcc make pkg-config fusermount3 getfattr; do
    command -v "$c" >/dev/null && ln -s "$(command -v "$c")" bare/
done
if pkg-config --exists check fuse3 zlib libzstd && [ -e bare/getfattr ] && [ -e bare/fusermount3 ]; then
    bare "$setup" install build test >out 2>&1 || fail "refused: $(cat out)"
    grep -q '^some tests will be skipped; .* install .*\bgit\b' out || fail "no note: $(cat out)"
fi
assert_status 2 "$setup"
assert_status 2 "$setup" nonsense
assert_status 2 "$setup" install nonsense
assert_status 0 "$setup" --help
rm bare/pkg-config
rc=0
make -s -C "$TOP" PKG_CONFIG=no-such-program BUILD="$DIR/build" all >out 2>&1 || rc=$?
assert_eq "$rc" 2 "status of make without pkg-config"
grep -q 'no-such-program is not installed' out || fail "make says: $(cat out)"

# ---- make dist ----------------------------------------------------------------------------------

# An unpacked archive of the sources has neither git nor a list of files.
mkdir tree
cp -r "$TOP/Makefile" "$TOP/include" tree/
no_dist() { # WHAT
    local rc=0
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C tree dist BUILD="$DIR/b" DISTDIR="$DIR/dist" >out 2>&1 || rc=$?
    assert_eq "$rc" 2 "status of make dist $1"
    ! ls dist/*.tar.gz 2>/dev/null || fail "a tarball $1"
}
no_dist "without git's folder and MANIFEST"
grep -q 'has a MANIFEST' out || fail "make dist says: $(cat out)"
: >tree/MANIFEST
no_dist "with an empty MANIFEST"
echo nonsense >tree/.git
no_dist "where git does not work"
grep -q 'git must tell' out || fail "make dist says: $(cat out)"
