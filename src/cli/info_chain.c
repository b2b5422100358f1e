/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs info --chain": one paragraph, or one object, for each file from the top on.
 */
#include <inttypes.h>
#include <stdio.h>

#include <zqfs/info.h>

#include "cli/command.h"
#include "cli/images.h"
#include "cli/info_chain.h"
#include "util/json.h"
#include "util/printable.h"
#include "util/size.h"

static void chain_size(const char *key, uint64_t bytes)
{
	char text[SIZE_TEXT_MAX];

	printf("  %-16s %s\n", key, size_format(bytes, text));
}

static void print_chain_file(void *data, const struct zq_chain_file *f)
{
	(void)data;
	printable_write(stdout, f->path);
	printf("\n  %-16s %s%s%s\n", "format:", f->format, f->layout ? ", zoned layout " : "",
	       f->layout ? f->layout : "");
	if (f->size) {
		chain_size("disk:", f->size);
		chain_size("cluster size:", f->cluster_size);
		chain_size("own data:", f->own_data);
		chain_size("own zeros:", f->own_zeros);
	}
	if (f->zones && f->backing_file)
		printf("  %-16s %" PRIu32 " of %" PRIu32 " zones as the base has them\n",
		       "write pointers:", f->inherited, f->zones);
	if (f->backing_file) {
		printf("  %-16s ", "backing file:");
		printable_write(stdout, f->backing_file);
		putchar('\n');
	}
}

static void json_chain_file(void *data, const struct zq_chain_file *f)
{
	struct json *j = data;

	json_object(j, NULL);
	json_string(j, "path", f->path);
	json_string(j, "format", f->format);
	json_string(j, "layout", f->layout);
	json_string(j, "backing_file", f->backing_file);
	json_number(j, "size", f->size);
	json_number(j, "cluster_size", f->cluster_size);
	json_number(j, "own_data", f->own_data);
	json_number(j, "own_zeros", f->own_zeros);
	json_number(j, "zones", f->zones);
	json_number(j, "inherited_pointers", f->inherited);
	json_end_object(j);
}

int info_show_chain(const char *path, bool force_share, bool json)
{
	struct json j = { .out = stdout };
	struct zq_error err = { "" };
	int ret;

	if (json) {
		json_object(&j, NULL);
		json_array(&j, "chain");
	}
	ret = zq_get_chain(path, force_share, json ? json_chain_file : print_chain_file, &j, &err);
	if (json) {
		json_end_array(&j);
		json_bool(&j, "complete", !ret);
		json_end_object(&j);
	}
	return ret ? images_open_failed(path, ret, &err, true) : CLI_DONE;
}
