/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * L2 entries that lead to metadata: to the header, the L1 table, the write pointers, a snapshot's
 * tables or an L2 table. Metadata is never a guest's data. The image opens read-only as long as
 * there is such an entry. So repair removes the entry, and its guest cluster reads as zeros.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "io/io.h"
#include "qcow2/check/check_priv.h"
#include "qcow2/check/repair.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/math.h"

/* Could these entries be anything but an L2 table? One that is out of order says so, as any guest's
 * data has some, unless it is all zeros, and then nothing is lost. */
static bool looks_like_table(struct check *c, uint64_t off)
{
	uint8_t *table CLEANUP_FREE = malloc((size_t)c->cluster_size);
	bool good = table && io_pread(c->io, table, (size_t)c->cluster_size, off) == 0;

	for (uint64_t i = 0; i < c->l2_entries && good; i++) {
		uint64_t word = get_be64(table + i * c->l2_entry_size);
		uint64_t to = word & QCOW2_OFFSET_MASK;

		if (!(word & QCOW2_COMPRESSED))
			good = !(word & QCOW2_L2_RESERVED) &&
			       is_aligned(to, (size_t)c->cluster_size) &&
			       (c->data_file || to < c->file_size);
	}
	return good;
}

/*
 * An L1 entry that is wrong may make an L2 table of a guest's data. Then the entry that leads to
 * that data is right, and stays, and somebody has to look at the image.
 */
static bool is_metadata(struct check *c, uint64_t cluster)
{
	unsigned use;

	counts_get(c, cluster, &use);
	return (use & USE_META) ||
	       ((use & USE_L2) && looks_like_table(c, cluster << c->cluster_bits));
}

bool repair_unmaps(struct check *c, uint64_t off, uint64_t len)
{
	uint64_t last = (off + len - 1) >> c->cluster_bits;

	if (!check_repairs(c) || c->refs_only)
		return false;
	for (uint64_t i = off >> c->cluster_bits; i <= last; i++)
		if (is_metadata(c, i))
			return true;
	return false;
}

void repair_unmap(struct check *c, uint64_t place, uint64_t off, const char *what)
{
	check_found(c, ZQ_FOUND_CORRUPTION, 1, true,
		    "%s: leads to metadata at 0x%" PRIx64 "; taken out, reads as zeros", what, off);
	if (c->nr_unmap == c->cap_unmap) {
		size_t cap = c->cap_unmap ? 2 * c->cap_unmap : 16;
		uint64_t *more = realloc(c->unmap, cap * sizeof(*more));

		if (!more) {
			c->error = -ENOMEM;
			return;
		}
		c->unmap = more;
		c->cap_unmap = cap;
	}
	c->unmap[c->nr_unmap++] = place;
}

void repair_write_unmapped(struct check *c)
{
	uint8_t entry[16] = { 0 };

	if (!c->nr_unmap)
		return;
	/* a backing file must not show through */
	if (c->hdr->backing_file && c->ext_l2)
		put_be64(entry + 8, (uint64_t)UINT32_MAX << QCOW2_SUBCLUSTERS);
	else if (c->hdr->backing_file)
		put_be64(entry, QCOW2_ZERO);
	for (size_t i = 0; i < c->nr_unmap; i++)
		check_write(c, entry, c->l2_entry_size, c->unmap[i]);
	check_flush(c);
}
