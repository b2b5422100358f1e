/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The options of "zqfs create": one table of names, help and what each sets. Checks that a
 * value is one of its kind; whether the options fit each other is zq_create's business.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <zqfs/create.h>

#include "offline/option_values.h"
#include "util/math.h"
#include "util/suggest.h"

static int set_preallocation(void *field, const char *name, const char *value, struct zq_error *err)
{
	return option_choose_flag(field, name, value, "off|metadata", err);
}

static int set_refcount_bits(void *field, const char *name, const char *value, struct zq_error *err)
{
	int i = option_choose(name, value, "1|2|4|8|16|32|64", err);

	if (i >= 0)
		*(unsigned *)field = 1u << i;
	return i < 0 ? i : 0;
}

/* There is one model; saying so changes nothing. */
static int set_model(void *field, const char *name, const char *value, struct zq_error *err)
{
	int i = option_choose(name, value, "host-managed|1", err);

	(void)field;
	return i < 0 ? i : 0;
}

/* Given as 0, it is no limit; not given, it is max_active. */
static int set_max_open(void *field, const char *name, const char *value, struct zq_error *err)
{
	struct zq_create_opts *o =
		(void *)((char *)field - offsetof(struct zq_create_opts, max_open));
	int ret = option_set_number(field, name, value, err);

	o->no_max_open = !ret && !o->max_open;
	return ret;
}

/* Images of older versions cannot be zoned. */
static int set_compat(void *field, const char *name, const char *value, struct zq_error *err)
{
	int i = option_choose(name, value, "1.1|v3", err);

	(void)field;
	return i < 0 ? i : 0;
}

static int set_profile(void *field, const char *name, const char *value, struct zq_error *err)
{
	int i = option_choose(name, value, "zbc|zns", err);

	(void)field;
	return i < 0 ? i : 0;
}

/* X(name, placeholder, help, alias, field, setter); help and list show them in this order. */
#define OPTIONS(X)                                                                                 \
	X("zone.size", "SIZE", "length of a zone, a power of two (256M)", false, zone_size,        \
	  option_set_positive_size)                                                                \
	X("zone.capacity", "SIZE", "usable bytes of a sequential zone (zone.size)", false,         \
	  zone_capacity, option_set_positive_size)                                                 \
	X("zone.conventional_zones", "N", "zones at the beginning for random writes (0)", false,   \
	  nr_conv, option_set_number)                                                              \
	X("zone.max_open_zones", "N", "zones open at once, 0: no limit (zone.max_active_zones)",   \
	  false, max_open, set_max_open)                                                           \
	X("zone.max_active_zones", "N", "zones open or closed at once, 0: no limit (0)", false,    \
	  max_active, option_set_number)                                                           \
	X("zone.max_append_bytes", "SIZE",                                                         \
	  "largest append of a virtual machine; not in layout 44 (64K)", false, max_append,        \
	  option_set_size)                                                                         \
	X("zone.mode", "host-managed", "zone model; there is only this one (host-managed)", false, \
	  size, set_model)                                                                         \
	X("zone.layout", "NAME",                                                                   \
	  "layout of the zoned extension, decides which QEMU opens the image (44, or 56 with "     \
	  "zone.max_append_bytes)",                                                                \
	  false, layout, option_set_layout)                                                        \
	X("zone.wp_order", "big|little",                                                           \
	  "byte order of the write pointers; little in 56 and 48 only (big)", false,               \
	  wp_little_endian, option_set_order)                                                      \
	X("cluster_size", "SIZE", "qcow2 cluster, 512 to 2M (64K)", false, cluster_size,           \
	  option_set_positive_size)                                                                \
	X("refcount_bits", "N", "width of a reference count, 1 to 64 (16)", false, refcount_bits,  \
	  set_refcount_bits)                                                                       \
	X("compression_type", "zlib|zstd", "method for compressed clusters (zlib)", false, zstd,   \
	  option_set_compression)                                                                  \
	X("extended_l2", "on|off", "subclusters: smaller units of allocation (off)", false,        \
	  extended_l2, option_set_switch)                                                          \
	X("lazy_refcounts", "on|off", "allow a virtual machine to postpone refcounts (off)",       \
	  false, lazy_refcounts, option_set_switch)                                                \
	X("preallocation", "off|metadata", "allocate all tables and clusters now (off)", false,    \
	  prealloc_metadata, set_preallocation)                                                    \
	X("data_file", "FILE", "keep the data in this file beside the image (none)", false,        \
	  data_file, option_set_string)                                                            \
	X("data_file_raw", "on|off", "keep the data file a raw image of the disk (off)", false,    \
	  data_file_raw, option_set_switch)                                                        \
	X("backing_file", "FILE", "read from here what the image does not have (none)", false,     \
	  backing_file, option_set_string)                                                         \
	X("backing_fmt", "raw|qcow2", "format of the backing file (none)", false, backing_fmt,     \
	  option_set_format)                                                                       \
	X("zone_size", "SIZE", "as zone.size", true, zone_size, option_set_positive_size)          \
	X("zone_capacity", "SIZE", "as zone.capacity", true, zone_capacity,                        \
	  option_set_positive_size)                                                                \
	X("nr_conv_zones", "N", "as zone.conventional_zones", true, nr_conv, option_set_number)    \
	X("conventional_zones", "N", "as zone.conventional_zones", true, nr_conv,                  \
	  option_set_number)                                                                       \
	X("max_open_zones", "N", "as zone.max_open_zones", true, max_open, set_max_open)           \
	X("max_active_zones", "N", "as zone.max_active_zones", true, max_active,                   \
	  option_set_number)                                                                       \
	X("max_append_bytes", "SIZE", "as zone.max_append_bytes", true, max_append,                \
	  option_set_size)                                                                         \
	X("max_append_sectors", "N", "the same in sectors of 512 bytes", true, max_append,         \
	  option_set_sectors)                                                                      \
	X("size", "SIZE", "as the operand SIZE", true, size, option_set_positive_size)             \
	X("compat", "1.1|v3", "qcow2 version 3; there is only this one (1.1)", true, size,         \
	  set_compat)                                                                              \
	X("zoned_profile", "zbc|zns", "accepted and ignored", true, size, set_profile)             \
	X("zone_model", "host-managed", "as zone.mode; 1 means the same", true, size, set_model)

#define PUBLIC_ROW(name, value, help, alias, field, set) { name, value, help, alias, { NULL } },
#define SETTER_ROW(name, value, help, alias, field, set)                                           \
	{ offsetof(struct zq_create_opts, field),                                                  \
	  offsetof(struct zq_create_opts, field) + sizeof(((struct zq_create_opts *)NULL)->field), \
	  set },

static const struct zq_create_option options[] = { OPTIONS(PUBLIC_ROW){
	NULL, NULL, NULL, false, { NULL } } };

static const struct {
	size_t field, end; /* offsets in struct zq_create_opts */
	option_set_fn set;
} setters[] = { OPTIONS(SETTER_ROW) };

const struct zq_create_option *zq_create_options(void)
{
	return options;
}

/* Sets the option of row i in a structure that the caller knows size bytes of. */
static int set_row(size_t i, struct zq_create_opts *o, size_t size, const char *value,
		   struct zq_error *err)
{
	if (setters[i].end > size)
		return zq_fail(err, -EINVAL, "%s is newer than the program", options[i].name);
	return setters[i].set((char *)o + setters[i].field, options[i].name, value, err);
}

int zq_create_set_sized(struct zq_create_opts *o, size_t size, const char *name, const char *value,
			struct zq_error *err)
{
	struct suggest near = { .typed = name };

	if (!o || !name || !value)
		return zq_fail(err, -EINVAL, "an option needs a name and a value");

	for (size_t i = 0; i < ARRAY_SIZE(setters); i++) {
		if (option_name_is(name, options[i].name))
			return set_row(i, o, size, value, err);
		suggest_offer(&near, options[i].name);
	}
	if (near.best)
		return zq_fail(err, -EINVAL, "unknown option \"%s\"; did you mean %s?", name,
			       near.best);
	return zq_fail(err, -EINVAL, "unknown option \"%s\"", name);
}

void zq_create_opts_free_sized(struct zq_create_opts *o, size_t size)
{
	(void)size; /* what is owned was there from the beginning */
	if (!o)
		return;
	free(o->data_file);
	free(o->backing_file);
	free(o->backing_fmt);
	o->data_file = o->backing_file = o->backing_fmt = NULL;
}
