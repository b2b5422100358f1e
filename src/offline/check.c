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

/* Where the image's QEMU wants whole blocks, completing one may need the data file. */
static bool writes_data(const struct qcow2_header *hdr, const struct zq_check_opts *opts)
{
	return opts->repair == ZQ_REPAIR_ALL && hdr->zoned.present &&
	       hdr->zoned.layout->whole_blocks;
}

/* Opens the data file, locked where it may be written. 0 with *data NULL: it is not there, *why
 * says why. */
static int open_data(const char *image, const struct qcow2_header *hdr,
		     const struct zq_check_opts *opts, struct zq_io **data, struct zq_error *why)
{
	bool writable = writes_data(hdr, opts);
	char *path CLEANUP_FREE = data_path(image, hdr, opts);
	int ret;

	*data = NULL;
	if (!path) {
		zq_fail(why, 0, "the image does not name it");
		return 0;
	}
	if (zq_io_open(path, writable, data, why) < 0 || !writable)
		return 0;
	ret = io_claim(*data, ZQ_LOCK_WRITE, "the data file", why);
	if (ret) {
		io_close(*data);
		*data = NULL;
	}
	return ret;
}

/* Nearly everything that is checked is in the image file; that the data file is gone is worth a
 * line. */
static void note_data_file(const struct zq_check_opts *opts, struct zq_check_result *res,
			   const struct zq_error *why)
{
	char line[sizeof(why->msg) + 64];

	res->notes++;
	if (!opts->found)
		return;
	snprintf(line, sizeof(line), "external data file: %s", why->msg);
	opts->found(opts->data, ZQ_FOUND_NOTE, false, line);
}

/* Checks an image whose file is open and locked. */
static int check_opened(struct zq_io *io, const struct qcow2_header *hdr,
			const struct zq_check_opts *opts, struct zq_check_result *res,
			struct zq_error *err)
{
	bool external = hdr->incompat & QCOW2_INCOMPAT_DATA_FILE;
	struct zq_error why = { "" };
	struct zq_io *data = NULL;
	int ret = external ? open_data(io->name, hdr, opts, &data, &why) : 0;

	if (ret)
		return zq_fail(err, ret, "%s", why.msg);
	ret = check_with_data(io, data, hdr, opts, res, err);
	if (!ret && external && !data)
		note_data_file(opts, res, &why);
	io_close(data);
	return ret;
}

static int check_locked(struct zq_io *io, const struct zq_check_opts *opts,
			struct zq_check_result *res, struct zq_error *err)
{
	struct qcow2_header hdr;
	int ret = qcow2_header_read(io, HEADER_ZONED, &hdr, err);

	if (ret)
		return ret;
	ret = check_opened(io, &hdr, opts, res, err);
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
