/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the image header from a file: one cluster at most, which format/header.c parses.
 * Locks nothing and never writes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/format/header_parts.h"
#include "qcow2/tables/header_read.h"
#include "util/cleanup.h"

static int read_header(struct zq_io *io, enum header_want want, struct qcow2_header *h,
		       struct zq_error *err)
{
	uint8_t first[HEADER_FIRST_BYTES];
	uint8_t *cluster CLEANUP_FREE = NULL;
	size_t cluster_size;
	int ret;

	ret = io_size(io, &h->file_size);
	if (!ret)
		ret = io_pread(io, first, sizeof(first), 0);
	if (ret)
		return zq_fail(err, ret, "reading the header: %s", strerror(-ret));
	ret = header_check_magic(first, want, h, err);
	if (ret)
		return ret;
	cluster_size = (size_t)qcow2_header_cluster_size(h);
	cluster = malloc(cluster_size);
	if (!cluster)
		return zq_fail(err, -ENOMEM, "out of memory");
	ret = io_pread(io, cluster, cluster_size, 0);
	if (ret)
		return zq_fail(err, ret, "reading the header: %s", strerror(-ret));
	return header_parse_cluster(cluster, want, h, err);
}

int qcow2_header_read(struct zq_io *io, enum header_want want, struct qcow2_header *h,
		      struct zq_error *err)
{
	int ret;

	memset(h, 0, sizeof(*h));
	ret = read_header(io, want, h, err);
	if (ret) {
		qcow2_header_free(h);
		zq_error_prefix(err, io->name);
	}
	return ret;
}
