/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the options of a new image amount to: defaults, and the rules between options.
 */
#include "offline/create_params.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <zqfs/create.h>
#include <zqfs/geometry.h>

#include "qcow2/create/create.h"
#include "qcow2/format/format.h"
#include "qcow2/format/geometry.h"
#include "util/cleanup.h"
#include "util/math.h"
#include "util/random.h"

#define DEFAULT_ZONE_SIZE     (UINT64_C(256) << 20)
#define DEFAULT_CLUSTER_SIZE  (UINT64_C(64) << 10)
#define DEFAULT_REFCOUNT_BITS 16u

/* ---- geometry ------------------------------------------------------------------------------ */

static int choose_append(const struct zq_create_opts *o, const struct zoned_layout *l,
			 struct zq_geometry *g, struct zq_error *err)
{
	uint64_t bound = geometry_append_bound(g->zone_capacity);

	if (o->max_append > UINT32_MAX)
		return zq_fail(err, -EINVAL, "max_append_bytes %" PRIu64 " is larger than %" PRIu32,
			       o->max_append, UINT32_MAX & ~(ZQ_BLOCK - 1));
	g->max_append = (uint32_t)o->max_append;
	if (!zoned_layout_has(l->max_append))
		return 0; /* zoned_layout_fits says so when one was asked for */
	if (g->max_append > bound)
		return zq_fail(err, -EINVAL,
			       "max_append_bytes %" PRIu64 " is larger than %" PRIu64
			       ", which a zone_capacity of %" PRIu64 " allows",
			       o->max_append, bound, g->zone_capacity);
	if (!g->max_append)
		g->max_append = geometry_default_append(g);
	return 0;
}

static int make_geometry(const struct zq_create_opts *o, const struct zoned_layout *l,
			 struct zq_geometry *g, struct zq_error *err)
{
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
	if (!o->max_open && !o->no_max_open && g->nr_conv < g->nr_zones)
		g->max_open = (uint32_t)min_u64(g->max_active, g->nr_zones - g->nr_conv);
	/* max_append last: its bound makes sense once the capacity does. */
	ret = zq_geometry_validate(g, err);
	if (!ret)
		ret = choose_append(o, l, g, err);
	return ret ? ret : zq_geometry_validate(g, err);
}

/* ---- layout ---------------------------------------------------------------------------------- */

static int choose_layout_of(const struct zq_create_opts *o, struct qcow2_create_params *p,
			    struct zq_error *err)
{
	char names[ZONED_LIST_MAX];

	p->layout = o->layout ? zoned_layout_named(o->layout) : zoned_layout_for(o->max_append);
	if (!p->layout)
		return zq_fail(err, -EINVAL, "zone.layout %s is unknown (%s)", o->layout,
			       zoned_layout_names(names));
	if (o->wp_little_endian && !p->layout->host_order)
		return zq_fail(err, -EINVAL,
			       "zone.wp_order=little does not fit layout %s, whose write pointers "
			       "are big-endian always",
			       p->layout->name);
	return 0;
}

bool zq_layout_get(unsigned i, struct zq_layout *layout)
{
	const struct zoned_layout *l = zoned_layout_at(i);

	if (l)
		*layout = (struct zq_layout){ l->name, l->revision };
	return l;
}

static void warn_user(const struct zq_create_opts *o, const struct zq_error *line)
{
	if (o->warn)
		o->warn(o->warn_data, line->msg);
}

/* A layout whose QEMU wants whole clusters in a zone gets clusters no larger than a zone. */
static uint64_t default_cluster(const struct zq_create_opts *o, const struct qcow2_create_params *p)
{
	struct zq_error line;

	if (!p->layout->whole_clusters || p->geo.zone_size >= DEFAULT_CLUSTER_SIZE)
		return DEFAULT_CLUSTER_SIZE;
	zq_fail(&line, 0,
		"cluster_size is %" PRIu64
		", not 64K: layout %s needs zones that are whole clusters",
		p->geo.zone_size, p->layout->name);
	warn_user(o, &line);
	return p->geo.zone_size;
}

static void warn_capacity(const struct zq_create_opts *o, const struct zq_geometry *g)
{
	struct zq_error line;

	if (!g->nr_conv || g->zone_capacity == g->zone_size)
		return;
	zq_fail(&line, 0,
		"zone.capacity is below zone.size and there are conventional zones: a Linux guest "
		"refuses such a disk");
	warn_user(o, &line);
}

/* ---- the rest of the options ----------------------------------------------------------------- */

static int check_numbers(const struct zq_create_opts *o, struct qcow2_create_params *p,
			 struct zq_error *err)
{
	uint64_t cluster = o->cluster_size ? o->cluster_size : default_cluster(o, p);
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
	return zoned_layout_fits(p->layout, &p->geo, cluster, err);
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

int create_make_params(const struct zq_create_opts *o, struct qcow2_create_params *p,
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
		.identity = random_u64(),
	};
	ret = choose_layout_of(o, p, err);
	if (ret)
		return ret;
	ret = make_geometry(o, p->layout, &p->geo, err);
	if (!ret)
		ret = check_numbers(o, p, err);
	if (!ret)
		ret = check_files(o, err);
	if (!ret)
		warn_capacity(o, &p->geo);
	return ret;
}
