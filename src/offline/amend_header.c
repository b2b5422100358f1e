/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From one header to another. All that a disk promises is that a sector of 512 bytes is
 * written whole or not at all, and the header with its extensions is longer than that. So:
 *
 *   1. a copy of the new extensions goes to free sectors of the first cluster, flush
 *   2. the first sector, whose header_length and backing_file_offset lead to the copy: the switch
 *   3. the new extensions go where they belong, which to the header are now fields that it
 *      does not know, flush
 *   4. the first sector again, which leads there, flush; 5. the copy is cleared
 *
 * Where old and new differ in one sector only, or where all of the new header is in the first
 * one, writing that is all. In small clusters without room for the copy the feature name table,
 * which is a courtesy, goes, so that it is.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "offline/amend.h"
#include "qcow2/format/header_rebuild.h"
#include "util/cleanup.h"
#include "util/math.h"

#define SECTOR 512u

struct clusters {
	size_t size;
	uint8_t *old, *copy, *final; /* the first cluster now, on the way, and at the end */
	struct header_place old_at, copy_at, final_at;
	uint64_t first; /* sector that differs */
	int (*how)(struct zq_io *io, const struct clusters *c);
};

static int write_sectors(struct zq_io *io, const uint8_t *cluster, uint64_t first, uint64_t end)
{
	return io_write(io, cluster + first, (size_t)(align_up(end, SECTOR) - first), first);
}

static int write_and_flush(struct zq_io *io, const uint8_t *cluster, uint64_t first, uint64_t end)
{
	int ret = write_sectors(io, cluster, first, end);

	return ret ? ret : io_flush(io);
}

/* The sectors that differ: from the first, and how many there are from it to the last. */
static uint64_t differing(const struct clusters *c, uint64_t *first)
{
	uint64_t nr = 0;

	for (uint64_t at = 0; at < c->size; at += SECTOR) {
		if (!memcmp(c->old + at, c->final + at, SECTOR))
			continue;
		if (!nr)
			*first = at;
		nr = (at - *first) / SECTOR + 1;
	}
	return nr;
}

/* Steps 3 to 5 of the first sector's bytes: final's, but for where they lead. */
static void lead_to_copy(const struct clusters *c, uint8_t *sector)
{
	memcpy(sector, c->final, SECTOR);
	memcpy(sector, c->copy, (size_t)min_u64(c->final_at.start, SECTOR));
}

static int switch_over(struct zq_io *io, const struct clusters *c)
{
	uint64_t used = max_u64(c->copy_at.end, max_u64(c->old_at.end, c->final_at.end));
	uint8_t first[SECTOR];
	int ret = write_and_flush(io, c->copy, c->copy_at.start, c->copy_at.end);

	if (!ret)
		ret = write_and_flush(io, c->copy, 0, SECTOR);
	if (ret)
		return ret;
	lead_to_copy(c, first);
	ret = io_write(io, first, SECTOR, 0);
	if (!ret && c->copy_at.start > SECTOR)
		ret = write_sectors(io, c->final, SECTOR, c->copy_at.start);
	if (!ret)
		ret = io_flush(io);
	if (!ret)
		ret = write_and_flush(io, c->final, 0, SECTOR);
	if (!ret)
		ret = write_and_flush(io, c->final, c->copy_at.start, used);
	return ret;
}

/* Room for the copy behind what the old header uses and what the final one will. */
static int place_copy(struct clusters *c, const struct qcow2_header *from,
		      const struct qcow2_header *to, struct zq_error *err)
{
	uint64_t at = align_up(max_u64(c->old_at.end, c->final_at.end), SECTOR);
	int ret = -E2BIG;

	c->copy_at.start = at;
	if (at < c->size)
		ret = header_rebuild(c->old, from, to, true, &c->copy_at, c->copy, err);
	if (ret == -E2BIG && at < c->size)
		ret = header_rebuild(c->old, from, to, false, &c->copy_at, c->copy, err);
	if (ret == -E2BIG)
		zq_fail(err, ret,
			"the first cluster, %zu bytes, has no room to keep the old header until "
			"the new one is written",
			c->size);
	return ret;
}

static int build_final(struct clusters *c, const struct qcow2_header *from,
		       const struct qcow2_header *to, bool names, struct zq_error *err)
{
	int ret;

	c->final_at.start = header_fields_length(to);
	ret = header_rebuild(c->old, from, to, names, &c->final_at, c->final, err);
	if (ret == -E2BIG && names)
		ret = header_rebuild(c->old, from, to, false, &c->final_at, c->final, err);
	if (ret == -E2BIG)
		return zq_fail(err, ret, "the new header does not fit into the first cluster");
	if (!ret && c->old_at.end > c->final_at.end)
		memset(c->final + c->final_at.end, 0, (size_t)(c->old_at.end - c->final_at.end));
	return ret;
}

/* All of the new header is in the first sector; what the others hold then means nothing. */
static int switch_in_first(struct zq_io *io, const struct clusters *c)
{
	int ret = write_and_flush(io, c->final, 0, SECTOR);

	return ret || c->size == SECTOR
		       ? ret
		       : write_and_flush(io, c->final, SECTOR, max_u64(c->old_at.end, SECTOR));
}

static int write_nothing(struct zq_io *io, const struct clusters *c)
{
	(void)io;
	(void)c;
	return 0;
}

static int write_difference(struct zq_io *io, const struct clusters *c)
{
	return write_and_flush(io, c->final, c->first, c->first + SECTOR);
}

/* Which of the ways it takes. */
static int plan_switch(struct clusters *c, const struct qcow2_header *from,
		       const struct qcow2_header *to, struct zq_error *err)
{
	int ret = build_final(c, from, to, true, err);
	uint64_t nr;

	if (ret)
		return ret;
	nr = differing(c, &c->first);
	c->how = nr ? write_difference : write_nothing;
	if (nr <= 1)
		return 0;
	c->how = switch_in_first;
	if (c->final_at.end <= SECTOR)
		return 0;
	ret = place_copy(c, from, to, err);
	if (!ret)
		c->how = switch_over;
	if (ret != -E2BIG)
		return ret;
	ret = build_final(c, from, to, false, err);
	return !ret && c->final_at.end > SECTOR ? -E2BIG : ret; /* place_copy has said why */
}

int amend_header(struct zq_io *io, const struct qcow2_header *from, const struct qcow2_header *to,
		 struct zq_error *err)
{
	struct clusters c = { .size = (size_t)qcow2_header_cluster_size(from) };
	uint8_t *buf CLEANUP_FREE = malloc(3 * c.size);
	int ret;

	if (!buf)
		return zq_fail(err, -ENOMEM, "out of memory");
	c.old = buf;
	c.copy = buf + c.size;
	c.final = buf + 2 * c.size;
	ret = io_pread(io, c.old, c.size, 0);
	if (ret)
		return zq_fail(err, ret, "reading the header: %s", strerror(-ret));
	c.old_at = header_place_of(c.old, from);
	ret = plan_switch(&c, from, to, err);
	if (ret)
		return ret;
	ret = c.how(io, &c);
	return ret ? zq_fail(err, ret, "writing the header: %s", strerror(-ret)) : 0;
}
