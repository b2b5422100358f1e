/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Completes the answer to INIT; see hello.h.
 */
#include "fs/hello.h"

#include <linux/fuse.h>
#include <string.h>
#include <unistd.h>

#include "util/math.h"

/* A field is there when the message is that long: both have grown with time. */
#define HAS(size, type, field) ((size) >= offsetof(type, field) + sizeof(((type *)0)->field))

#define PARALLEL_WRITES (1u << 6)	    /* of OPEN's answer, since Linux 6.2 */
#define EXTENDED	(UINT64_C(1) << 30) /* the upper half of the flags is meant */

static uint64_t offered(const void *request, size_t size)
{
	const struct fuse_init_in *in = (const void *)((const struct fuse_in_header *)request + 1);
	uint64_t flags;

	if (size < sizeof(struct fuse_in_header))
		return 0;
	size -= sizeof(struct fuse_in_header);
	if (!HAS(size, struct fuse_init_in, flags))
		return 0;
	flags = in->flags;
	if ((flags & EXTENDED) && HAS(size, struct fuse_init_in, flags2))
		flags |= (uint64_t)in->flags2 << 32;
	return flags;
}

/* The answer to INIT in a reply that says yes; NULL: there is none. */
static struct fuse_init_out *init_answer(const struct iovec *iov, int count)
{
	const struct fuse_out_header *head = iov[0].iov_base;

	if (head->error || count != 2 || !HAS(iov[1].iov_len, struct fuse_init_out, flags))
		return NULL;
	return iov[1].iov_base;
}

uint64_t hello_complete(const void *request, size_t size, struct iovec *iov, int count,
			uint64_t flags)
{
	struct fuse_init_out *out = init_answer(iov, count);

	if (!out)
		return 0;
	flags &= offered(request, size);
	if ((flags >> 32) && !HAS(iov[1].iov_len, struct fuse_init_out, flags2))
		flags &= UINT32_MAX;
	out->flags |= (uint32_t)flags;
	if (flags >> 32) {
		out->flags |= (uint32_t)EXTENDED;
		out->flags2 |= (uint32_t)(flags >> 32);
	}
	return flags;
}

void hello_complete_open(const struct iovec *iov, int count)
{
	const struct fuse_out_header *head = iov[0].iov_base;
	struct fuse_open_out *out;

	if (head->error || count != 2 || iov[1].iov_len < sizeof(*out))
		return;
	out = iov[1].iov_base;
	if (out->open_flags & FOPEN_DIRECT_IO)
		out->open_flags |= PARALLEL_WRITES;
}

size_t hello_room(const struct iovec *iov, int count)
{
	const struct fuse_init_out *out = init_answer(iov, count);
	size_t room = FUSE_MIN_READ_BUFFER, pages = 32;

	if (!out || !HAS(iov[1].iov_len, struct fuse_init_out, max_pages))
		return room;
	if (out->flags & FUSE_MAX_PAGES)
		pages = out->max_pages;
	room = (size_t)max_u64(room, out->max_write);
	return (size_t)max_u64(room, pages * (size_t)sysconf(_SC_PAGESIZE));
}
