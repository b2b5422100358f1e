/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs reset" and "zqfs finish": zones of an image that nobody has open. Checks the whole
 * list before it touches the first zone; stops at the first failure.
 */
#include <errno.h>
#include <string.h>

#include <zqfs/device.h>

#include "cli/command.h"
#include "cli/images.h"
#include "cli/term.h"
#include "util/cleanup.h"
#include "zone/ranges.h"

enum { OPT_DATA_FILE = CLI_LONG_ONLY };

struct action {
	const char *verb, *doing;
	int (*zone)(struct zq_device *dev, uint32_t zone);
	const char *by_file; /* how it is done through a mount */
};

static const struct action reset = {
	"reset",
	"resetting zones",
	zq_zone_reset,
	"truncate -s 0",
};
static const struct action finish = {
	"finish",
	"finishing zones",
	zq_zone_finish,
	"truncate -s CAPACITY",
};

/* A mounted image is changed through its mount. */
static int refuse_change(const char *image, const struct action *act)
{
	char *dir CLEANUP_FREE = images_mounted_on(image);

	if (!dir)
		return CLI_DONE;
	return cli_error("%s: mounted on %s; %s its zones there with %s on their files", image, dir,
			 act->verb, act->by_file);
}

/* Explicit lists must not name conventional zones; "all" means all that can be meant. */
static int check_types(const char *image, const struct zq_geometry *g,
		       const struct zone_ranges *list, const struct action *act)
{
	char label[ZQ_ZONE_LABEL_MAX], first[ZQ_ZONE_LABEL_MAX];

	if (list->all || list->r[0].first >= g->nr_conv)
		return CLI_DONE;
	return cli_error("%s: %s is conventional and has no write pointer to %s; the first "
			 "sequential zone is %s",
			 image, zq_zone_label(g->nr_conv, list->r[0].first, label), act->verb,
			 zq_zone_label(g->nr_conv, g->nr_conv, first) + strlen("zone "));
}

static int each_zone(struct zq_device *dev, const char *image, const struct zone_ranges *list,
		     const struct action *act)
{
	uint32_t nr_conv = zq_device_geometry(dev)->nr_conv;
	double total = (double)ranges_count(list), done = 0;
	char label[ZQ_ZONE_LABEL_MAX];
	struct progress progress;
	int ret = 0;

	progress_begin(&progress, act->doing);
	for (size_t i = 0; i < list->nr && !ret; i++) {
		/* zone stays below 2^32 - 1, as last < nr_zones does */
		for (uint32_t zone = list->r[i].first; zone <= list->r[i].last && !ret; zone++) {
			ret = zone < nr_conv ? 0 : act->zone(dev, zone);
			progress_update(&progress, ++done / total);
			if (ret) {
				progress_end(&progress);
				cli_error("%s: cannot %s %s: %s", image, act->verb,
					  zq_zone_label(nr_conv, zone, label), strerror(-ret));
			}
		}
	}
	progress_end(&progress);
	return ret ? CLI_FAILED : CLI_DONE;
}

static int change_zones(struct zq_device *dev, const struct cli_args *args,
			const struct action *act)
{
	const struct zq_geometry *g = zq_device_geometry(dev);
	struct zq_error err = { "" };
	struct zone_ranges list;
	int ret;

	if (zq_device_readonly(dev))
		return cli_error("%s: cannot be changed: %s", args->operands[0],
				 zq_device_readonly_reason(dev));
	if (ranges_parse(args->operands[1], g, &list, &err))
		return cli_error("%s: %s", args->operands[0], err.msg);
	ret = check_types(args->operands[0], g, &list, act);
	if (!ret)
		ret = each_zone(dev, args->operands[0], &list, act);
	ranges_free(&list);
	return ret;
}

static int run_action(const struct cli_args *args, const struct action *act)
{
	const char *image = args->operands[0];
	struct zq_open_opts opts = {
		.require_rw = true,
		.data_file = cli_value(args, OPT_DATA_FILE),
	};
	struct zq_error err = { "" };
	struct zq_device *dev;
	int status = refuse_change(image, act), ret;

	if (status)
		return status;
	ret = zq_open_device(image, &opts, &dev, &err);
	if (ret)
		return images_open_failed(image, ret, &err, false);
	status = change_zones(dev, args, act);
	ret = zq_close_device(dev);
	if (ret)
		status = cli_error("%s: cannot write the change: %s", image, strerror(-ret));
	return status;
}

static int run_reset(const struct cli_args *args)
{
	return run_action(args, &reset);
}

static int run_finish(const struct cli_args *args)
{
	return run_action(args, &finish);
}

static const struct cli_option zone_options[] = {
	{ OPT_DATA_FILE, "data-file", "PATH", NULL,
	  "external data file, when the image names none or it moved" },
	{ 0 },
};

static const char *const zone_operands[] = { "IMAGE", "ZONES", NULL };

#define ZONES_TEXT                                                                                 \
	"ZONES is a zone's number, a range or a list of them: 3, 3-7, 3,5,9- or all. Numbers are " \
	"those of the zone report; all leaves conventional zones out. "

const struct cli_command cmd_reset = {
	.name = "reset",
	.summary = "empty zones of an image that is not mounted",
	.details = ZONES_TEXT "What the zones held is gone, and their space goes back to the host.",
	.operands = zone_operands,
	.min_operands = 2,
	.options = zone_options,
	.run = run_reset,
};

const struct cli_command cmd_finish = {
	.name = "finish",
	.summary = "make zones of an image that is not mounted full",
	.details = ZONES_TEXT "What was not written reads as zeros.",
	.operands = zone_operands,
	.min_operands = 2,
	.options = zone_options,
	.run = run_finish,
};
