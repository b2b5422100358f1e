/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The edges of a write: bytes of newly entered clusters that the write does not cover.
 */
#include <errno.h>
#include <stdlib.h>

#include "io/io.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/map.h"
#include "qcow2/engine/write_chunk.h"
#include "util/math.h"

bool chunk_by_subcluster(const struct qcow2_image *img, const struct write_chunk *c,
			 struct l2_entry e)
{
	if (!img->ext_l2 || (e.desc & QCOW2_COMPRESSED))
		return false;
	return c->how == REUSE || !l2_has_host(img, e);
}

/* Does the range hold anything but zeros, as far as the mapping tells? */
static int reads_as_zeros(struct qcow2_image *img, uint64_t off, uint64_t len, bool *zeros)
{
	*zeros = true;
	while (len && *zeros) {
		bool data;
		uint64_t run;
		int rc = qcow2_block_status(img, off, len, &data, &run);

		if (rc < 0)
			return rc;
		*zeros = !data;
		off += run;
		len -= run;
	}
	return 0;
}

/* Fills guest bytes [off, end), which the chunk's host clusters hold and of which there are some,
 * with zeros or, with keep, with what they read as now. */
static int fill_range(struct qcow2_image *img, const struct write_chunk *c, uint64_t off,
		      uint64_t end, bool keep)
{
	uint64_t host = c->host + (off - guest_cluster(img, c->off));
	bool zeros = true;
	void *buf;
	int rc;

	if (keep) {
		/* what lies behind the end of the disk has no content */
		uint64_t known = min_u64(end, align_up(img->hdr.size, ZQ_BLOCK));

		rc = off < known ? reads_as_zeros(img, off, known - off, &zeros) : 0;
		if (rc < 0)
			return rc;
	}
	if (zeros)
		return c->fresh ? 0 : image_zero_host(img->data, host, end - off);
	buf = calloc(1, (size_t)(end - off));
	if (!buf)
		return -ENOMEM;
	rc = read_guest(img, off, buf, (size_t)(min_u64(end, img->hdr.size) - off));
	if (rc == 0)
		rc = io_write(img->data, buf, (size_t)(end - off), host);
	free(buf);
	return rc;
}

/* Where the first cluster's filled part begins. [lock] */
static uint64_t head_start(struct qcow2_image *img, const struct write_chunk *c)
{
	uint64_t guest = guest_cluster(img, c->off);
	unsigned sub = (unsigned)((c->off - guest) >> img->sub_bits);

	if (!chunk_by_subcluster(img, c, c->first))
		return guest;
	if (l2_kind(img, guest, c->first, sub) == L2_DATA)
		return c->off;
	return guest + sub * img->sub_size;
}

/* Where the last cluster's filled part ends. [lock] */
static uint64_t tail_end(struct qcow2_image *img, const struct write_chunk *c)
{
	uint64_t guest = guest_cluster(img, c->end - 1);
	unsigned sub = (unsigned)((c->end - 1 - guest) >> img->sub_bits);

	if (!chunk_by_subcluster(img, c, c->last))
		return guest + img->cluster_size;
	if (l2_kind(img, guest, c->last, sub) == L2_DATA)
		return c->end;
	return guest + (sub + 1) * img->sub_size;
}

void chunk_find_edges(struct qcow2_image *img, struct write_chunk *c)
{
	c->head = head_start(img, c);
	c->tail = tail_end(img, c);
}

int chunk_fill_edges(struct qcow2_image *img, const struct write_chunk *c)
{
	/* only the write's last chunk reaches into what is to become zeros */
	uint64_t zero_end = min_u64(c->tail, max_u64(c->w->zero_end, c->end));
	int rc = 0;

	if (c->head < c->off)
		rc = fill_range(img, c, c->head, c->off, true);
	if (rc == 0 && c->end < zero_end)
		rc = fill_range(img, c, c->end, zero_end, false);
	if (rc == 0 && zero_end < c->tail)
		rc = fill_range(img, c, zero_end, c->tail, true);
	return rc;
}
