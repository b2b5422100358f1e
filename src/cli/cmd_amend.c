/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs amend": options of the command line into struct zq_amend_opts. What they mean, and how
 * the image is changed, is the library's business.
 */
#include <zqfs/amend.h>

#include "cli/commands.h"
#include "cli/image_options.h"
#include "cli/images.h"

static bool amend_key(size_t i, struct cli_key *key)
{
	return image_options_row(zq_amend_options(), i, key);
}

static int set_amend(void *opts, const char *name, const char *value, struct zq_error *err)
{
	return zq_amend_set(opts, name, value, err);
}

static void warn_amended(void *data, const char *line)
{
	cli_error("%s: warning: %s", (const char *)data, line);
}

static int amend(const struct cli_args *args, struct zq_amend_opts *o)
{
	char *image = args->operands[0];
	struct zq_error err = { "" };
	int ret;

	if (!cli_given(args, 'o'))
		return cli_usage_error(args->cmd, "-o says what is to change, and is missing");
	ret = image_options_each(args, image, set_amend, o);
	if (ret)
		return ret;
	o->warn = warn_amended;
	o->warn_data = image;
	ret = images_refuse_mounted(image);
	if (ret)
		return ret;
	ret = zq_amend(image, o, &err);
	return ret ? images_open_failed(image, ret, &err, false) : CLI_DONE;
}

static int run_amend(const struct cli_args *args)
{
	struct zq_amend_opts o = { 0 };
	int ret = amend(args, &o);

	zq_amend_opts_free(&o);
	return ret;
}

static const struct cli_option amend_options[] = {
	{ 'o', NULL, "KEY=VALUE[,...]", NULL, "set an option of the image; may be repeated" },
	{ 0 },
};

static const char *const amend_operands[] = { "IMAGE", NULL };

const struct cli_command cmd_amend = {
	.name = "amend",
	.summary = "change layout, byte order, limits of an image in place",
	.details = "Nobody may have the image open. At every moment, a power failure included, it "
		   "is a whole image of the old or of the new kind. -o help lists the keys and the "
		   "layouts.",
	.operands = amend_operands,
	.min_operands = 1,
	.options = amend_options,
	.key = amend_key,
	.run = run_amend,
};
