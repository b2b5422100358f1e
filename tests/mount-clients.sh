#!/usr/bin/env bash
# kill -9 and SIGSTOP of clients in the middle of each kind of request: the mount goes on.
# SPDX-License-Identifier: GPL-2.0-or-later
# timeout: 300
source "${0%/*}/lib.sh"
source "${0%/*}/serve.bash"
requires_fuse
requires setfattr getfattr
requires_tool zio
requires_abort
zio=$TOOLS/zio
M=$DIR/mnt
image=$DIR/a.qcow2
nr=0
waited=0

# sync: a change is answered when the disk has it, so a disk that hangs has the request in its hands
"$ZQFS" create -q -o zone.size=1M,zone.conventional_zones=2 "$image" 8M
mount_faulty "$image" "$M" -o sync,end_timeout=5
guard 250 "$M"
pid=$(mount_pid "$M")
cleanup_fn go_on
go_on() { kill -CONT "$pid" 2>/dev/null || true; }

state_of() { sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null || true; }

# Waits until that process is in a system call that does not return; or has ended, as one does that
# the kernel answers by itself.
until_waits() { # PID WHAT
    local n
    for ((n = 0; n < 500; n++)); do
        case $(cat "/proc/$1/wchan" 2>/dev/null || true) in
            request_wait_answer | *folio* | *page* | *fuse*)
                waited=$((waited + 1))
                return 0
                ;;
        esac
        case $(state_of "$1") in
            '' | Z)
                echo "$2: has not waited"
                return 0
                ;;
        esac
        sleep 0.02
    done
}

# Each begins with what it needs on both files, and nothing of them in memory.
prepare() {
    truncate -s 0 "$M/seq/0"
    head -c 64K /dev/zero >>"$M/seq/0"
    echo "$nr" >>"$M/seq/1"
}

others_go_on() { # WHAT
    timeout 10 sh -c "echo x >>$M/seq/2 && sync $M/seq/2 && ls -lR $M && truncate -s 0 $M/seq/2" >/dev/null ||
        fail "$1: the mount does not go on"
    timeout 10 setfattr -n user.zone.command -v close "$M/seq/2" || fail "$1: no state can be set"
}

hit() { # SIGNAL PID WHAT
    until_waits "$2" "$3"
    kill "-$1" "$2" 2>/dev/null || true
}

# The client is killed, or stopped and let go on, and then it ends.
assert_ends() { # SIGNAL PID WHAT
    if [ "$1" = STOP ]; then
        sleep 0.05
        kill -CONT "$2" 2>/dev/null || true
    fi
    wait_gone "$2" 10 || fail "$3: the client does not end: $(cat "/proc/$2/wchan")"
    wait "$2" 2>/dev/null || true
}

# While the process that serves is stopped: the request is in the kernel's queue.
queued() { # WHAT COMMAND...
    local what=$1 signal
    shift
    for signal in KILL STOP; do
        nr=$((nr + 1))
        prepare
        # "stop" is a word of the command: whatever comes before it is answered
        "${@/#stop/sh:kill -STOP $pid}" >/dev/null 2>&1 &
        client=$!
        for ((n = 0; n < 200; n++)); do
            [ "$(state_of "$pid")" != T ] || break
            sleep 0.01
        done
        hit "$signal" "$client" "$what"
        kill -CONT "$pid"
        assert_ends "$signal" "$client" "$what, queued, $signal"
        others_go_on "$what, queued, $signal"
    done
}

# A command without a word for it: the process is stopped first.
stopped() { # WHAT COMMAND...
    local what=$1
    shift
    queued "$what" sh -c "kill -STOP $pid; exec \"\$@\"" sh "$@"
}

# While the disk hangs: a thread has it in hand. Nobody else waits for that disk.
in_hand() { # FAULT WHAT COMMAND...
    local fault=$1 what=$2 signal
    shift 2
    for signal in KILL STOP; do
        nr=$((nr + 1))
        prepare
        # shellcheck disable=SC2086 # a name, and maybe a value
        fault $fault
        "$@" >/dev/null 2>&1 &
        client=$!
        hit "$signal" "$client" "$what, in hand"
        timeout 10 stat --cached=never "$M/seq/3" >/dev/null || fail "$what, in hand, $signal: stat waits"
        timeout 10 ls -l "$M/cnv" >/dev/null || fail "$what, in hand, $signal: ls waits"
        heal
        assert_ends "$signal" "$client" "$what, in hand, $signal"
        others_go_on "$what, in hand, $signal"
    done
}

seq=$M/seq/0
cnv=$M/cnv/0
queued OPEN "$zio" "$cnv" r stop open:r
queued "OPEN for writing" "$zio" "$cnv" r stop open:rw
queued READ "$zio" "$seq" r stop pread:32K:4096
queued "READ, direct" "$zio" "$seq" r,direct stop read:4096
queued "READ of a mapped page" "$zio" "$seq" r map:shared:r:64K stop mis:0:4096:0
queued WRITE "$zio" "$seq" w,append stop write:4096
queued "WRITE, direct" "$zio" "$seq" w,append,direct stop write:4096
queued "WRITE of a page" "$zio" "$cnv" rw stop pwrite:100:100:7
queued "WRITE of a conventional file, direct" "$zio" "$cnv" w,direct stop pwrite:0:4096:7
queued "WRITE of mapped pages" "$zio" "$cnv" rw map:shared:rw:64K mset:0:64K:1 stop msync
queued FSYNC "$zio" "$seq" r stop fsync
queued "FLUSH that pads" "$zio" "$seq" w,append write:100 stop close
queued RELEASE "$zio" "$seq" r stop close
queued "SETATTR, reset" "$zio" "$seq" w stop trunc:0
queued "SETATTR, finish" "$zio" "$seq" w stop trunc:1M
queued FALLOCATE "$zio" "$cnv" rw stop falloc:zero:0:64K
queued LSEEK "$zio" "$cnv" r stop data:0
queued IOCTL "$zio" "$cnv" r stop ioctl
stopped SETXATTR setfattr -n user.zone.command -v finish "$seq"
stopped GETXATTR getfattr -n user.zone.state "$seq"
stopped LISTXATTR getfattr -d "$seq"
stopped REMOVEXATTR setfattr -x user.zone.state "$seq"
stopped GETATTR stat --cached=never "$seq"
stopped LOOKUP sh -c "stat $M/seq/none-\$\$"
stopped "OPENDIR, READDIR" ls "$M/seq"
stopped STATFS stat -f "$M"
stopped "SETATTR, mode" chmod 0600 "$cnv"
stopped MKDIR mkdir "$M/folder"
stopped CREATE sh -c ": >$M/seq/new"
stopped UNLINK rm -f "$seq"
stopped RENAME mv "$seq" "$M/seq/other"

in_hand read-hang READ "$zio" "$seq" r pread:32K:4096
in_hand read-hang "READ, direct" "$zio" "$seq" r,direct read:4096
in_hand read-hang "READ of a mapped page" "$zio" "$seq" r map:shared:r:64K mis:0:4096:0
in_hand write-hang WRITE "$zio" "$seq" w,append write:4096
in_hand write-hang "WRITE, direct" "$zio" "$seq" w,append,direct write:4096
in_hand write-hang "WRITE of a page" "$zio" "$cnv" rw pwrite:100:100:7
in_hand write-hang "WRITE of a conventional file, direct" "$zio" "$cnv" w,direct pwrite:0:4096:7
in_hand write-hang "WRITE of mapped pages" "$zio" "$cnv" rw map:shared:rw:64K mset:0:64K:1 msync
in_hand sync-hang FSYNC "$zio" "$seq" w,append write:4096 fsync
in_hand sync-hang "SETATTR, reset" truncate -s 0 "$seq"
in_hand sync-hang "SETATTR, finish" truncate -s 1M "$seq"
in_hand sync-hang SETXATTR setfattr -n user.zone.command -v finish "$seq"
in_hand write-hang FALLOCATE "$zio" "$cnv" rw falloc:zero:0:64K
in_hand "ask-slow 1000" "FLUSH that pads" "$zio" "$seq" w,append write:100 close

assert_none_stuck "at the end"
unguard
unmount "$M"
assert_status 0 "$ZQFS" check "$image"
echo "$nr cases, $waited in the middle"
[ "$waited" -ge $((nr - 15)) ] || fail "most were over too soon"
