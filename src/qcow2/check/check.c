/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Check of an image file: counts every reference to every cluster, compares the counts
 * with the refcounts, judges the write pointers, and then repairs what was asked for.
 * Owns struct check for the time of one check. One thread, no locks. Writes only
 * through check_write, in this order, with a flush behind each step:
 *
 *   1. counts go up (new refcount blocks, a new table), 2. COPIED flags and pointers,
 *   3. counts go down, 4. the header's dirty and corrupt bits are cleared
 *
 * so that at every moment no cluster has a lower count than it has references.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/check/check_priv.h"
#include "util/bytes.h"
#include "util/math.h"

void check_found(struct check *c, enum zq_finding_kind kind, uint64_t nr, bool fixed,
		 const char *fmt, ...)
{
	struct zq_check_result *res = c->res;
	char line[320];
	va_list ap;

	switch (kind) {
	case ZQ_FOUND_NOTE:
		res->notes += nr;
		break;
	case ZQ_FOUND_LEAK:
		res->leaks += nr;
		res->leaks_fixed += fixed ? nr : 0;
		break;
	case ZQ_FOUND_CORRUPTION:
		res->corruptions += nr;
		res->corruptions_fixed += fixed ? nr : 0;
		break;
	}
	if (!c->opts->found)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	c->opts->found(c->opts->data, kind, fixed, line);
}

void check_progress(struct check *c, double done)
{
	if (c->opts->progress)
		c->opts->progress(c->opts->data, done);
}

bool check_read(struct check *c, void *buf, size_t len, uint64_t off, const char *what)
{
	int ret = io_pread(c->io, buf, len, off);

	if (ret) {
		c->unreadable = true;
		check_damage(c, "%s at 0x%" PRIx64 " cannot be read: %s", what, off,
			     strerror(-ret));
	}
	return !ret;
}

bool check_write(struct check *c, const void *buf, size_t len, uint64_t off)
{
	if (!c->error)
		c->error = io_write(c->io, buf, len, off);
	return !c->error;
}

bool check_flush(struct check *c)
{
	if (!c->error)
		c->error = io_flush(c->io);
	return !c->error;
}

/* Reads a table of big-endian words whose bounds the header's validation has checked. */
static uint64_t *read_table(struct check *c, uint64_t off, uint64_t nr, const char *what)
{
	uint64_t *t = malloc((nr ? nr : 1) * sizeof(*t));

	if (!t) {
		c->error = -ENOMEM;
		return NULL;
	}
	if (!check_read(c, t, nr * sizeof(*t), off, what))
		memset(t, 0, nr * sizeof(*t));
	for (uint64_t i = 0; i < nr; i++)
		t[i] = get_be64(&t[i]);
	return t;
}

static int check_init(struct check *c)
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
	c->buf = malloc(c->cluster_size);
	c->block_ok = calloc(c->reftable_nr ? c->reftable_nr : 1, 1);
	if (!c->buf || !c->block_ok)
		return -ENOMEM;
	c->l1 = read_table(c, h->l1_offset, h->l1_size, "L1 table");
	c->reftable = read_table(c, h->reftable_offset, c->reftable_nr, "refcount table");
	return c->error;
}

static void check_free(struct check *c)
{
	counts_free(&c->counts);
	l2_tables_free(&c->l2);
	check_wp_free(c);
	free(c->buf);
	free(c->block_ok);
	free(c->l1);
	free(c->reftable);
}

/* Everything that the header leads to. Refcount blocks come last, see check_refblocks. */
static void check_references(struct check *c)
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

static void note_features(struct check *c)
{
	if (c->hdr->incompat & QCOW2_INCOMPAT_DIRTY)
		check_found(c, ZQ_FOUND_NOTE, 1, false,
			    "the dirty bit is set: refcounts are rebuilt before the next write");
	if (c->hdr->incompat & QCOW2_INCOMPAT_CORRUPT)
		check_found(c, ZQ_FOUND_NOTE, 1, false,
			    "the corrupt bit is set: the image opens read-only");
}

static void check_repair(struct check *c)
{
	if (check_repairs(c) && c->need_raise)
		repair_raise(c);
	check_copied(c); /* finds, and repairs where asked to */
	if (check_repairs(c) && !c->refs_only)
		check_wp_repair(c);
	if (c->opts->repair == ZQ_REPAIR_NONE)
		return;
	check_flush(c);
	if (check_lowers(c))
		repair_lower(c);
	if (c->damaged && c->res->leaks)
		check_found(c, ZQ_FOUND_NOTE, 1, false,
			    "leaks are kept: damaged entries may refer to these clusters");
	repair_features(c);
}

static int run(struct check *c, struct zq_error *err)
{
	int ret = check_init(c);

	if (!ret) {
		note_features(c);
		check_references(c);
		ret = c->error;
	}
	if (!ret) {
		check_compare(c);
		c->res->total_clusters = div_up(c->hdr->size, c->cluster_size);
		c->res->image_end = c->end_cluster << c->cluster_bits;
		ret = c->error;
	}
	if (!ret) {
		check_repair(c);
		check_progress(c, 1);
		ret = c->error;
	}
	check_free(c);
	if (ret)
		zq_fail(err, ret, "%s: %s: %s", c->io->name,
			c->opts->repair == ZQ_REPAIR_NONE ? "cannot check" : "cannot repair",
			strerror(-ret));
	return ret;
}

int qcow2_check(struct zq_io *io, const struct qcow2_header *hdr, const struct zq_check_opts *opts,
		struct zq_check_result *res, struct zq_error *err)
{
	struct check c = { .io = io, .hdr = hdr, .opts = opts, .res = res };

	*res = (struct zq_check_result){ 0 };
	return run(&c, err);
}

int check_rebuild_refcounts(struct zq_io *io, const struct qcow2_header *hdr, struct zq_error *err)
{
	struct zq_check_opts opts = { .repair = ZQ_REPAIR_ALL };
	struct zq_check_result res = { 0 };
	struct check c = { .io = io, .hdr = hdr, .opts = &opts, .res = &res, .refs_only = true };
	int ret = run(&c, err);

	if (!ret && c.unreadable)
		ret = zq_fail(err, -EIO,
			      "%s: refcounts cannot be rebuilt: a part of the tables cannot be "
			      "read",
			      io->name);
	if (!ret && c.conflict)
		ret = zq_fail(err, -EIO,
			      "%s: refcounts cannot be rebuilt: metadata and other clusters "
			      "overlap; run zqfs check",
			      io->name);
	return ret;
}
