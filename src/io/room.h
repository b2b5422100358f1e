/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What room a file of the host has: the limit of its size, a device's end, and room that is set
 * aside. For posix.c; offsets fit into off_t.
 */
#ifndef ZQ_IO_ROOM_H
#define ZQ_IO_ROOM_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * 0 when a file may end there, or -EFBIG. Behind the limit of a file's size (ulimit -f) the kernel
 * sends SIGXFSZ, which ends a program that does not expect it, and a library must change no
 * handler: so the limit is looked at first. *below: what has been found to be within it.
 */
int room_within_limit(_Atomic uint64_t *below, uint64_t end);

/* A device has room for what lies before its end, and for nothing else: 0 or -ENOSPC. */
int room_on_device(int fd, uint64_t end);

/* Has the host set room aside, as the entry "reserve" of struct zq_io_ops. */
int room_reserve(int fd, uint64_t off, uint64_t len);

#endif
