/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Steps of every change of an image in place. New tables go behind the end of the file and get
 * their refcounts before the header leads to them; what the old header led to is given back after
 * it has changed. So an end at any point leaves leaks at most.
 */
#include <errno.h>
#include <string.h>

#include "io/io.h"
#include "offline/amend.h"
#include "qcow2/check/check.h"
#include "qcow2/format/format.h"
#include "qcow2/tables/header_read.h"
#include "util/math.h"

int amend_refuse_unclean(const struct qcow2_header *h, struct zq_error *err)
{
	if (h->incompat & QCOW2_INCOMPAT_DIRTY)
		return zq_fail(err, -EINVAL,
			       "is marked dirty: \"zqfs check --repair=all\" comes first");
	if (h->incompat & QCOW2_INCOMPAT_CORRUPT)
		return zq_fail(err, -EINVAL,
			       "is marked corrupt: \"zqfs check --repair=all\" comes first");
	return 0;
}

/* The refcount table may have moved when the new tables got their refcounts. */
static int refresh_header(struct zq_io *io, struct qcow2_header *h, struct zq_error *err)
{
	struct qcow2_header now;
	int ret = qcow2_header_read(io, HEADER_ZONED, &now, err);

	if (ret)
		return ret;
	h->reftable_offset = now.reftable_offset;
	h->reftable_clusters = now.reftable_clusters;
	h->file_size = now.file_size;
	qcow2_header_free(&now);
	return 0;
}

static int write_behind(struct zq_io *io, uint64_t cluster, struct amend_new_table *t, size_t nr,
			uint64_t *first, uint64_t *end)
{
	int ret = io_size(io, first);

	if (ret)
		return ret;
	*end = *first = align_up(*first, cluster);
	for (size_t i = 0; i < nr; i++) {
		t[i].offset = *end;
		*end += align_up(t[i].bytes, cluster);
	}
	ret = io_truncate(io, *end);
	for (size_t i = 0; i < nr && !ret; i++)
		ret = io_write(io, t[i].data, t[i].bytes, t[i].offset);
	return ret ? ret : io_flush(io);
}

int amend_place(struct zq_io *io, struct qcow2_header *h, struct amend_new_table *t, size_t nr,
		struct zq_error *err)
{
	uint64_t first = 0, end = 0;
	int ret = write_behind(io, qcow2_header_cluster_size(h), t, nr, &first, &end);

	if (ret)
		return zq_fail(err, ret, "%s: writing the new tables: %s", io->name,
			       strerror(-ret));
	ret = check_claim(io, h, first, end - first, err);
	return ret ? ret : refresh_header(io, h, err);
}

int amend_give_back(struct zq_io *io, struct zq_error *err)
{
	struct zq_check_opts opts = { .repair = ZQ_REPAIR_LEAKS };
	struct zq_check_result res;
	struct qcow2_header now;
	int ret = qcow2_header_read(io, HEADER_ZONED, &now, err);

	if (ret)
		return ret;
	ret = qcow2_check(io, &now, &opts, &res, err);
	qcow2_header_free(&now);
	return ret;
}
