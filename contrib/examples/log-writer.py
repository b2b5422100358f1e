#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A small log on the zones of a disk, and the check of what a power cut has left of it.

    log-writer.py [--no-fsync] write MOUNTPOINT    appends records until the disk is gone
    log-writer.py check MOUNTPOINT LAST            status 0: record LAST and those before are there

Each record is one block with its number and a checksum. The log goes round the zones and resets the
oldest one when all are full. "write" prints the number of each record that is safe: after fsync. With
--no-fsync it forgets that, which is what powercut.sh finds out.
"""
import os
import sys
import zlib

BLOCK = 512


def record(number):
    text = b"record %d " % number
    body = text + b"." * (BLOCK - len(text) - 9)
    return body + b"%08x\n" % zlib.crc32(body)


def number_of(block):
    """The number of a record, or None for what is not a whole one."""
    words = block.split(b" ", 2)
    if len(words) < 3 or words[0] != b"record" or not words[1].isdigit():
        return None
    number = int(words[1])
    return number if block == record(number) else None


def zones(mnt):
    seq = os.path.join(mnt, "seq")
    return [os.path.join(seq, name) for name in sorted(os.listdir(seq), key=int)]


def read_zone(path):
    """The records of a zone in their order."""
    with open(path, "rb") as f:
        data = f.read()
    found = [number_of(data[at:at + BLOCK]) for at in range(0, len(data), BLOCK)]
    if None in found:
        sys.exit("%s: block %d is not a record" % (path, found.index(None)))
    return found


def read_log(mnt):
    """All records, oldest first, and the place of the newest zone in the list."""
    filled = [(i, read_zone(path)) for i, path in enumerate(zones(mnt))]
    filled = sorted((found[0], i, found) for i, found in filled if found)
    return [n for _, _, found in filled for n in found], filled[-1][1] if filled else 0


def write(mnt, sync):
    found, newest = read_log(mnt)
    number = found[-1] + 1 if found else 1
    paths = zones(mnt)
    while True:
        size = int(os.getxattr(paths[newest], "user.zone.capacity"))
        with open(paths[newest], "ab", buffering=0) as f:
            while f.tell() + BLOCK <= size:
                f.write(record(number))
                if sync:
                    os.fsync(f.fileno())
                print(number, flush=True)
                number += 1
        newest = (newest + 1) % len(paths)
        os.truncate(paths[newest], 0)


def check(mnt, last):
    found, _ = read_log(mnt)
    for before, after in zip(found, found[1:]):
        if after != before + 1:
            sys.exit("record %d is followed by record %d" % (before, after))
    newest = found[-1] if found else 0
    if newest < last:
        sys.exit("record %d was safe, and the last that is there is %d" % (last, newest))


def main(args):
    sync = "--no-fsync" not in args
    args = [a for a in args if a != "--no-fsync"]
    if args[:1] == ["write"] and len(args) == 2:
        try:
            write(args[1], sync)
        except OSError as e:
            sys.exit("the disk is gone: %s" % e.strerror)
    elif args[:1] == ["check"] and len(args) == 3:
        check(args[1], int(args[2]))
    else:
        sys.exit(__doc__)


main(sys.argv[1:])
