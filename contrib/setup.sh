#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes sure that what zqfs needs is installed: contrib/setup.sh GROUP...
# Groups: build, demo, test, lint, bench. Installs through apt-get where it may, else says in one
# line what to install. Does nothing, quickly, when all is there. ZQFS_NO_INSTALL=1: never installs.
set -euo pipefail

# GROUP NEED CHECK PACKAGE; a check is a command, a pkg-config name or a file. What is
# optional only makes tests skip.
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
test want cmd:qemu-img qemu-utils
test want cmd:fio fio
test want cmd:jq jq
test want cmd:mandoc mandoc
test want cmd:zsh zsh
test want cmd:fish fish
test want cmd:shellcheck shellcheck
test want file:/usr/include/libaio.h libaio-dev
lint need cmd:clang-tidy clang-tidy
lint need cmd:clang-format clang-format
lint need cmd:cppcheck cppcheck
lint need cmd:shellcheck shellcheck
bench need cmd:fio fio
bench need cmd:jq jq
bench want cmd:qemu-storage-daemon qemu-system-common
bench want cmd:qemu-img qemu-utils
bench want cmd:strace strace
END
}

present() { # CHECK
    case $1 in
        cmd:*) command -v "${1#cmd:}" >/dev/null ;;
        pc:*) pkg-config --exists "${1#pc:}" 2>/dev/null ;;
        file:*) [ -e "${1#file:}" ] ;;
    esac
}

need=() want=()
for group in "$@"; do
    case $group in
        build | demo | test | lint | bench) ;;
        *) echo "contrib/setup.sh: no group $group (build, demo, test, lint, bench)" >&2; exit 2 ;;
    esac
    while read -r g kind check package; do
        if [ "$g" = "$group" ] && ! present "$check"; then
            case " ${need[*]} ${want[*]} " in *" $package "*) continue ;; esac
            if [ "$kind" = need ]; then need+=("$package"); else want+=("$package"); fi
        fi
    done < <(table)
done
[ $((${#need[@]} + ${#want[@]})) -gt 0 ] || exit 0

as_root=()
can_install() {
    [ -z "${ZQFS_NO_INSTALL:-}" ] && command -v apt-get >/dev/null || return 1
    [ "$(id -u)" -eq 0 ] && return
    command -v sudo >/dev/null && sudo -n true 2>/dev/null || return 1
    as_root=(sudo -n)
}

install_packages() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "$@" >&2
}

if can_install; then
    echo "installing: ${need[*]} ${want[*]}" >&2
    # the package lists of a fresh machine are empty or old: fetch them, then install
    install_packages "${need[@]}" "${want[@]}" 2>/dev/null ||
        { "${as_root[@]}" apt-get update -q >&2 || true
          install_packages "${need[@]}" "${want[@]}"; } ||
        { [ ${#need[@]} -eq 0 ] || install_packages "${need[@]}"; } ||
        { echo "could not install; needed: ${need[*]}" >&2; exit 1; }
    exit 0
fi
if [ ${#need[@]} -gt 0 ]; then
    echo "please install first: apt-get install ${need[*]} ${want[*]}" >&2
    exit 1
fi
echo "some tests will be skipped; for all of them: apt-get install ${want[*]}" >&2
