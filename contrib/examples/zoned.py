#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""libzqfs from Python, without anything to compile: lists the zones of an image, or appends a line.

    zoned.py IMAGE [ZONE TEXT]

The library's functions that take structures are inline in C; other languages call those that
have "_sized" behind their names, and pass the size of the structure as they know it.
"""
import ctypes
import sys

zqfs = ctypes.CDLL("libzqfs.so.0", use_errno=True)


class Error(ctypes.Structure):
    _fields_ = [("msg", ctypes.c_char * 512)]


class OpenOpts(ctypes.Structure):
    """The beginning of struct zq_open_opts: the rest has its defaults."""
    _fields_ = [("readonly", ctypes.c_bool), ("require_rw", ctypes.c_bool),
                ("force_share", ctypes.c_bool)]


class Geometry(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint64), ("zone_size", ctypes.c_uint64),
                ("zone_capacity", ctypes.c_uint64), ("nr_zones", ctypes.c_uint32),
                ("nr_conv", ctypes.c_uint32)]


class ZoneInfo(ctypes.Structure):
    _fields_ = [("number", ctypes.c_uint32), ("conventional", ctypes.c_bool),
                ("state", ctypes.c_int), ("start", ctypes.c_uint64), ("len", ctypes.c_uint64),
                ("capacity", ctypes.c_uint64), ("wp", ctypes.c_uint64),
                ("written", ctypes.c_uint64)]


WRITE_APPEND, WRITE_SYNC = 1, 4
device = ctypes.c_void_p
zqfs.zq_open_device_sized.argtypes = [ctypes.c_char_p, ctypes.POINTER(OpenOpts), ctypes.c_size_t,
                                      ctypes.POINTER(device), ctypes.POINTER(Error)]
zqfs.zq_report_sized.argtypes = [device, ctypes.c_uint32, ctypes.c_uint32,
                                 ctypes.POINTER(ZoneInfo), ctypes.c_size_t]
zqfs.zq_append.argtypes = [device, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_uint64,
                           ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint,
                           ctypes.POINTER(ctypes.c_uint64)]
zqfs.zq_append.restype = ctypes.c_ssize_t
zqfs.zq_device_geometry.argtypes = [device]
zqfs.zq_device_geometry.restype = ctypes.POINTER(Geometry)
zqfs.zq_last_error.argtypes = [device, ctypes.POINTER(Error)]
zqfs.zq_close_device.argtypes = [device]
zqfs.zq_state_name.restype = ctypes.c_char_p


class Device:
    """An open image; use it with "with"."""

    def __init__(self, path, readonly=False):
        self.dev, err = device(), Error()
        opts = OpenOpts(readonly=readonly)
        if zqfs.zq_open_device_sized(path.encode(), opts, ctypes.sizeof(opts), self.dev, err):
            raise OSError(err.msg.decode())
        self.geometry = zqfs.zq_device_geometry(self.dev).contents

    def __enter__(self):
        return self

    def __exit__(self, *what):
        if zqfs.zq_close_device(self.dev):
            raise OSError("the last commit failed")

    def check(self, ret):
        if ret < 0:
            err = Error()
            zqfs.zq_last_error(self.dev, err)
            raise OSError(-ret, err.msg.decode())
        return ret

    def report(self):
        zones = (ZoneInfo * self.geometry.nr_zones)()
        self.check(zqfs.zq_report_sized(self.dev, 0, len(zones), zones, ctypes.sizeof(ZoneInfo)))
        return zones

    def append(self, zone, data):
        """Returns where the data landed; it is on stable storage then."""
        where = ctypes.c_uint64()
        self.check(zqfs.zq_append(self.dev, zone, None, 0, data, len(data),
                                  WRITE_APPEND | WRITE_SYNC, where))
        return where.value


def main(args):
    if len(args) not in (1, 3):
        sys.exit("usage: zoned.py IMAGE [ZONE TEXT]")
    with Device(args[0], readonly=len(args) == 1) as dev:
        if len(args) == 3:
            print(dev.append(int(args[1]), args[2].encode()))
            return
        for zone in dev.report():
            print(zone.number, zqfs.zq_state_name(zone.state).decode(), zone.written)


try:
    main(sys.argv[1:])
except OSError as error:
    sys.exit(f"zoned.py: {error}")
