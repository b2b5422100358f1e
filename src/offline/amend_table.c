/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words of a pointer table from one layout and byte order to another. Reads the table
 * whole; writes nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "offline/amend.h"
#include "qcow2/format/zoned_word.h"
#include "util/math.h"

int amend_table_read(struct zq_io *io, const struct qcow2_zoned_ext *from, struct amend_table *t,
		     struct zq_error *err)
{
	const struct zq_geometry *g = &from->geo;
	struct zoned_order order = { 0 };
	int ret;

	*t = (struct amend_table){ .raw = malloc((size_t)g->nr_zones * 8) };
	if (!t->raw)
		return zq_fail(err, -ENOMEM, "out of memory");
	ret = io_pread(io, t->raw, (size_t)g->nr_zones * 8, from->meta_offset);
	if (ret)
		return zq_fail(err, ret, "reading the write pointers: %s", strerror(-ret));
	zoned_order_count(from->layout, g, 0, t->raw, g->nr_zones, &order);
	t->little = zoned_order_little(&order);
	t->corrupt = g->nr_zones - zoned_order_sane(&order);
	for (uint32_t i = 0; i < g->nr_zones; i++) {
		uint64_t word = zoned_word_get(t->raw + (size_t)i * 8, t->little);

		t->refused += zoned_word_sane(from->layout, g, i, word) &&
			      zoned_word_refused(from->layout, g, i, word);
	}
	return 0;
}

void amend_table_free(struct amend_table *t)
{
	free(t->raw);
	t->raw = NULL;
}

/* The same state in the other layout: a full zone's pointer is where a finished one's stands. */
static uint64_t convert_wp(const struct zq_geometry *g, uint32_t zone, uint64_t wp,
			   const struct zoned_layout *to)
{
	if (wp >= zq_zone_start(g, zone) + zq_zone_cap(g, zone))
		return zoned_word_finished(to, g, zone);
	return wp;
}

int amend_table_convert(struct amend_table *t, const struct qcow2_zoned_ext *from,
			const struct zoned_layout *to, bool little, struct zq_error *err)
{
	const struct zq_geometry *g = &from->geo;
	char label[ZQ_ZONE_LABEL_MAX];

	for (uint32_t i = 0; i < g->nr_zones; i++) {
		uint8_t *raw = t->raw + (size_t)i * 8;
		uint64_t wp = zoned_word_wp(from->layout, zoned_word_get(raw, t->little));
		uint64_t word = zoned_word_make(to, g, i, convert_wp(g, i, wp, to));

		if (zoned_word_refused(to, g, i, word))
			return zq_fail(err, -EINVAL,
				       "%s: write pointer %" PRIu64
				       " is not a multiple of %u, which layout %s needs",
				       zq_zone_label(g->nr_conv, i, label), wp, ZQ_BLOCK, to->name);
		zoned_word_put(raw, word, little);
	}
	t->little = little;
	return 0;
}
