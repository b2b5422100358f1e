/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An overlay that loses all that it maps, so that its base shows, and keeps its pointers. Cleared
 * words of the L1 table may reach the disk in any order and number, as what they led to is the
 * same as the base has; the clusters are leaks until their counts are lowered.
 */
#include <errno.h>
#include <string.h>

#include "io/io.h"
#include "offline/commit_overlay.h"
#include "qcow2/check/check.h"
#include "qcow2/format/header.h"
#include "util/math.h"

static int clear_l1(struct zq_io *io, const struct qcow2_header *h)
{
	static const uint8_t zeros[65536];
	uint64_t len = (uint64_t)h->l1_size * 8;
	int ret = 0;

	for (uint64_t at = 0; at < len && !ret; at += sizeof(zeros))
		ret = io_write(io, zeros, (size_t)min_u64(sizeof(zeros), len - at),
			       h->l1_offset + at);
	return ret ? ret : io_flush(io);
}

/* What is free at the end of the file goes; a device keeps its length. */
static int cut_file(struct zq_io *io, const struct qcow2_header *h, struct zq_error *err)
{
	struct zq_check_opts opts = { .repair = ZQ_REPAIR_NONE };
	struct zq_check_result res;
	int ret = qcow2_check(io, h, &opts, &res, err);

	if (!ret && !res.corruptions && res.image_end < h->file_size)
		(void)io_truncate(io, res.image_end);
	return ret;
}

/* An external data file keeps its length too; where it has no holes the space stays taken. */
static void punch_data(struct zq_io *data)
{
	uint64_t size;

	if (data && !io_size(data, &size))
		(void)io_punch(data, 0, size);
}

int empty_overlay(struct qcow2_image *over, struct zq_error *err)
{
	struct zq_check_opts opts = { .repair = ZQ_REPAIR_LEAKS };
	const struct qcow2_header *h = qcow2_get_header(over);
	struct zq_io *io = qcow2_file(over);
	struct zq_check_result res;
	int ret = clear_l1(io, h);

	if (ret)
		return zq_fail(err, ret, "%s: emptying it: %s", io->name, strerror(-ret));
	punch_data(qcow2_data_file(over));
	ret = qcow2_check(io, h, &opts, &res, err);
	return ret ? ret : cut_file(io, h, err);
}
