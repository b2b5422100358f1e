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
#include "util/cleanup.h"

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
	const char *name = opts->data_file ? opts->data_file : hdr->data_file;
	const char *dir_end = strrchr(image, '/');
	size_t dir_len = 0;
	char *path;

	if (!name)
		return NULL;
	if (!opts->data_file && *name != '/' && dir_end)
		dir_len = (size_t)(dir_end - image) + 1;
	path = malloc(dir_len + strlen(name) + 1);
	if (path) {
		memcpy(path, image, dir_len);
		memcpy(path + dir_len, name, strlen(name) + 1);
	}
	return path;
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
		 path ? why.msg : "the image does not name it, see the option data_file");
	opts->found(opts->data, ZQ_FOUND_NOTE, false, line);
}

int zq_check(const char *path, const struct zq_check_opts *opts, struct zq_check_result *res,
	     struct zq_error *err)
{
	struct qcow2_header hdr;
	struct zq_io *io;
	int ret = open_locked(path, opts->repair != ZQ_REPAIR_NONE, &io, err);

	if (ret)
		return ret;
	ret = qcow2_header_read(io, true, &hdr, err);
	if (!ret) {
		ret = qcow2_check(io, &hdr, opts, res, err);
		if (!ret)
			note_data_file(path, &hdr, opts, res);
		qcow2_header_free(&hdr);
	}
	io->ops->close(io);
	return ret;
}
