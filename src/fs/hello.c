/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Completes the answer to INIT; see hello.h.
 */
#include "fs/hello.h"

#include <linux/fuse.h>
#include <string.h>

/* A field is there when the message is that long: both have grown with time. */
#define HAS(size, type, field) ((size) >= offsetof(type, field) + sizeof(((type *)0)->field))

#define EXTENDED (UINT64_C(1) << 30) /* the upper half of the flags is meant */

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

void hello_complete(const void *request, size_t size, struct iovec *iov, int count, uint64_t flags)
{
	const struct fuse_out_header *head = iov[0].iov_base;
	struct fuse_init_out *out;

	if (head->error || count != 2 || !HAS(iov[1].iov_len, struct fuse_init_out, flags))
		return;
	out = iov[1].iov_base;
	flags &= offered(request, size);
	out->flags |= (uint32_t)flags;
	if (!(flags >> 32) || !HAS(iov[1].iov_len, struct fuse_init_out, flags2))
		return;
	out->flags |= (uint32_t)EXTENDED;
	out->flags2 |= (uint32_t)(flags >> 32);
}
