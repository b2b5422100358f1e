/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs create": options of the command line into struct zq_create_opts, and one line that
 * says what was made. What the keys mean is the library's business (zq_create_set).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zqfs/create.h>
#include <zqfs/info.h>

#include "cli/commands.h"
#include "cli/image_options.h"
#include "util/cleanup.h"
#include "util/printable.h"
#include "util/math.h"
#include "util/size.h"

enum { OPT_FORCE = CLI_LONG_ONLY };

static int parse_size_operand(const struct cli_args *args, struct zq_create_opts *o)
{
	const char *image = args->operands[0];
	const char *size = args->nr_operands > 1 ? args->operands[1] : NULL;
	uint64_t ignored;
	int ret;

	if (!size && (o->size || o->backing_file)) /* a zoned one tells it */
		return 0;
	if (!size)
		return cli_usage_error(args->cmd, "SIZE is missing after '%s'", image);
	ret = size_parse(size, &o->size);
	if (!ret)
		return 0;
	if (!size_parse(image, &ignored))
		return cli_usage_error(args->cmd,
				       "the image comes before the size: zqfs create %s %s", size,
				       image);
	if (ret == -ERANGE)
		return cli_error("%s: size %s does not fit into 63 bits", image, size);
	return cli_error("%s: '%s' is not a size: write bytes, or 64M, 10G, 1T", image, size);
}

static void describe_image(FILE *out, const char *image)
{
	char size[SIZE_TEXT_MAX], zone[SIZE_TEXT_MAX], cap[SIZE_TEXT_MAX];
	struct zq_image_info *info;
	struct zq_error err = { "" };

	fputs("created ", out);
	printable_write(out, image);
	if (zq_get_image_info(image, NULL, true, &info, &err)) {
		putc('\n', out);
		return;
	}
	fprintf(out, ": %s, %u zone%s of %s", size_format(info->geo.size, size), info->geo.nr_zones,
		info->geo.nr_zones == 1 ? "" : "s", size_format(info->geo.zone_size, zone));
	if (info->geo.zone_capacity != info->geo.zone_size)
		fprintf(out, " (%s usable)", size_format(info->geo.zone_capacity, cap));
	if (info->geo.nr_conv)
		fprintf(out, ", %u of them conventional", info->geo.nr_conv);
	putc('\n', out);
	zq_image_info_free(info);
}

/* The image is there whether or not this can be written: that it cannot is no failure to create. */
/* -b and -F, as qemu-img has them, are other words for two keys of -o. */
static int set_backing(const struct cli_args *args, struct zq_create_opts *o)
{
	static const struct {
		int id;
		const char *key;
	} words[] = { { 'b', "backing_file" }, { 'F', "backing_fmt" } };
	struct zq_error err = { "" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const char *value = cli_value(args, words[i].id);

		if (value && zq_create_set(o, words[i].key, value, &err))
			return cli_error("%s: %s", args->operands[0], err.msg);
	}
	return 0;
}

static void say_created(const char *image)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	describe_image(out, image);
	if (!fclose(out) && write(STDOUT_FILENO, text, len) < 0)
		errno = 0;
	free(text);
}

static void warn_created(void *data, const char *line)
{
	cli_error("%s: warning: %s", (const char *)data, line);
}

static int create_image(const struct cli_args *args, struct zq_create_opts *o)
{
	struct zq_error err = { "" };
	int ret = 0;

	ret = image_options_set(args, args->operands[0], o);
	ret = ret ? ret : set_backing(args, o);
	ret = ret ? ret : parse_size_operand(args, o);
	if (ret)
		return ret;
	o->warn = warn_created;
	o->warn_data = args->operands[0];
	o->force = cli_given(args, OPT_FORCE);
	switch (zq_create(args->operands[0], o, &err)) {
	case 0:
		break;
	case -EEXIST:
		return cli_error("%s (--force replaces it)", err.msg);
	default:
		return cli_error("%s", err.msg);
	}
	if (!cli_given(args, 'q'))
		say_created(args->operands[0]);
	return CLI_DONE;
}

static int run_create(const struct cli_args *args)
{
	struct zq_create_opts o = { 0 };
	int ret = create_image(args, &o);

	zq_create_opts_free(&o);
	return ret;
}

static const struct cli_option create_options[] = {
	{ 'o', NULL, "KEY=VALUE[,...]", NULL, "set an option of the image; may be repeated" },
	{ 'b', "backing", "FILE", NULL,
	  "read from here what the image does not have; a zoned one gives its zones too" },
	{ 'F', "backing-format", "FORMAT", "raw qcow2", "format of the backing file" },
	{ OPT_FORCE, "force", NULL, NULL, "overwrite an existing file" },
	{ 'q', "quiet", NULL, NULL, "do not say what was created" },
	{ 0 },
};

static const char *const create_operands[] = { "IMAGE", "SIZE", NULL };

const struct cli_command cmd_create = {
	.name = "create",
	.summary = "make a new zoned image",
	.details =
		"SIZE is that of the whole device, in bytes or with a suffix K, M, G or T; it may "
		"also be given as -o size=SIZE. The "
		"number of zones follows from it and zone.size; the last zone is shorter when "
		"the size is not a multiple. Over a zoned backing file (-b BASE -F qcow2) the "
		"image is an "
		"overlay: it has the zones, limits and write pointers of its base, holds what is "
		"changed, and needs no SIZE. A failure leaves no file behind. -o help "
		"lists the keys with their defaults, older spellings and layouts.",
	.operands = create_operands,
	.min_operands = 1,
	.options = create_options,
	.key = image_options_key,
	.run = run_create,
};
