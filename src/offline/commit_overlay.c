/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zq_commit_overlay: what is refused before anything changes, and the order of the steps, which
 * commit_overlay.h explains.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "offline/amend.h"
#include "offline/commit_overlay.h"
#include "qcow2/format/header.h"
#include "qcow2/tables/header_read.h"
#include "util/cleanup.h"
#include "util/math.h"
#include "util/random.h"
#include "util/sized.h"

/* ---- what is refused ----------------------------------------------------------------------- */

static int check_pointers(struct qcow2_image *over, struct zq_error *err)
{
	const struct zq_geometry *g = &qcow2_zoned(over)->geo;
	const struct qcow2_zoned_info *base = qcow2_zoned(qcow2_base(over));

	for (uint32_t zone = g->nr_conv; zone < g->nr_zones; zone++) {
		char label[ZQ_ZONE_LABEL_MAX];
		enum qcow2_wp_kind kind;
		uint64_t wp;
		int ret = qcow2_wp_get_sane(over, zone, &wp, &kind, err);

		if (ret)
			return ret;
		if (base->whole_blocks && wp % ZQ_BLOCK)
			return zq_fail(err, -EINVAL,
				       "%s: the write pointer of %s stands within a block, which "
				       "zone.layout %s of the base "
				       "cannot hold",
				       qcow2_name(over), zq_zone_label(g->nr_conv, zone, label),
				       base->layout);
	}
	return 0;
}

static int check_writable(const struct qcow2_image *img, struct zq_error *err)
{
	return qcow2_writable(img) ? 0
				   : zq_fail(err, -EROFS, "%s: cannot be written to: %s",
					     qcow2_name(img), qcow2_readonly_reason(img));
}

static int check_pair(struct qcow2_image *over, struct zq_error *err)
{
	struct qcow2_image *base = qcow2_base(over);
	int ret;

	if (!qcow2_get_header(over)->backing_file)
		return zq_fail(err, -EINVAL, "%s: is no overlay, it has no backing file",
			       qcow2_name(over));
	if (!qcow2_is_overlay(over))
		return zq_fail(err, -EINVAL,
			       "%s: its backing file \"%s\" has no zones, so there is no place for "
			       "the write pointers",
			       qcow2_name(over), qcow2_get_header(over)->backing_file);
	if (qcow2_get_header(base)->nb_snapshots)
		return zq_fail(err, -EINVAL,
			       "%s: has internal snapshots, which do not hold write pointers: "
			       "nothing is written down into it",
			       qcow2_name(base));
	ret = check_writable(over, err);
	if (!ret)
		ret = check_writable(base, err);
	return ret ? ret : check_pointers(over, err);
}

/* ---- the steps ---------------------------------------------------------------------------- */

static int say_step(const struct qcow2_image *img, int ret, struct zq_error *err)
{
	return ret ? zq_fail(err, ret, "%s: writing its header: %s", qcow2_name(img),
			     strerror(-ret))
		   : 0;
}

static int begin_commit(struct qcow2_image *over, struct zq_error *err)
{
	uint64_t identity = random_u64();
	int ret = say_step(over, qcow2_remember_base(over, identity), err);

	return ret ? ret
		   : say_step(qcow2_base(over), qcow2_begin_unfinished(qcow2_base(over), identity),
			      err);
}

static int end_commit(struct qcow2_image *over, struct zq_error *err)
{
	struct qcow2_image *base = qcow2_base(over);
	int ret = say_step(base, qcow2_end_unfinished(base), err);

	if (!ret)
		ret = empty_overlay(over, err);
	return ret ? ret : say_step(over, qcow2_remember_base(over, 0), err);
}

int commit_opened(struct qcow2_image *over, const struct zq_commit_opts *o,
		  struct zq_commit_result *res, struct zq_error *err)
{
	int ret = check_pair(over, err);

	if (ret)
		return ret;
	res->resumed = qcow2_get_header(qcow2_base(over))->identity.unfinished;
	ret = begin_commit(over, err);
	if (!ret)
		ret = write_down(over, o, res, err);
	if (!ret)
		ret = end_commit(over, err);
	if (!ret && o->progress)
		(void)o->progress(o->data, 1);
	return ret;
}

/* ---- opening both ---------------------------------------------------------------------------- */

static void on_damage(void *data, const char *line)
{
	const struct zq_commit_opts *o = data;

	if (o->note)
		o->note(o->data, line);
}

static int open_both(const char *path, const struct zq_commit_opts *o, struct qcow2_image **over,
		     struct zq_error *err)
{
	struct qcow2_open_opts opts = {
		.writable = true,
		.zoned = true,
		.base_writable = true,
		.lock = ZQ_LOCK_WRITE,
		.log = on_damage,
		.log_data = (void *)o,
	};
	struct zq_io *io;
	int ret = zq_io_open(path, true, &io, err);

	return ret ? ret : qcow2_open(io, &opts, over, err);
}

/* Gives a header a record that it lacks. NULL base_id: an identity, not valid yet. */
static int add_record(const char *path, const struct qcow2_base_id *base_id, struct zq_error *err)
{
	struct qcow2_header from, to;
	struct zq_io *io;
	int ret = zq_io_open(path, true, &io, err);

	if (ret)
		return ret;
	ret = io_claim(io, ZQ_LOCK_WRITE, NULL, err);
	if (!ret)
		ret = qcow2_header_read(io, HEADER_ZONED, &from, err);
	if (!ret) {
		to = from; /* borrows the strings */
		if (base_id)
			to.base_id = *base_id;
		else
			to.identity.present = true;
		ret = amend_header(io, &from, &to, err);
		if (ret)
			zq_error_prefix(err, path);
		qcow2_header_free(&from);
	}
	io_close(io);
	return ret;
}

/* An image that zqfs has not made has no place for what a commit has to write down. */
static int add_records(struct qcow2_image **over, const char *path, const struct zq_commit_opts *o,
		       struct zq_error *err)
{
	char *base CLEANUP_FREE = strdup(qcow2_name(qcow2_base(*over)));
	bool has_base_id = qcow2_get_header(*over)->base_id.present;
	bool has_identity = qcow2_get_header(qcow2_base(*over))->identity.present;
	struct qcow2_base_id id;
	int ret = base ? 0 : zq_fail(err, -ENOMEM, "out of memory");

	if (has_base_id && has_identity)
		return ret;
	qcow2_tell_base(qcow2_base(*over), &id);
	qcow2_close(*over);
	*over = NULL;
	if (!ret && !has_identity)
		ret = add_record(base, NULL, err);
	if (!ret && !has_base_id)
		ret = add_record(path, &id, err);
	return ret ? ret : open_both(path, o, over, err);
}

static int commit_path(const char *path, const struct zq_commit_opts *o,
		       struct zq_commit_result *res, struct zq_error *err)
{
	struct qcow2_image *over = NULL;
	int ret = open_both(path, o, &over, err);

	if (ret)
		return ret;
	ret = check_pair(over, err);
	if (!ret)
		ret = add_records(&over, path, o, err);
	if (!ret)
		ret = commit_opened(over, o, res, err);
	qcow2_close(over);
	return ret;
}

int zq_commit_overlay_sized(const char *path, const struct zq_commit_opts *opts, size_t opts_size,
			    struct zq_commit_result *res, size_t res_size, struct zq_error *err)
{
	struct zq_commit_result r = { 0 };
	struct zq_commit_opts o;
	int ret = sized_take(&o, sizeof(o), opts, opts_size, err);

	if (!ret && !path)
		ret = zq_fail(err, -EINVAL, "no path");
	if (!ret)
		ret = commit_path(path, &o, &r, err);
	if (res)
		sized_give(res, res_size, &r, sizeof(r));
	return ret;
}

/* ---- an overlay that is lost -------------------------------------------------------------------
 */

static int open_unfinished(const char *path, struct qcow2_image **base, struct zq_error *err)
{
	struct qcow2_open_opts opts = {
		.writable = true,
		.zoned = true,
		.unfinished = true,
		.lock = ZQ_LOCK_WRITE,
	};
	struct zq_io *io;
	int ret = zq_io_open(path, true, &io, err);

	return ret ? ret : qcow2_open(io, &opts, base, err);
}

int zq_commit_abandon(const char *path, struct zq_error *err)
{
	struct qcow2_image *base = NULL;
	int ret = path ? open_unfinished(path, &base, err) : zq_fail(err, -EINVAL, "no path");

	if (ret)
		return ret;
	if (!qcow2_get_header(base)->identity.unfinished)
		ret = zq_fail(err, -EINVAL, "%s: no commit into it is unfinished", path);
	if (!ret)
		ret = check_writable(base, err);
	if (!ret)
		ret = say_step(base, qcow2_abandon_unfinished(base), err);
	qcow2_close(base);
	return ret;
}
