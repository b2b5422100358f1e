/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables of a new image, written front to back through one small buffer: each entry is
 * computed when its turn comes, so that memory does not depend on the size of the image.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/create/create_layout.h"
#include "qcow2/format/format.h"
#include "qcow2/format/zoned_word.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/math.h"

#define BUFFER_BYTES (256u << 10)

struct writer {
	struct zq_io *io;
	const struct create_layout *l;
	const struct qcow2_create_params *p;
	uint8_t *buf; /* BUFFER_BYTES */
};

/* Puts the entries [first, first + nr) into the buffer. */
typedef void (*fill_fn)(const struct writer *w, uint64_t first, uint64_t nr);

/* Writes nr entries of entry_bits each at offset; the last byte's unused bits are zero. */
static int write_entries(const struct writer *w, uint64_t offset, uint64_t nr, unsigned entry_bits,
			 fill_fn fill)
{
	uint64_t at_once = UINT64_C(8) * BUFFER_BYTES / entry_bits;

	for (uint64_t first = 0; first < nr; first += at_once) {
		uint64_t n = min_u64(at_once, nr - first);
		size_t bytes = (size_t)div_up(n * entry_bits, 8);
		int ret;

		memset(w->buf, 0, bytes);
		fill(w, first, n);
		ret = io_write(w->io, w->buf, bytes, offset + first * entry_bits / 8);
		if (ret)
			return ret;
	}
	return 0;
}

static void fill_reftable(const struct writer *w, uint64_t first, uint64_t nr)
{
	for (uint64_t i = 0; i < nr; i++)
		put_be64(w->buf + 8 * i,
			 create_refblocks_offset(w->l) + ((first + i) << w->l->cluster_bits));
}

/* Every cluster of the file is used once. The blocks are adjacent, so this is one long array. */
static void fill_refcounts(const struct writer *w, uint64_t first, uint64_t nr)
{
	unsigned order = w->p->refcount_order;
	unsigned bytes = 1u << order >> 3;

	(void)first;
	if (bytes) { /* big-endian: the last byte of each is the lowest */
		for (uint64_t i = 0; i < nr; i++)
			w->buf[(i + 1) * bytes - 1] = 1;
		return;
	}
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t bit = i << order;

		w->buf[bit / 8] = (uint8_t)(w->buf[bit / 8] | 1u << bit % 8);
	}
}

/* Where a zone's pointer stands in the new image. */
static uint64_t first_pointer(const struct writer *w, uint32_t zone)
{
	const struct zq_geometry *g = &w->p->geo;
	uint64_t written = w->p->written ? w->p->written[zone] : 0;

	if (written && written == zq_zone_cap(g, zone))
		return zoned_word_finished(w->p->layout, g, zone);
	return zq_zone_start(g, zone) + written;
}

static void fill_pointers(const struct writer *w, uint64_t first, uint64_t nr)
{
	const struct zq_geometry *g = &w->p->geo;

	for (uint64_t i = 0; i < nr; i++) {
		uint32_t zone = (uint32_t)(first + i);

		zoned_word_put(w->buf + 8 * i,
			       zoned_word_make(w->p->layout, g, zone, first_pointer(w, zone)),
			       w->p->wp_little_endian);
	}
}

static void fill_l1(const struct writer *w, uint64_t first, uint64_t nr)
{
	for (uint64_t i = 0; i < nr; i++)
		put_be64(w->buf + 8 * i, QCOW2_COPIED | (create_l2_offset(w->l) +
							 ((first + i) << w->l->cluster_bits)));
}

/*
 * Guest clusters in their order; the L2 tables are adjacent, so this is one long array too.
 * With extended L2 no subcluster is allocated, only the place is known, as in images of
 * qemu-img: what is not written yet comes from the backing file, or is zero.
 */
static void fill_l2(const struct writer *w, uint64_t first, uint64_t nr)
{
	uint64_t base = w->p->data_io ? 0 : create_data_offset(w->l);

	for (uint64_t i = 0; i < nr; i++)
		put_be64(w->buf + w->l->l2_entry_size * i,
			 QCOW2_COPIED | (base + ((first + i) << w->l->cluster_bits)));
}

static int write_tables(const struct writer *w)
{
	const struct create_layout *l = w->l;
	int ret;

	ret = write_entries(w, create_reftable_offset(l), l->refblocks, 64, fill_reftable);
	if (!ret)
		ret = write_entries(w, create_refblocks_offset(l), l->total,
				    1u << w->p->refcount_order, fill_refcounts);
	if (!ret)
		ret = write_entries(w, create_meta_offset(l), w->p->geo.nr_zones, 64,
				    fill_pointers);
	if (ret || !w->p->prealloc_metadata)
		return ret;
	ret = write_entries(w, create_l1_offset(l), l->l1_size, 64, fill_l1);
	if (!ret)
		ret = write_entries(w, create_l2_offset(l), l->guest_clusters, l->l2_entry_size * 8,
				    fill_l2);
	return ret;
}

int create_write_tables(struct zq_io *io, const struct create_layout *l,
			const struct qcow2_create_params *p)
{
	uint8_t *buf CLEANUP_FREE = malloc(BUFFER_BYTES);
	struct writer w = { io, l, p, buf };

	return buf ? write_tables(&w) : -ENOMEM;
}
