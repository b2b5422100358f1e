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
#include <zqfs/geometry.h>

#include "qcow2/format/zoned_layout.h"
#include "util/math.h"
#include "util/size.h"
#include "util/suggest.h"

/* ---- one function for each kind of value ---------------------------------------------- */

typedef int (*set_fn)(void *field, const char *name, const char *value, struct zq_error *err);

static int set_size(void *field, const char *name, const char *value, struct zq_error *err)
{
	uint64_t bytes;
	int ret = size_parse(value, &bytes);

	if (ret == -ERANGE)
		return zq_fail(err, -EINVAL, "%s=%s does not fit into 63 bits", name, value);
	if (ret)
		return zq_fail(err, -EINVAL, "%s=%s is not a size (write bytes, or 64K, 10M, 1G)",
			       name, value);
	*(uint64_t *)field = bytes;
	return 0;
}

/* 0 stands for the default in the struct, so as a value it has to be refused here. */
static int set_positive_size(void *field, const char *name, const char *value, struct zq_error *err)
{
	uint64_t bytes = 0;
	int ret = set_size(&bytes, name, value, err);

	if (ret)
		return ret;
	if (!bytes)
		return zq_fail(err, -EINVAL, "%s=%s is not larger than 0", name, value);
	*(uint64_t *)field = bytes;
	return 0;
}

static int parse_number(const char *name, const char *value, uint64_t max, uint64_t *n,
			struct zq_error *err)
{
	int ret = number_parse(value, max, n);

	if (ret == -ERANGE)
		return zq_fail(err, -EINVAL, "%s=%s is larger than %" PRIu64, name, value, max);
	if (ret)
		return zq_fail(err, -EINVAL, "%s=%s is not a number", name, value);
	return 0;
}

static int set_number(void *field, const char *name, const char *value, struct zq_error *err)
{
	uint64_t n;
	int ret = parse_number(name, value, UINT32_MAX, &n, err);

	if (!ret)
		*(uint32_t *)field = (uint32_t)n;
	return ret;
}

/* In units of 512 bytes. */
static int set_sectors(void *field, const char *name, const char *value, struct zq_error *err)
{
	uint64_t n;
	int ret = parse_number(name, value, UINT32_MAX / ZQ_BLOCK, &n, err);

	if (!ret)
		*(uint64_t *)field = n * ZQ_BLOCK;
	return ret;
}

static int set_string(void *field, const char *name, const char *value, struct zq_error *err)
{
	char *copy;

	if (!*value)
		return zq_fail(err, -EINVAL, "%s is empty", name);
	copy = strdup(value);
	if (!copy)
		return zq_fail(err, -ENOMEM, "out of memory");
	free(*(char **)field);
	*(char **)field = copy;
	return 0;
}

/* Looks value up in a list of words "a|b|c"; its number in the list or -EINVAL. */
static int choose(const char *name, const char *value, const char *list, struct zq_error *err)
{
	size_t len = strlen(value);
	const char *p = list;

	for (int i = 0; len; i++) {
		size_t word = strcspn(p, "|");

		if (word == len && !memcmp(p, value, len))
			return i;
		if (!p[word])
			break;
		p += word + 1;
	}
	return zq_fail(err, -EINVAL, "%s=%s is not one of %s", name, value, list);
}

/* For flags whose list is "what is false|what is true". */
static int choose_flag(bool *flag, const char *name, const char *value, const char *list,
		       struct zq_error *err)
{
	int i = choose(name, value, list, err);

	if (i >= 0)
		*flag = i == 1;
	return i < 0 ? i : 0;
}

static int set_switch(void *field, const char *name, const char *value, struct zq_error *err)
{
	return choose_flag(field, name, value, "off|on", err);
}

static int set_compression(void *field, const char *name, const char *value, struct zq_error *err)
{
	return choose_flag(field, name, value, "zlib|zstd", err);
}

static int set_preallocation(void *field, const char *name, const char *value, struct zq_error *err)
{
	return choose_flag(field, name, value, "off|metadata", err);
}

static int set_order(void *field, const char *name, const char *value, struct zq_error *err)
{
	return choose_flag(field, name, value, "big|little", err);
}

static int set_layout(void *field, const char *name, const char *value, struct zq_error *err)
{
	const struct zoned_layout *l = zoned_layout_named(value);
	char names[ZONED_LIST_MAX];

	if (!l)
		return zq_fail(err, -EINVAL, "%s=%s is not one of %s", name, value,
			       zoned_layout_names(names));
	*(const char **)field = l->name;
	return 0;
}

static int set_refcount_bits(void *field, const char *name, const char *value, struct zq_error *err)
{
	int i = choose(name, value, "1|2|4|8|16|32|64", err);

	if (i >= 0)
		*(unsigned *)field = 1u << i;
	return i < 0 ? i : 0;
}

static int set_format(void *field, const char *name, const char *value, struct zq_error *err)
{
	int i = choose(name, value, "raw|qcow2", err);

	return i < 0 ? i : set_string(field, name, value, err);
}

/* There is one model; saying so changes nothing. */
static int set_model(void *field, const char *name, const char *value, struct zq_error *err)
{
	int i = choose(name, value, "host-managed|1", err);

	(void)field;
	return i < 0 ? i : 0;
}

/* ---- the table ------------------------------------------------------------------------ */

/* X(name, placeholder, help, alias, field, setter); help and list show them in this order. */
#define OPTIONS(X)                                                                                 \
	X("zone.size", "SIZE", "length of a zone, a power of two (256M)", false, zone_size,        \
	  set_positive_size)                                                                       \
	X("zone.capacity", "SIZE", "usable bytes of a sequential zone (zone.size)", false,         \
	  zone_capacity, set_positive_size)                                                        \
	X("zone.conventional_zones", "N", "zones at the beginning for random writes (0)", false,   \
	  nr_conv, set_number)                                                                     \
	X("zone.max_open_zones", "N", "zones open at once, 0: no limit (0)", false, max_open,      \
	  set_number)                                                                              \
	X("zone.max_active_zones", "N", "zones open or closed at once, 0: no limit (0)", false,    \
	  max_active, set_number)                                                                  \
	X("zone.max_append_bytes", "SIZE", "largest append of a virtual machine (64K)", false,     \
	  max_append, set_size)                                                                    \
	X("zone.mode", "host-managed", "zone model; there is only this one", false, size,          \
	  set_model)                                                                               \
	X("zone.layout", "56|48", "layout of the zoned header extension (56)", false, layout,      \
	  set_layout)                                                                              \
	X("zone.wp_order", "big|little", "byte order of the write pointers (big)", false,          \
	  wp_little_endian, set_order)                                                             \
	X("cluster_size", "SIZE", "qcow2 cluster, 512 to 2M (64K)", false, cluster_size,           \
	  set_positive_size)                                                                       \
	X("refcount_bits", "N", "width of a reference count, 1 to 64 (16)", false, refcount_bits,  \
	  set_refcount_bits)                                                                       \
	X("compression_type", "zlib|zstd", "method for compressed clusters (zlib)", false, zstd,   \
	  set_compression)                                                                         \
	X("extended_l2", "on|off", "subclusters: smaller units of allocation (off)", false,        \
	  extended_l2, set_switch)                                                                 \
	X("lazy_refcounts", "on|off", "allow a virtual machine to postpone refcounts (off)",       \
	  false, lazy_refcounts, set_switch)                                                       \
	X("preallocation", "off|metadata", "allocate all tables and clusters now (off)", false,    \
	  prealloc_metadata, set_preallocation)                                                    \
	X("data_file", "FILE", "keep the data in this file beside the image", false, data_file,    \
	  set_string)                                                                              \
	X("data_file_raw", "on|off", "keep the data file a raw image of the disk (off)", false,    \
	  data_file_raw, set_switch)                                                               \
	X("backing_file", "FILE", "read from here what the image does not have", false,            \
	  backing_file, set_string)                                                                \
	X("backing_fmt", "raw|qcow2", "format of the backing file", false, backing_fmt,            \
	  set_format)                                                                              \
	X("zone_size", "SIZE", "as zone.size", true, zone_size, set_positive_size)                 \
	X("zone_capacity", "SIZE", "as zone.capacity", true, zone_capacity, set_positive_size)     \
	X("nr_conv_zones", "N", "as zone.conventional_zones", true, nr_conv, set_number)           \
	X("conventional_zones", "N", "as zone.conventional_zones", true, nr_conv, set_number)      \
	X("max_open_zones", "N", "as zone.max_open_zones", true, max_open, set_number)             \
	X("max_active_zones", "N", "as zone.max_active_zones", true, max_active, set_number)       \
	X("max_append_bytes", "SIZE", "as zone.max_append_bytes", true, max_append, set_size)      \
	X("max_append_sectors", "N", "the same in sectors of 512 bytes", true, max_append,         \
	  set_sectors)                                                                             \
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
	set_fn set;
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
		if (!strcmp(options[i].name, name))
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
