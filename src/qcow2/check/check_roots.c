/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a check starts from: the header, the tables that it names, and everything that these lead
 * to, in the order in which it has to be counted. Owns struct check's memory. Never writes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/check/check_priv.h"
#include "util/bytes.h"
#include "util/math.h"

/* Reads a table of big-endian words whose bounds the header's validation has checked. */
static uint64_t *read_words(struct check *c, uint64_t off, uint64_t nr, const char *what)
{
	uint64_t *t = malloc((size_t)(nr ? nr : 1) * sizeof(*t));

	if (!t) {
		c->error = -ENOMEM;
		return NULL;
	}
	if (!check_read(c, t, (size_t)nr * sizeof(*t), off, what))
		memset(t, 0, (size_t)nr * sizeof(*t));
	for (uint64_t i = 0; i < nr; i++)
		t[i] = get_be64(&t[i]);
	return t;
}

int check_begin(struct check *c)
{
	const struct qcow2_header *h = c->hdr;
	int ret = io_size(c->io, &c->file_size);

	if (ret)
		return ret;
	if (c->file_size > INT64_MAX)
		return -EFBIG;
	c->cluster_bits = h->cluster_bits;
	c->cluster_size = qcow2_header_cluster_size(h);
	c->file_clusters = div_up(c->file_size, c->cluster_size);
	c->end_cluster = 1;
	c->ext_l2 = h->incompat & QCOW2_INCOMPAT_EXTL2;
	c->data_file = h->incompat & QCOW2_INCOMPAT_DATA_FILE;
	c->l2_entry_size = c->ext_l2 ? 16 : 8;
	c->l2_entries = c->cluster_size / c->l2_entry_size;
	c->reftable_nr = h->reftable_clusters * (c->cluster_size / 8);
	c->buf = malloc((size_t)c->cluster_size);
	c->block_ok = calloc((size_t)(c->reftable_nr ? c->reftable_nr : 1), 1);
	if (!c->buf || !c->block_ok)
		return -ENOMEM;
	c->l1 = read_words(c, h->l1_offset, h->l1_size, "L1 table");
	c->reftable = read_words(c, h->reftable_offset, c->reftable_nr, "refcount table");
	return c->error;
}

void check_end(struct check *c)
{
	counts_free(&c->counts);
	free(c->unmap);
	hash_free(&c->l2);
	check_wp_free(c);
	free(c->buf);
	free(c->block_ok);
	free(c->l1);
	free(c->reftable);
}

void check_roots(struct check *c)
{
	const struct qcow2_header *h = c->hdr;

	check_count(c, 0, c->cluster_size, USE_META, 1);
	if (h->l1_size)
		check_count(c, h->l1_offset, (uint64_t)h->l1_size * 8, USE_META, 1);
	if (h->reftable_clusters)
		check_count(c, h->reftable_offset, h->reftable_clusters * c->cluster_size,
			    USE_REFTABLE, 1);
	if (h->zoned.present)
		check_count(c, h->zoned.meta_offset, h->zoned.meta_size, USE_META, 1);
	if (c->claim_len)
		check_count(c, c->claim, c->claim_len, USE_META, 1);
	check_snapshots(c);
	check_bitmaps(c);
	for (uint64_t i = 0; i < h->l1_size && !c->error; i++)
		check_l1_entry(c, i, c->l1[i], true);
	check_progress(c, 0.05);
	check_wp_begin(c);
	check_mapping(c);
	check_wp_end(c);
	check_refblocks(c);
}

void check_note_features(struct check *c)
{
	if (c->hdr->incompat & QCOW2_INCOMPAT_DIRTY)
		check_found(c, ZQ_FOUND_NOTE, 1, false,
			    "the dirty bit is set: refcounts are rebuilt before the next write");
	if (c->hdr->incompat & QCOW2_INCOMPAT_CORRUPT)
		check_found(c, ZQ_FOUND_NOTE, 1, false,
			    "the corrupt bit is set: the image opens read-only");
	if (c->hdr->identity.unfinished)
		check_found(c, ZQ_FOUND_NOTE, 1, false,
			    "a commit of an overlay into it has not ended: it holds a mixture of "
			    "both, and opens read-only; \"zqfs commit\" of the overlay goes on, and "
			    "where that is lost \"zqfs commit --abandon\" keeps the mixture");
}
