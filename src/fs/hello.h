/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel says hello with a list of what it can do, and the answer says what of it shall be
 * done. libfuse writes that answer and knows only what was there when it was released. This adds
 * the rest, on its way out. Pure.
 */
#ifndef ZQ_FS_HELLO_H
#define ZQ_FS_HELLO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * The kernel then does not ask for security.capability before each write that it caches. In
 * return every write and truncation of an ordinary user, and every chown, takes setuid and setgid
 * away here: see strips_mode() in file.c and strips() in setattr.c.
 */
#define HELLO_KILLPRIV_V2 (UINT64_C(1) << 28)

/* Adds to the answer in iov those of the flags that the request, of size bytes, offers. An answer
 * that says no, or that is of another form, stays as it is. Flags from bit 32 on need an answer
 * that has room for them. Returns what it has added. */
uint64_t hello_complete(const void *request, size_t size, struct iovec *iov, int count,
			uint64_t flags);
/* Adds to the answer to OPEN, where it says direct_io, that several may write at once. An error, or
 * an answer of another form, stays as it is. */
void hello_complete_open(const struct iovec *iov, int count);
/* Bytes of the largest piece of data that goes with a request, after that answer. */
size_t hello_room(const struct iovec *iov, int count);

#endif
