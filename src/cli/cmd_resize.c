/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs resize": the size as people write it into struct zq_resize_opts.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <zqfs/resize.h>

#include "cli/command.h"
#include "cli/images.h"
#include "util/json.h"
#include "util/printable.h"
#include "util/size.h"

enum { OPT_DATA_FILE = CLI_LONG_ONLY, OPT_JSON };

static int parse_new_size(const struct cli_args *args, struct zq_resize_opts *o)
{
	const char *image = args->operands[0], *size = args->operands[1];
	int ret;

	o->how = *size == '+' ? ZQ_RESIZE_BY : *size == '-' ? ZQ_RESIZE_OFF : ZQ_RESIZE_TO;
	ret = size_parse(size + (o->how != ZQ_RESIZE_TO), &o->size);
	if (ret == -ERANGE)
		return cli_error("%s: size %s does not fit into 63 bits", image, size);
	if (ret)
		return cli_error("%s: '%s' is not a size: write bytes, or 64M, +10G, -1G", image,
				 size);
	return CLI_DONE;
}

static void resize_print_json(const struct zq_resize_result *r)
{
	struct json j = { .out = stdout };

	json_object(&j, NULL);
	json_number(&j, "size", r->new_size);
	json_number(&j, "zones", r->new_zones);
	json_number(&j, "old_size", r->old_size);
	json_number(&j, "old_zones", r->old_zones);
	json_end_object(&j);
}

static void resize_print_text(const char *image, const struct zq_resize_result *r)
{
	char size[SIZE_TEXT_MAX];

	printable_write(stdout, image);
	if (r->new_size == r->old_size)
		printf(" has that size: %s, %" PRIu32 " zones\n", size_format(r->new_size, size),
		       r->new_zones);
	else
		printf(": %s, %" PRIu32 " zones (before: %" PRIu32 ")\n",
		       size_format(r->new_size, size), r->new_zones, r->old_zones);
}

static int run_resize(const struct cli_args *args)
{
	struct zq_resize_opts o = { .data_file = cli_value(args, OPT_DATA_FILE) };
	const char *image = args->operands[0];
	struct zq_resize_result res;
	struct zq_error err = { "" };
	int ret = parse_new_size(args, &o);

	if (!ret)
		ret = images_refuse_mounted(image);
	if (ret)
		return ret;
	ret = zq_resize(image, &o, &res, &err);
	if (ret)
		return images_open_failed(image, ret, &err, false);
	if (cli_given(args, OPT_JSON))
		resize_print_json(&res);
	else if (!cli_given(args, 'q'))
		resize_print_text(image, &res);
	return CLI_DONE;
}

static const struct cli_option resize_options[] = {
	{ OPT_JSON, "json", NULL, NULL, "print the sizes as JSON" },
	{ OPT_DATA_FILE, "data-file", "PATH", NULL, "external data file of the image" },
	{ 'q', "quiet", NULL, NULL, "do not say what it has become" },
	{ 0 },
};

static const char *const resize_operands[] = { "IMAGE", "SIZE", NULL };

const struct cli_command cmd_resize = {
	.name = "resize",
	.summary = "add zones at the end of an image, or take empty ones away",
	.details = "SIZE is that of the disk, or, with + or - before it, by how much it gets "
		   "larger or smaller; whole zones in each case. Zones that go must be empty. "
		   "Nobody may have the image open. At every moment, a power failure included, it "
		   "is a whole image of the old or of the new size.",
	.operands = resize_operands,
	.min_operands = 2,
	.options = resize_options,
	.run = run_resize,
};
