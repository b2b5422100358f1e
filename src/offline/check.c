/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zq_check: opens and locks the image file and hands it to the check of the format. Holds
 * QEMU's locks for the whole check, for writing when it repairs, so that nobody changes
 * the image meanwhile. Never opens the image as a device.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zqfs/check.h>

#include "io/io.h"
#include "qcow2/check/check.h"
#include "qcow2/format/format.h"
#include "qcow2/tables/header_read.h"
#include "qcow2/tables/named_file.h"
#include "util/cleanup.h"
#include "util/sized.h"

static int open_locked(const char *path, bool writable, struct zq_io **io, struct zq_error *err)
{
	int ret = zq_io_open(path, writable, io, err);

	if (ret)
		return ret;
	ret = io_claim(*io, writable ? ZQ_LOCK_WRITE : ZQ_LOCK_READ, NULL, err);
	if (ret)
		io_close(*io);
	return ret;
}

/* The data file beside the image, or where the caller says. NULL: it has no name. */
static char *data_path(const char *image, const struct qcow2_header *hdr,
		       const struct zq_check_opts *opts)
{
	if (opts->data_file)
		return strdup(opts->data_file);
	return hdr->data_file ? named_beside(image, hdr->data_file) : NULL;
}

/* Everything that is checked is in the image file; that the data file is gone is worth a line. */
static void note_data_file(const char *image, const struct qcow2_header *hdr,
			   const struct zq_check_opts *opts, struct zq_check_result *res)
{
	char *path CLEANUP_FREE = NULL;
	struct zq_error why = { "" };
	struct zq_io *io;
	char line[sizeof(why.msg) + 64];

	if (!(hdr->incompat & QCOW2_INCOMPAT_DATA_FILE))
		return;
	path = data_path(image, hdr, opts);
	if (path && zq_io_open(path, false, &io, &why) == 0) {
		io->ops->close(io);
		return;
	}
	res->notes++;
	if (!opts->found)
		return;
	snprintf(line, sizeof(line), "external data file: %s",
		 path ? why.msg : "the image does not name it");
	opts->found(opts->data, ZQ_FOUND_NOTE, false, line);
}

/* Of an image whose file is open and locked. */
static int check_locked(struct zq_io *io, const struct zq_check_opts *opts,
			struct zq_check_result *res, struct zq_error *err)
{
	struct qcow2_header hdr;
	int ret = qcow2_header_read(io, HEADER_ZONED, &hdr, err);

	if (ret)
		return ret;
	ret = qcow2_check(io, &hdr, opts, res, err);
	if (!ret)
		note_data_file(io->name, &hdr, opts, res);
	qcow2_header_free(&hdr);
	return ret;
}

static int take_check_args(struct zq_check_opts *o, const struct zq_check_opts *opts, size_t size,
			   const void *image, const void *res, struct zq_error *err)
{
	int ret = sized_take(o, sizeof(*o), opts, size, err);

	if (!ret && (!image || !res))
		ret = zq_fail(err, -EINVAL, "a check needs an image and a place for its result");
	return ret;
}

int zq_check_sized(const char *path, const struct zq_check_opts *opts, size_t opts_size,
		   struct zq_check_result *res, size_t res_size, struct zq_error *err)
{
	struct zq_check_result r = { 0 };
	struct zq_check_opts o;
	struct zq_io *io;
	int ret = take_check_args(&o, opts, opts_size, path, res, err);

	if (!ret)
		ret = open_locked(path, o.repair != ZQ_REPAIR_NONE, &io, err);
	if (ret)
		return ret;
	ret = check_locked(io, &o, &r, err);
	io_close(io);
	sized_give(res, res_size, &r, sizeof(r));
	return ret;
}

int zq_check_io_sized(struct zq_io *io, const struct zq_check_opts *opts, size_t opts_size,
		      struct zq_check_result *res, size_t res_size, struct zq_error *err)
{
	struct zq_check_result r = { 0 };
	struct zq_check_opts o;
	int ret = take_check_args(&o, opts, opts_size, io, res, err);

	if (!ret && o.repair != ZQ_REPAIR_NONE && !io->writable)
		ret = zq_fail(err, -EROFS, "%s: is not open for writing", io->name);
	if (!ret)
		ret = io_claim(io, o.repair != ZQ_REPAIR_NONE ? ZQ_LOCK_WRITE : ZQ_LOCK_READ, NULL,
			       err);
	if (ret)
		return ret;
	ret = check_locked(io, &o, &r, err);
	io_lock(io, ZQ_LOCK_NONE);
	sized_give(res, res_size, &r, sizeof(r));
	return ret;
}
