/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zq_create: from a person's options to an image under its name. Defaults and the rules
 * between options are here; what the bytes are is qcow2/create.c's business. A file that
 * is there already is touched in the last step only, and not while somebody uses it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <zqfs/create.h>
#include <zqfs/geometry.h>

#include "qcow2/create/create.h"
#include "qcow2/format/format.h"
#include "util/cleanup.h"
#include "util/math.h"
#include "offline/create_backing.h"
#include "offline/new_file.h"

#define DEFAULT_ZONE_SIZE     (UINT64_C(256) << 20)
#define DEFAULT_CLUSTER_SIZE  (UINT64_C(64) << 10)
#define DEFAULT_REFCOUNT_BITS 16u
#define DEFAULT_APPEND	      (UINT64_C(64) << 10)
#define DEFAULT_LAYOUT	      56u

/* ---- geometry ------------------------------------------------------------------------------ */

/*
 * QEMU's code wants max_append_bytes below capacity - 512. A capacity of two blocks or less
 * leaves nothing there; one block is then what the format itself allows.
 */
static uint64_t append_bound(uint64_t capacity)
{
	return capacity > 3 * ZQ_BLOCK ? capacity - 2 * ZQ_BLOCK : ZQ_BLOCK;
}

static int make_geometry(const struct zq_create_opts *o, struct zq_geometry *g,
			 struct zq_error *err)
{
	uint64_t bound;
	int ret;

	*g = (struct zq_geometry){
		.size = o->size,
		.zone_size = o->zone_size ? o->zone_size : DEFAULT_ZONE_SIZE,
		.nr_conv = o->nr_conv,
		.max_open = o->max_open,
		.max_active = o->max_active,
	};
	g->zone_capacity = o->zone_capacity ? o->zone_capacity : g->zone_size;
	g->nr_zones = (uint32_t)min_u64(div_up(g->size, g->zone_size), UINT32_MAX);
	/* max_append last: its bound makes sense once the capacity does. */
	ret = zq_geometry_validate(g, err);
	if (ret)
		return ret;
	bound = append_bound(g->zone_capacity);
	if (o->max_append > bound)
		return zq_fail(err, -EINVAL,
			       "max_append_bytes %" PRIu64 " is larger than %" PRIu64
			       ", which a zone_capacity of %" PRIu64 " allows",
			       o->max_append, bound, g->zone_capacity);
	if (o->max_append > UINT32_MAX)
		return zq_fail(err, -EINVAL, "max_append_bytes %" PRIu64 " is larger than %" PRIu32,
			       o->max_append, UINT32_MAX & ~(ZQ_BLOCK - 1));
	g->max_append = (uint32_t)(o->max_append ? o->max_append : min_u64(DEFAULT_APPEND, bound));
	return zq_geometry_validate(g, err);
}

/* ---- the rest of the options ----------------------------------------------------------------- */

static int check_numbers(const struct zq_create_opts *o, struct qcow2_create_params *p,
			 struct zq_error *err)
{
	uint64_t cluster = o->cluster_size ? o->cluster_size : DEFAULT_CLUSTER_SIZE;
	unsigned bits = o->refcount_bits ? o->refcount_bits : DEFAULT_REFCOUNT_BITS;

	if (!is_pow2(cluster) || log2_u64(cluster) < QCOW2_MIN_CLUSTER_BITS ||
	    log2_u64(cluster) > QCOW2_MAX_CLUSTER_BITS)
		return zq_fail(err, -EINVAL,
			       "cluster_size %" PRIu64 " is not a power of two from 512 to 2M",
			       cluster);
	if (!is_pow2(bits) || bits > 64)
		return zq_fail(err, -EINVAL, "refcount_bits %u is not one of 1 2 4 8 16 32 64",
			       bits);
	p->cluster_bits = log2_u64(cluster);
	p->refcount_order = log2_u64(bits);
	if (o->extended_l2 && p->cluster_bits < QCOW2_EXTL2_MIN_CLUSTER_BITS)
		return zq_fail(err, -EINVAL,
			       "extended_l2 needs a cluster_size of at least 16K, not %" PRIu64,
			       cluster);
	p->layout = o->layout ? o->layout : DEFAULT_LAYOUT;
	if (p->layout != 48 && p->layout != 56)
		return zq_fail(err, -EINVAL, "zone.layout %u is unknown (56 or 48)", p->layout);
	if (p->layout == 48 && p->geo.zone_size > UINT32_MAX)
		return zq_fail(err, -EINVAL,
			       "zone.size %" PRIu64
			       " does not fit zone.layout 48, which holds less "
			       "than 4 GiB",
			       p->geo.zone_size);
	return 0;
}

static int check_files(const struct zq_create_opts *o, struct zq_error *err)
{
	const char *fmt = o->backing_fmt;

	if (o->data_file_raw && !o->data_file)
		return zq_fail(err, -EINVAL, "data_file_raw needs data_file");
	if (o->data_file && !*o->data_file)
		return zq_fail(err, -EINVAL, "data_file is empty");
	if (!o->backing_file)
		return !fmt ? 0 : zq_fail(err, -EINVAL, "backing_fmt needs backing_file");
	if (!*o->backing_file)
		return zq_fail(err, -EINVAL, "backing_file is empty");
	if (!fmt)
		return zq_fail(err, -EINVAL,
			       "backing_file needs backing_fmt (raw or qcow2): guessing it would "
			       "let a guest that writes to a raw disk choose");
	if (strcmp(fmt, "raw") != 0 && strcmp(fmt, "qcow2") != 0)
		return zq_fail(err, -EINVAL, "backing_fmt \"%s\" is not supported (raw or qcow2)",
			       fmt);
	if (o->data_file_raw)
		return zq_fail(err, -EINVAL, "data_file_raw excludes backing_file");
	if (o->prealloc_metadata && !o->extended_l2)
		return zq_fail(err, -EINVAL,
			       "preallocation=metadata with backing_file needs extended_l2: a "
			       "cluster that is allocated hides the backing file");
	return 0;
}

static int make_params(const struct zq_create_opts *o, struct qcow2_create_params *p,
		       struct zq_error *err)
{
	int ret;

	*p = (struct qcow2_create_params){
		.wp_little_endian = o->wp_little_endian,
		.compression_type = o->zstd,
		.extended_l2 = o->extended_l2,
		.lazy_refcounts = o->lazy_refcounts,
		.prealloc_metadata = o->prealloc_metadata,
		.data_file = o->data_file,
		.data_file_raw = o->data_file_raw,
		.backing_file = o->backing_file,
		.backing_format = o->backing_fmt,
	};
	ret = make_geometry(o, &p->geo, err);
	if (!ret)
		ret = check_numbers(o, p, err);
	if (!ret)
		ret = check_files(o, err);
	return ret;
}

/* ---- files -------------------------------------------------------------------------------------
 */

/* Two names for one file, of which the second would be lost in the first. */
static int check_distinct(const struct new_file *image, const struct new_file *data,
			  struct zq_error *err)
{
	bool same = !strcmp(image->path, data->path);

	if (image->old && data->old)
		same = image->old_st.st_dev == data->old_st.st_dev &&
		       image->old_st.st_ino == data->old_st.st_ino;
	return same ? zq_fail(err, -EINVAL, "data_file %s is the image itself", data->path) : 0;
}

static int check_backing(const char *path, const struct zq_create_opts *o, const struct new_file *f,
			 struct zq_error *err)
{
	int ret;

	if (!o->backing_file)
		return 0;
	ret = create_check_backing(path, o->backing_file, o->backing_fmt,
				   f->old ? &f->old_st : NULL, err);
	if (ret)
		zq_error_prefix(err, "backing file");
	return ret;
}

/* Writes both files (data may be NULL) and names them: the image last, which is worth nothing
 * without the other. */
static int fill_and_publish(struct new_file *image, struct new_file *data,
			    const struct qcow2_create_params *p, struct zq_error *err)
{
	int ret = qcow2_create(image->io, p, err);

	if (ret)
		return ret;
	if (data) {
		ret = new_file_publish(data, err);
		if (ret)
			zq_error_prefix(err, data->path);
	}
	if (ret)
		return ret;
	ret = new_file_publish(image, err);
	if (ret && data)
		new_file_retract(data);
	return ret;
}

static int create_with_data(const char *path, const struct zq_create_opts *o,
			    struct new_file *image, struct qcow2_create_params *p,
			    struct zq_error *err)
{
	char *data_path CLEANUP_FREE = create_beside(path, o->data_file);
	struct new_file data;
	int ret;

	if (!data_path)
		return zq_fail(err, -ENOMEM, "out of memory");
	ret = new_file_begin(&data, data_path, o->force, "the data file", err);
	if (ret)
		return ret;
	ret = check_distinct(image, &data, err);
	if (!ret)
		ret = check_backing(path, o, &data, err);
	if (!ret) {
		p->data_io = data.io;
		ret = fill_and_publish(image, &data, p, err);
	}
	new_file_end(&data);
	return ret;
}

int zq_create(const char *path, const struct zq_create_opts *o, struct zq_error *err)
{
	struct qcow2_create_params p;
	struct new_file image;
	int ret;

	ret = make_params(o, &p, err);
	if (ret) {
		zq_error_prefix(err, path);
		return ret;
	}
	ret = new_file_begin(&image, path, o->force, "the image", err);
	if (ret)
		return ret;
	ret = check_backing(path, o, &image, err);
	if (!ret && o->data_file)
		ret = create_with_data(path, o, &image, &p, err);
	else if (!ret)
		ret = fill_and_publish(&image, NULL, &p, err);
	new_file_end(&image);
	if (ret)
		zq_error_prefix(err, path);
	return ret;
}
