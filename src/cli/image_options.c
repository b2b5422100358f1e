/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -o KEY=VALUE of the commands that make an image. What the keys mean is the library's
 * business (zq_create_set).
 */
#include <stdlib.h>
#include <string.h>

#include "cli/image_options.h"
#include "util/cleanup.h"

bool image_options_row(const struct zq_create_option *table, size_t i, struct cli_key *key)
{
	/* The table ends with a NULL name; i never passes it by more than one. */
	for (size_t n = 0; n < i && table->name; n++)
		table++;
	if (!table->name)
		return false;
	*key = (struct cli_key){ table->name, table->value, table->help, table->alias };
	return true;
}

bool image_options_key(size_t i, struct cli_key *key)
{
	return image_options_row(zq_create_options(), i, key);
}

/* Sets "key=value"; a key alone means "on", as qemu-img has it. */
static int set_item(const char *path, image_option_fn set, void *opts, char *item)
{
	char *eq = strchr(item, '=');
	struct zq_error err = { "" };

	if (eq)
		*eq = '\0';
	if (set(opts, item, eq ? eq + 1 : "on", &err))
		return cli_error("%s: %s", path, err.msg);
	return 0;
}

/* One -o: items between commas; two commas are one comma within a value. */
static int set_items(const char *path, image_option_fn set, void *opts, const char *list)
{
	char *item CLEANUP_FREE = malloc(strlen(list) + 1);
	size_t len = 0;

	if (!item)
		return cli_error("out of memory");
	for (const char *p = list;; p++) {
		if (*p == ',' && p[1] == ',') {
			item[len++] = *p++;
		} else if (*p && *p != ',') {
			item[len++] = *p;
		} else {
			int ret;

			item[len] = '\0';
			ret = len ? set_item(path, set, opts, item) : 0;
			if (ret || !*p)
				return ret;
			len = 0;
		}
	}
}

int image_options_each(const struct cli_args *args, const char *path, image_option_fn set,
		       void *opts)
{
	int ret = 0;

	for (size_t i = 0; i < args->nr_values && !ret; i++)
		if (args->values[i].opt->id == 'o')
			ret = set_items(path, set, opts, args->values[i].text);
	return ret;
}

static int set_create(void *opts, const char *name, const char *value, struct zq_error *err)
{
	return zq_create_set(opts, name, value, err);
}

int image_options_set(const struct cli_args *args, const char *path, struct zq_create_opts *o)
{
	return image_options_each(args, path, set_create, o);
}
