/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mapping of zones that go. They are empty, so nothing that anybody can read is behind it; but
 * left alone it would take room, and come back when the disk grows again. Entries only, whose
 * clusters are leaks then: the caller gives them back once the disk is smaller.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "io/io.h"
#include "offline/amend.h"
#include "qcow2/format/format.h"
#include "util/bytes.h"
#include "util/math.h"

/* Zeros for the entries of an L2 table from the first on. */
static int clear_entries(struct zq_io *io, const struct qcow2_header *h, uint64_t table,
			 uint64_t first)
{
	static const uint8_t zeros[4096];
	uint64_t size = h->incompat & QCOW2_INCOMPAT_EXTL2 ? 16 : 8;
	uint64_t end = table + qcow2_header_cluster_size(h);
	int ret = 0;

	for (uint64_t at = table + first * size; at < end && !ret;) {
		uint64_t n = min_u64(sizeof(zeros), end - at);

		ret = io_write(io, zeros, (size_t)n, at);
		at += n;
	}
	return ret;
}

/* The L1 entries from the first on lead nowhere any more. */
static int clear_tables(struct zq_io *io, const struct qcow2_header *h, uint64_t first, uint8_t *l1)
{
	uint64_t bytes = first < h->l1_size ? (h->l1_size - first) * 8 : 0;

	if (!bytes)
		return 0;
	memset(l1 + first * 8, 0, (size_t)bytes);
	return io_write(io, l1 + first * 8, (size_t)bytes, h->l1_offset + first * 8);
}

int resize_unmap(struct zq_io *io, const struct qcow2_header *h, uint64_t from, uint8_t *l1,
		 struct zq_error *err)
{
	uint64_t cluster = div_up(from, qcow2_header_cluster_size(h));
	uint64_t per_table = amend_l2_entries(h), index = cluster / per_table;
	uint64_t within = cluster % per_table, table = 0;
	int ret = 0;

	if (within && index < h->l1_size)
		table = get_be64(l1 + index * 8) & QCOW2_OFFSET_MASK;
	if (table)
		ret = clear_entries(io, h, table, within);
	if (!ret)
		ret = clear_tables(io, h, index + !!within, l1);
	if (!ret)
		ret = io_flush(io);
	return ret ? zq_fail(err, ret, "%s: taking the mapping of zones out: %s", io->name,
			     strerror(-ret))
		   : 0;
}
