/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -o KEY=VALUE of the commands that make an image. What the keys mean is the library's
 * business (zq_create_set).
 */
#include <stdlib.h>
#include <string.h>

#include "cli/image_options.h"
#include "util/cleanup.h"

bool image_options_key(size_t i, struct cli_key *key)
{
	const struct zq_create_option *o = zq_create_options();

	/* The table ends with a NULL name; i never passes it by more than one. */
	for (size_t n = 0; n < i && o->name; n++)
		o++;
	if (!o->name)
		return false;
	*key = (struct cli_key){ o->name, o->value, o->help, o->alias };
	return true;
}

/* Sets "key=value"; a key alone means "on", as qemu-img has it. */
static int set_item(const char *path, struct zq_create_opts *o, char *item)
{
	char *eq = strchr(item, '=');
	struct zq_error err = { "" };

	if (eq)
		*eq = '\0';
	if (zq_create_set(o, item, eq ? eq + 1 : "on", &err))
		return cli_error("%s: %s", path, err.msg);
	return 0;
}

/* One -o: items between commas; two commas are one comma within a value. */
static int set_items(const char *path, struct zq_create_opts *o, const char *list)
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
			ret = len ? set_item(path, o, item) : 0;
			if (ret || !*p)
				return ret;
			len = 0;
		}
	}
}

int image_options_set(const struct cli_args *args, const char *path, struct zq_create_opts *o)
{
	int ret = 0;

	for (size_t i = 0; i < args->nr_values && !ret; i++)
		if (args->values[i].opt->id == 'o')
			ret = set_items(path, o, args->values[i].text);
	return ret;
}
