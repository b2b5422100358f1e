/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A table moves to a cluster of its own: one that a snapshot shares when it is written to, any one
 * when an image is made short. Under the image's lock.
 */
#include <string.h>

#include "qcow2/engine/mdcache.h"

static int copy_slice(struct mdcache *c, uint64_t from, uint64_t to, unsigned use)
{
	struct md_slice *src, *dst;
	int rc = mdcache_pin(c, from, use, &src);

	if (rc < 0)
		return rc;
	rc = mdcache_pin(c, to, use | MDCACHE_FRESH | MDCACHE_WRITE, &dst);
	if (rc == 0) {
		memcpy(dst->data, src->data, c->slice_size);
		dst->unlinked = true;
		mdcache_set_dirty(c, dst);
		mdcache_unpin(c, dst);
	}
	mdcache_unpin(c, src);
	return rc;
}

int mdcache_copy(struct mdcache *c, uint64_t from, uint64_t to, uint64_t len, unsigned use)
{
	for (uint64_t o = 0; o < len; o += c->slice_size) {
		int rc = copy_slice(c, from + o, to + o, use);

		if (rc < 0)
			return rc;
	}
	return 0;
}
