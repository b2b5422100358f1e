/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records that are put into the first cluster one behind the other. What does not fit is noticed
 * at the end, and nothing is written past the cluster.
 */
#ifndef ZQ_QCOW2_FORMAT_HEADER_OUT_H
#define ZQ_QCOW2_FORMAT_HEADER_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "util/bytes.h"
#include "util/math.h"

#define EXT_HEAD_BYTES 8u /* type and length of an extension */

struct header_out {
	uint8_t *buf;
	uint64_t pos, size;
	bool full;
};

/* The next bytes, cleared; NULL when there are not so many. */
static inline uint8_t *header_out_room(struct header_out *o, uint64_t bytes)
{
	uint8_t *at = o->buf + o->pos;

	if (o->full || !range_within(o->pos, bytes, o->size)) {
		o->full = true;
		return NULL;
	}
	memset(at, 0, (size_t)bytes);
	o->pos += bytes;
	return at;
}

/* Room for an extension of len bytes; its data, or NULL when there is none. */
static inline uint8_t *header_out_ext(struct header_out *o, uint32_t type, uint32_t len)
{
	uint8_t *p = header_out_room(o, EXT_HEAD_BYTES + align_up(len, 8));

	if (!p)
		return NULL;
	put_be32(p, type);
	put_be32(p + 4, len);
	return p + EXT_HEAD_BYTES;
}

#endif
