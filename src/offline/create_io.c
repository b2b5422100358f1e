/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zq_create_io: a new image in an io of the caller. There is no name to publish, so what a
 * failure has begun is cut off again.
 */
#include <errno.h>
#include <string.h>

#include <zqfs/create.h>

#include "io/io.h"
#include "offline/create_params.h"
#include "offline/create_backing.h"
#include "offline/new_image.h"
#include "qcow2/create/create.h"
#include "util/sized.h"

static int check_empty_io(struct zq_io *io, struct zq_error *err)
{
	uint64_t size;
	int ret = io_size(io, &size);

	if (ret)
		return zq_fail(err, ret, "%s: %s", io->name, strerror(-ret));
	if (!io->writable)
		return zq_fail(err, -EROFS, "%s: is not open for writing", io->name);
	return size ? zq_fail(err, -EEXIST, "%s: is not empty", io->name) : 0;
}

static int check_ios(struct zq_io *io, const struct zq_create_opts *o, struct zq_error *err)
{
	int ret = check_empty_io(io, err);

	if (!ret && !o->data_file != !o->data_io)
		ret = zq_fail(err, -EINVAL,
			      "%s: an external data file needs both data_file, its name, and "
			      "data_io, its contents",
			      io->name);
	if (!ret && o->data_io)
		ret = check_empty_io(o->data_io, err);
	return ret;
}

int zq_create_io_sized(struct zq_io *io, const struct zq_create_opts *opts, size_t size,
		       struct zq_error *err)
{
	struct qcow2_create_params p;
	struct zq_create_opts o;
	int ret = sized_take(&o, sizeof(o), opts, size, err);

	if (!ret)
		ret = io ? check_ios(io, &o, err) : zq_fail(err, -EINVAL, "no io");
	if (!ret) {
		ret = create_make_params(&o, &p, err);
		if (ret)
			zq_error_prefix(err, io->name);
	}
	if (!ret && o.backing_file)
		ret = create_check_backing(io->name, o.backing_file, o.backing_fmt, NULL, err);
	if (!ret)
		ret = io_claim(io, ZQ_LOCK_WRITE, NULL, err);
	if (ret)
		return ret;
	p.data_io = o.data_io;
	ret = qcow2_create(io, &p, err);
	if (ret) {
		zq_error_prefix(err, io->name);
		io_truncate(io, 0); /* what it returns adds nothing to the failure at hand */
	}
	io_lock(io, ZQ_LOCK_NONE);
	return ret;
}
