#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The first command on a fresh machine: installs what is missing, if it may, then builds and runs.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    cat <<'END'
Usage: contrib/setup.sh demo             builds zqfs and shows what it does, step by step
       contrib/setup.sh check [WORD...]  builds it and runs all tests (those whose names contain a WORD)
       contrib/setup.sh install GROUP... installs packages only: build, demo, test, lint, bench

Packages are installed through apt-get, as root or where sudo asks for no password. Where that cannot
be, it says in one line what to install. For a test in a virtual machine, check unpacks a kernel of 35 MB
to build/. ZQFS_NO_INSTALL=1: never installs or fetches anything.
END
}

# GROUP NEED CHECK PACKAGE. A check is a command (guest: one that only a virtual machine's guest needs), a
# pkg-config name or a file (a pattern). Without what is wanted, tests are skipped; without what is
# needed, nothing works.
table() {
    cat <<'END'
build need cmd:gcc build-essential
build need file:/usr/include/stdlib.h build-essential
build need cmd:make make
build need cmd:pkg-config pkg-config
build need pc:fuse3 libfuse3-dev
build need pc:zlib zlib1g-dev
build need pc:libzstd libzstd-dev
demo need cmd:fusermount3 fuse3
demo need cmd:getfattr attr
test need cmd:fusermount3 fuse3
test need cmd:getfattr attr
test need pc:check check
test want cmd:zstd zstd
test want cmd:git git
test want cmd:qemu-img qemu-utils
test want cmd:qemu-storage-daemon qemu-system-common
test want cmd:fio fio
test want cmd:jq jq
test want cmd:strace strace
test want cmd:mkfs.ext4 e2fsprogs
test want cmd:rsync rsync
test want cmd:python3 python3
test want cmd:mandoc mandoc
test want cmd:zsh zsh
test want cmd:fish fish
test want cmd:shellcheck shellcheck
test want cmd:clang clang
test want file:/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a libclang-rt-dev
test want cmd:dpkg-buildpackage dpkg-dev
test want cmd:dh debhelper
test want cmd:lintian lintian
test want cmd:systemd-analyze systemd
test want cmd:ps procps
test want file:/usr/include/libaio.h libaio-dev
test want guest:qemu-system-x86_64 qemu-system-x86
test want guest:busybox busybox-static
test want guest:cpio cpio
test want guest:xz xz-utils
lint need cmd:clang-tidy clang-tidy
lint need cmd:clang-format clang-format
lint need cmd:cppcheck cppcheck
lint need cmd:shellcheck shellcheck
bench need cmd:fio fio
bench need cmd:jq jq
bench want cmd:qemu-storage-daemon qemu-system-common
bench want cmd:qemu-img qemu-utils
bench want cmd:strace strace
bench want cmd:valgrind valgrind
END
}

has_pc() { # NAME: also where pkg-config is what is missing
    if command -v pkg-config >/dev/null; then
        pkg-config --exists "$1" 2>/dev/null
    else
        compgen -G "/usr/lib/*/pkgconfig/$1.pc" >/dev/null || [ -e "/usr/share/pkgconfig/$1.pc" ]
    fi
}

has_guest() { [ "$(uname -m)" = x86_64 ]; } # tests/vm.sh knows no other processor

present() { # CHECK
    case $1 in
        cmd:*) command -v "${1#cmd:}" >/dev/null || [ -x "/usr/sbin/${1#cmd:}" ] ;;
        guest:*) ! has_guest || command -v "${1#guest:}" >/dev/null ;;
        pc:*) has_pc "${1#pc:}" ;;
        file:*) compgen -G "${1#file:}" >/dev/null ;;
    esac
}

# Fills need and want with the packages of the groups that are not there.
find_missing() { # GROUP...
    local group g kind check package
    need=() want=()
    for group in "$@"; do
        table | grep -q "^$group " ||
            { echo "contrib/setup.sh: no group $group; --help lists them" >&2; exit 2; }
        while read -r g kind check package; do
            if [ "$g" = "$group" ] && ! present "$check"; then
                case " ${need[*]} ${want[*]} " in *" $package "*) continue ;; esac
                if [ "$kind" = need ]; then need+=("$package"); else want+=("$package"); fi
            fi
        done < <(table)
    done
}

as_root=()
can_install() {
    [ -z "${ZQFS_NO_INSTALL:-}" ] && command -v apt-get >/dev/null || return 1
    [ "$(id -u)" -eq 0 ] && return
    command -v sudo >/dev/null && sudo -n true 2>/dev/null || return 1
    as_root=(sudo -n)
}

apt_install() {
    [ $# -eq 0 ] || "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "$@" >&2
}

# Those of the packages that this release has: a name that it does not know fails the others too.
known() {
    local p
    for p; do
        [ -z "$(apt-cache show --no-all-versions "$p" 2>/dev/null | head -n 1)" ] || printf '%s\n' "$p"
    done
}

install_groups() { # GROUP...
    local need want some
    find_missing "$@"
    [ $((${#need[@]} + ${#want[@]})) -gt 0 ] || return 0
    if can_install; then
        echo "installing: ${need[*]} ${want[*]}" >&2
        # the package lists of a fresh machine are empty or old: fetch them, then try again
        apt_install "${need[@]}" "${want[@]}" 2>/dev/null && return
        "${as_root[@]}" apt-get update -q >&2 || true
        mapfile -t some < <(known "${want[@]}")
        apt_install "${need[@]}" "${some[@]}" || apt_install "${need[@]}" ||
            { echo "contrib/setup.sh: cannot install packages; needed: ${need[*]}" >&2; exit 1; }
        return 0
    fi
    if [ ${#need[@]} -gt 0 ]; then
        echo "contrib/setup.sh: please install first, as root: apt-get install ${need[*]} ${want[*]}" >&2
        exit 1
    fi
    echo "some tests will be skipped; for all of them, as root: apt-get install ${want[*]}" >&2
}

# For tests/vm.sh, which boots it: unpacked only, since to install a kernel changes what a machine boots.
fetch_kernel() {
    local folder=${BUILD:-build}/vm-kernel name
    [ -z "${ZQFS_NO_INSTALL:-}" ] && has_guest && command -v apt-get >/dev/null || return 0
    ! tests/vm/kernel "${ZQFS_VM_KERNEL:-$folder}" >/dev/null || return 0
    name=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: //p' | head -n 1)
    mkdir -p "$folder"
    if [ -n "$name" ] && (cd "$folder" && apt-get download -q "$name" && dpkg -x ./*.deb .) >&2; then
        echo "unpacked to $folder, and not installed: $name" >&2
    else
        echo "one test will be skipped: cannot fetch a kernel (${name:-linux-image-cloud-amd64})" >&2
    fi
    rm -f "$folder"/*.deb
}

case ${1:-} in
    demo)
        [ $# -eq 1 ] || { usage >&2; exit 2; }
        install_groups build demo
        exec make --no-print-directory demo
        ;;
    check)
        shift
        install_groups build test
        fetch_kernel
        exec make --no-print-directory check TESTS="$*"
        ;;
    install)
        shift
        [ $# -gt 0 ] || { usage >&2; exit 2; }
        install_groups "$@"
        ;;
    -h | --help) usage ;;
    *) usage >&2; exit 2 ;;
esac
