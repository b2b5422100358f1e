/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of options KEY=VALUE, as text: one function for each kind of value. They check that a
 * value is one of its kind, and nothing else.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <zqfs/geometry.h>

#include "offline/option_values.h"
#include "qcow2/format/zoned_layout.h"
#include "util/size.h"

int option_set_size(void *field, const char *name, const char *value, struct zq_error *err)
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
int option_set_positive_size(void *field, const char *name, const char *value, struct zq_error *err)
{
	uint64_t bytes = 0;
	int ret = option_set_size(&bytes, name, value, err);

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

int option_set_number(void *field, const char *name, const char *value, struct zq_error *err)
{
	uint64_t n;
	int ret = parse_number(name, value, UINT32_MAX, &n, err);

	if (!ret)
		*(uint32_t *)field = (uint32_t)n;
	return ret;
}

/* In units of 512 bytes. */
int option_set_sectors(void *field, const char *name, const char *value, struct zq_error *err)
{
	uint64_t n;
	int ret = parse_number(name, value, UINT32_MAX / ZQ_BLOCK, &n, err);

	if (!ret)
		*(uint64_t *)field = n * ZQ_BLOCK;
	return ret;
}

int option_set_string(void *field, const char *name, const char *value, struct zq_error *err)
{
	if (!*value)
		return zq_fail(err, -EINVAL, "%s is empty", name);
	return option_set_text(field, name, value, err);
}

int option_set_text(void *field, const char *name, const char *value, struct zq_error *err)
{
	char *copy = strdup(value);

	(void)name;
	if (!copy)
		return zq_fail(err, -ENOMEM, "out of memory");
	free(*(char **)field);
	*(char **)field = copy;
	return 0;
}

/* Looks value up in a list of words "a|b|c"; its number in the list or -EINVAL. */
int option_choose(const char *name, const char *value, const char *list, struct zq_error *err)
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
int option_choose_flag(bool *flag, const char *name, const char *value, const char *list,
		       struct zq_error *err)
{
	int i = option_choose(name, value, list, err);

	if (i >= 0)
		*flag = i == 1;
	return i < 0 ? i : 0;
}

int option_set_switch(void *field, const char *name, const char *value, struct zq_error *err)
{
	return option_choose_flag(field, name, value, "off|on", err);
}

int option_set_compression(void *field, const char *name, const char *value, struct zq_error *err)
{
	return option_choose_flag(field, name, value, "zlib|zstd", err);
}

int option_set_order(void *field, const char *name, const char *value, struct zq_error *err)
{
	return option_choose_flag(field, name, value, "big|little", err);
}

int option_set_layout(void *field, const char *name, const char *value, struct zq_error *err)
{
	const struct zoned_layout *l = zoned_layout_named(value);
	char names[ZONED_LIST_MAX];

	if (!l)
		return zq_fail(err, -EINVAL, "%s=%s is not one of %s", name, value,
			       zoned_layout_names(names));
	*(const char **)field = l->name;
	return 0;
}

int option_set_format(void *field, const char *name, const char *value, struct zq_error *err)
{
	int i = option_choose(name, value, "raw|qcow2", err);

	return i < 0 ? i : option_set_string(field, name, value, err);
}

bool option_name_is(const char *typed, const char *name)
{
	for (; *typed && *name; typed++, name++)
		if (*typed != *name && !(*typed == '-' && *name == '_'))
			return false;
	return *typed == *name;
}
