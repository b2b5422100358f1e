/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Check of an image file: counts every reference to every cluster, compares the counts
 * with the refcounts, judges the write pointers, and then repairs what was asked for.
 * Owns struct check for the time of one check. One thread, no locks. Writes only
 * through check_write, in this order, with a flush behind each step:
 *
 *   1. counts go up (new refcount blocks, a new table), 2. COPIED flags, zeros that complete a
 *   block, pointers,
 *   3. counts go down, 4. the header's dirty and corrupt bits are cleared
 *
 * so that at every moment no cluster has a lower count than it has references.
 */
#include <errno.h>
#include <string.h>

#include "qcow2/check/check_priv.h"
#include "qcow2/check/repair.h"
#include "qcow2/tables/header_read.h"
#include "util/math.h"

static void mend(struct check *c)
{
	if (c->nr_unmap || c->wp.nr_fix)
		check_renew_identity(c);
	repair_write_unmapped(c);
	if (check_repairs(c) && c->need_raise)
		repair_raise(c);
	check_copied(c); /* finds, and repairs where asked to */
	check_blocks(c);
	if (c->wp.nr_fix)
		check_renew_identity(c);
	if (check_repairs(c) && !c->refs_only)
		check_wp_repair(c);
	if (c->opts->repair == ZQ_REPAIR_NONE)
		return;
	check_flush(c);
	if (check_lowers(c))
		repair_lower(c);
	if (check_repairs(c) && !c->refs_only)
		repair_split(c);
	if (!c->refs_only)
		repair_punch(c);
	if (c->damaged && c->res->leaks)
		check_found(c, ZQ_FOUND_NOTE, 1, false,
			    "leaks are kept: damaged entries may refer to these clusters");
	repair_features(c);
}

static int check_run(struct check *c, struct zq_error *err)
{
	int ret = check_begin(c);

	if (!ret) {
		check_note_features(c);
		check_roots(c);
		ret = c->error;
	}
	if (!ret) {
		check_compare(c);
		c->res->total_clusters = div_up(c->hdr->size, c->cluster_size);
		c->res->image_end = c->end_cluster << c->cluster_bits;
		check_progress(c, 0.9);
		ret = c->error;
	}
	if (!ret) {
		mend(c);
		check_progress(c, 1);
		ret = c->error;
	}
	check_end(c);
	if (ret)
		zq_fail(err, ret, "%s: %s: %s", c->io->name,
			c->opts->repair == ZQ_REPAIR_NONE ? "cannot check" : "cannot repair",
			strerror(-ret));
	return ret;
}

/* Mends what splitting shared clusters has left: a count that is too high, flags of entries that
 * share nothing any more. Nobody is told: the first pass has reported the cause. */
static int second_pass(struct zq_io *io, struct zq_io *data, bool zoned, struct zq_error *err)
{
	struct zq_check_opts opts = { .repair = ZQ_REPAIR_ALL };
	struct zq_check_result res = { 0 };
	struct qcow2_header hdr;
	struct check c = { .io = io, .data = data, .hdr = &hdr, .opts = &opts, .res = &res };
	int ret = qcow2_header_read(io, zoned, &hdr, err);

	if (ret < 0)
		return ret;
	ret = check_run(&c, err);
	qcow2_header_free(&hdr);
	return ret;
}

int check_with_data(struct zq_io *io, struct zq_io *data, const struct qcow2_header *hdr,
		    const struct zq_check_opts *opts, struct zq_check_result *res,
		    struct zq_error *err)
{
	struct check c = { .io = io, .data = data, .hdr = hdr, .opts = opts, .res = res };
	int ret;

	*res = (struct zq_check_result){ 0 };
	ret = check_run(&c, err);
	return ret == 0 && c.split ? second_pass(io, data, hdr->zoned.present, err) : ret;
}

int qcow2_check(struct zq_io *io, const struct qcow2_header *hdr, const struct zq_check_opts *opts,
		struct zq_check_result *res, struct zq_error *err)
{
	return check_with_data(io, NULL, hdr, opts, res, err);
}

int check_rebuild_refcounts(struct zq_io *io, const struct qcow2_header *hdr, struct zq_error *err)
{
	struct zq_check_opts opts = { .repair = ZQ_REPAIR_ALL };
	struct zq_check_result res = { 0 };
	struct check c = { .io = io, .hdr = hdr, .opts = &opts, .res = &res, .refs_only = true };
	int ret = check_run(&c, err);

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

int check_claim(struct zq_io *io, const struct qcow2_header *hdr, uint64_t off, uint64_t len,
		struct zq_error *err)
{
	struct zq_check_opts opts = { .repair = ZQ_REPAIR_ALL };
	struct zq_check_result res = { 0 };
	struct check c = { .io = io,
			   .hdr = hdr,
			   .opts = &opts,
			   .res = &res,
			   .refs_only = true,
			   .claim = off,
			   .claim_len = len };
	int ret = check_run(&c, err);

	if (!ret && (c.unreadable || c.conflict))
		ret = zq_fail(err, -EIO, "%s: its refcounts cannot be extended; run zqfs check",
			      io->name);
	return ret;
}
