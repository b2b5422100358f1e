/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of a chain, from the top. Opens all of it through the engine, for reading.
 */
#include <errno.h>

#include <zqfs/info.h>

#include "io/io.h"
#include "qcow2/format/header.h"
#include "qcow2/qcow2.h"

static int count_own(struct qcow2_image *img, struct zq_chain_file *f, struct zq_error *err)
{
	uint64_t size = qcow2_size(img), run;

	for (uint64_t off = 0; off < size; off += run) {
		enum qcow2_own own = QCOW2_OWN_NONE;
		int ret = qcow2_own_status(img, off, size - off, &own, &run);

		if (ret)
			return zq_fail(err, ret, "%s: its mapping is damaged at byte %llu",
				       qcow2_name(img), (unsigned long long)off);
		if (own == QCOW2_OWN_DATA)
			f->own_data += run;
		if (own == QCOW2_OWN_ZERO && f->backing_file)
			f->own_zeros += run;
	}
	return 0;
}

static uint32_t count_inherited(struct qcow2_image *img)
{
	uint32_t nr = 0;

	for (uint32_t zone = 0; zone < qcow2_zoned(img)->geo.nr_zones; zone++)
		nr += qcow2_wp_written(img, zone) == qcow2_wp_written(qcow2_base(img), zone);
	return nr;
}

static int describe_link(struct qcow2_image *img, struct zq_chain_file *f, struct zq_error *err)
{
	const struct qcow2_zoned_info *zoned = qcow2_zoned(img);

	*f = (struct zq_chain_file){
		.path = qcow2_name(img),
		.format = "qcow2",
		.layout = zoned ? zoned->layout : NULL,
		.backing_file = qcow2_get_header(img)->backing_file,
		.size = qcow2_size(img),
		.cluster_size = qcow2_cluster_size(img),
		.zones = zoned ? zoned->geo.nr_zones : 0,
	};
	if (qcow2_is_overlay(img))
		f->inherited = count_inherited(img);
	return count_own(img, f, err);
}

int zq_get_chain(const char *path, bool force_share,
		 void (*file)(void *data, const struct zq_chain_file *f), void *data,
		 struct zq_error *err)
{
	struct qcow2_open_opts o = { .zoned = true,
				     .lock = force_share ? ZQ_LOCK_SHARED : ZQ_LOCK_READ };
	struct zq_chain_file f = { 0 };
	struct qcow2_image *top;
	struct zq_io *io;
	int ret;

	if (!path || !file)
		return zq_fail(err, -EINVAL, "no image, or nobody to tell");
	ret = zq_io_open(path, false, &io, err);
	if (!ret)
		ret = qcow2_open(io, &o, &top, err);
	if (ret)
		return ret;
	for (struct qcow2_image *img = top; img && !ret; img = qcow2_base(img)) {
		ret = describe_link(img, &f, err);
		if (!ret)
			file(data, &f);
	}
	if (!ret && f.backing_file) /* what the last image stands on is a raw file */
		file(data, &(struct zq_chain_file){ .path = f.backing_file, .format = "raw" });
	qcow2_close(top);
	return ret;
}
