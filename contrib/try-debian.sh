#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs contrib/setup.sh demo and check in bare Debians, as root and as an ordinary user:
#
#     contrib/try-debian.sh [-k] [-r ROOT] [-m MIRROR] [-o FOLDER] SUITE[:WAY[:USER[:WORD,WORD...]]]...
#
# SUITE is trixie, bookworm ...; WAY is clone or tarball (default: clone); USER is root or user
# (default: root); words choose tests. Without arguments: trixie and bookworm, both ways, both users.
# Needs root and debootstrap. -k keeps the chroots, -r takes a kept one again. Logs are left in FOLDER (build/debian).
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD

keep='' again='' mirror=http://deb.debian.org/debian out=$top/build/debian
while getopts 'kr:m:o:h' opt; do
    case $opt in
        k) keep=1 ;;
        r) again=$(realpath "$OPTARG") keep=1 ;;
        m) mirror=$OPTARG ;;
        o) out=$(realpath -m "$OPTARG") ;;
        h) sed -n '3,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) sed -n '5s/^# *//p' "$0" >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- {trixie,bookworm}:{clone,tarball}:{root,user}
[ "$(id -u)" -eq 0 ] || { echo "try-debian: only root can make a chroot" >&2; exit 1; }
command -v debootstrap >/dev/null || { echo "try-debian: apt-get install debootstrap" >&2; exit 1; }
mkdir -p "$out"

root='' # of the chroot that is in use
release() {
    [ -n "$root" ] || return 0
    # what a test left mounted in there, then ours
    awk -v r="$root" '$5 == r || index($5, r "/") == 1 { print $5 }' /proc/self/mountinfo | sort -r |
        while read -r m; do umount -l "$m" || true; done
    if [ -n "$keep" ]; then echo "kept: $root"; else rm -rf --one-file-system "$root"; fi
    root=''
}
trap release EXIT
trap 'exit 130' INT TERM HUP

clean=(env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb) # our TMPDIR, for one, is not in there

inside() { # USER COMMAND...: in the chroot, in the folder of the sources
    local user=$1
    shift
    # Namespaces of its own: what a test leaves running or mounted ends with it. Nothing else of this
    # machine is mounted there, since what is could not be unmounted outside as long as it runs.
    # shellcheck disable=SC2016 # $0 and $@ are the shell's in there
    unshare --mount --pid --fork --kill-child --mount-proc="$root/proc" sh -c '
        cd "$0" && mkdir -p mnt/outside && pivot_root . mnt/outside && umount -l mnt/outside &&
            exec chroot . "$@"' \
        "$root" "${clean[@]}" HOME=/tmp su "$user" -s /bin/bash -c \
        "cd /home/zqfs/src && $(printf '%q ' "$@")"
}

# Those that a Debian has, with its permissions, whatever this machine's are.
make_devices() {
    local name major minor
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    while read -r name major minor; do
        mknod -m 666 "$root/dev/$name" c "$major" "$minor"
    done <<'END'
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
fuse 10 229
loop-control 10 237
END
    for major in {0..63}; do mknod -m 660 "$root/dev/loop$major" b 7 "$major"; done
    mkdir -m 1777 "$root/dev/shm"
    mkdir "$root/dev/pts"
    mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    for name in stdin:0 stdout:1 stderr:2; do
        ln -s "/proc/self/fd/${name#*:}" "$root/dev/${name%:*}"
    done
}

bootstrap() { # SUITE
    mkdir -p "$out/cache"
    root=$(mktemp -d "${TMPDIR:-/var/tmp}/zqfs-$1.XXXXXX")
    chmod 755 "$root" # users must get in
    debootstrap --variant=minbase --cache-dir="$out/cache" "$1" "$root" "$mirror" >"$out/$1.bootstrap" 2>&1 ||
        { tail -n 3 "$out/$1.bootstrap"; return 1; }
    rm -f "$root/etc/mtab" # as in many containers
    chroot "$root" "${clean[@]}" useradd -m -s /bin/bash zqfs
}

prepare() { # SUITE WAY
    if [ -n "$again" ]; then root=$again; else bootstrap "$1" || return; fi
    rm -rf "$root/home/zqfs/src"
    mount --bind "$root" "$root" # so that it is a mount point, as / is everywhere
    make_devices
    mount -t proc proc "$root/proc"
    mount -t sysfs sysfs "$root/sys"
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
    case $2 in
        clone) git clone -q --no-hardlinks "file://$top" "$root/home/zqfs/src" ;;
        tarball)
            mkdir "$root/home/zqfs/src"
            tar -xzf "$(make -s dist BUILD="$out/dist" DISTDIR="$out")" -C "$root/home/zqfs/src" \
                --strip-components=1
            ;;
        *) echo "try-debian: a way is clone or tarball, not $2" >&2; return 2 ;;
    esac
}

# An ordinary user may not install: he is told what to type, and root types it.
install_for_user() { # LOG
    local what
    inside zqfs contrib/setup.sh check >>"$1" 2>&1 && { echo "not refused" >>"$1"; return 1; }
    what=$(sed -n 's/.*please install first, as root: //p' "$1")
    [ -n "$what" ] || return 1
    chroot "$root" "${clean[@]}" apt-get update -q >>"$1" 2>&1 || return
    chroot "$root" "${clean[@]}" DEBIAN_FRONTEND=noninteractive \
        sh -c "$what -y -q --no-install-recommends" >>"$1" 2>&1
}

attempt() { # SUITE WAY USER WORDS
    local log="$out/$1-$2-$3.log" user=root rc=0
    : >"$log"
    prepare "$1" "$2" || return
    if [ "$3" = user ]; then
        user=zqfs
        chroot "$root" chown -R zqfs: /home/zqfs/src
        [ -n "$again" ] || install_for_user "$log" || { tail -n 3 "$log"; return 1; }
    fi
    for command in demo check; do
        echo "== $1 $2 $3: contrib/setup.sh $command" >>"$log"
        # shellcheck disable=SC2086 # words
        if [ "$command" = demo ]; then inside "$user" contrib/setup.sh demo; else
            inside "$user" contrib/setup.sh check ${4//,/ }; fi >>"$log" 2>&1 || rc=1
        echo "$1 $2 $3 $command: $(tail -n 1 "$log")"
    done
    release
    return "$rc"
}

failed=0
for what; do
    IFS=: read -r suite way user words <<<"$what"
    attempt "$suite" "${way:-clone}" "${user:-root}" "${words:-}" || { failed=1; release; }
done
exit "$failed"
