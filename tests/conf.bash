# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What the conformance scripts share: many small named cases on one mount. A case that fails is
# printed and counted; the script goes on and fails at its end with the list.

requires_tool zio
requires_tool zpath

# conf-variants.sh runs the scripts again with other kinds of images and mounts:
# CONF_CREATE is put to the options of create, CONF_MOUNT to the arguments of each mount.
eval "$(declare -f mount_image | sed '1s/mount_image/plain_mount_image_/')"
mount_image() { # IMAGE DIR [OPTION...]
    # shellcheck disable=SC2086 # several arguments
    plain_mount_image_ "$@" ${CONF_MOUNT:-}
}

cases_=0
failed_=()

# Runs a command; what it prints on stdout must be EXPECTED.
t() { # NAME EXPECTED COMMAND...
    local name=$1 want=$2 got
    shift 2
    cases_=$((cases_ + 1))
    got=$("$@" 2>"$DIR/stderr") || true
    if [ "$got" != "$want" ]; then
        echo "case failed: $name"
        echo "    got '$got', expected '$want'"
        sed 's/^/    /' "$DIR/stderr"
        failed_+=("$name")
    fi
}

# Left out where clusters are larger than a zone or allocated beforehand: what is a hole in
# the image then is no matter of the contract.
fine() { # COMMAND...: t or ok with its arguments
    [ -n "${CONF_COARSE:-}" ] || "$@"
}

# A command that must succeed.
ok() { # NAME COMMAND...
    local name=$1 rc=0
    shift
    cases_=$((cases_ + 1))
    "$@" >"$DIR/stderr" 2>&1 || rc=$?
    if [ "$rc" -ne 0 ]; then
        echo "case failed: $name (status $rc)"
        sed 's/^/    /' "$DIR/stderr"
        failed_+=("$name")
    fi
}

# A command that must fail with a status and one line on stderr that has these words.
refused() { # NAME STATUS "WORDS" COMMAND...
    local name=$1 want=$2 words=$3 rc=0 lines
    shift 3
    cases_=$((cases_ + 1))
    # what cannot end must not hang the test, what eats memory must not eat the machine
    (
        [ -n "$SANITIZED" ] || ulimit -v 4000000
        exec timeout 20 "$@"
    ) >"$DIR/stdout" 2>"$DIR/stderr" || rc=$?
    lines=$(wc -l <"$DIR/stderr")
    if [ "$rc" -ne "$want" ] || [ "$lines" -ne 1 ] || ! grep -qF -- "$words" "$DIR/stderr"; then
        echo "case failed: $name: status $rc, expected $want, one line with '$words'; it said:"
        sed 's/^/    /' "$DIR/stderr"
        failed_+=("$name")
    fi
}

# Ends a script.
conf_done() {
    local f
    echo "$cases_ cases, ${#failed_[@]} failed"
    [ ${#failed_[@]} -eq 0 ] || {
        for f in "${failed_[@]}"; do
            echo "  $f"
        done
        fail "${#failed_[@]} of $cases_ cases"
    }
}

zio() { "$TOOLS/zio" "$@"; }
zpath() { "$TOOLS/zpath" "$@"; }
mode_of() { stat -c %a -- "$1"; }
state() { attr "$1" state; }

# As stat -c.
fact() { # FORMAT FILE
    stat -c "$1" -- "$2"
}

# A counter of the root, as in "counter $DIR/mnt nr_open_implicit".
counter() { # MOUNTPOINT NAME
    attr "$1" "$2"
}

# Zones of 1 MiB of which 768 KiB may be written: 4 conventional, 8 sequential, no limits.
conf_create() { # IMAGE [OPTION...]
    local image=$1 o=zone.size=1M,zone.capacity=768K,zone.conventional_zones=4 more
    shift
    for more in "$@" ${CONF_CREATE:+"$CONF_CREATE"}; do
        o=$o,$more
    done
    "$ZQFS" create -o "$o" "$image" 12M >"$DIR/out" 2>&1 || {
        cat "$DIR/out"
        fail "zqfs create -o $o"
    }
}

# shellcheck disable=SC2034 # for the scripts
ZONE=$((1024 * 1024))
# shellcheck disable=SC2034
CAP=$((768 * 1024))

# Resets sequential files.
empty() { # FILE...
    local f
    for f in "$@"; do
        truncate -s 0 "$f" || fail "reset of $f"
    done
}

# Has the kernel forget all inodes of a mount, and of no other: it drops them when a mount's options
# change. By mount(2): FUSE refuses what newer libmount does instead (fsconfig). Others than root
# cannot, and go on with what it has.
evict() { # MOUNTPOINT
    [ "$(id -u)" -ne 0 ] || LIBMOUNT_FORCE_MOUNT2=always mount -i -o remount "$1" ||
        fail "mount -o remount $1"
}

has_libaio() { command -v fio >/dev/null && fio --enghelp=libaio >/dev/null 2>&1; }

# fio on a file that is there: it must neither make, extend nor remove it.
run_fio() { # ARGUMENTS...
    (cd "$DIR" && fio --name=conf --allow_file_create=0 --create_on_open=0 --unlink=0 \
        --fallocate=none --minimal --thread --verify_state_save=0 --verify_fatal=1 \
        --continue_on_error=none "$@" >"$DIR/fio" 2>&1)
}

# The same with I/O that must fail, and with that error. (When fio itself refuses the job, it does not.)
fio_fails() { # "WORDS OF THE ERROR" ARGUMENTS...
    local words=$1
    shift
    if run_fio "$@" || ! grep -qF "error=$words" "$DIR/fio"; then
        cat "$DIR/fio"
        return 1
    fi
}
