/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs reset" and "zqfs finish": zones of an image that nobody has open, or of a mount.
 * "zqfs open" and "zqfs close": of a mount, as only a device in use has open zones. Checks the
 * whole list before it touches the first zone; stops at the first failure.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zqfs/device.h>

#include "cli/commands.h"
#include "cli/images.h"
#include "cli/term.h"
#include "cli/zones.h"
#include "util/cleanup.h"
#include "util/errors.h"
#include "zone/ranges.h"

enum { OPT_DATA_FILE = CLI_LONG_ONLY };

struct action {
	const char *verb, *doing;
	int (*offline)(struct zq_device *dev, uint32_t zone); /* NULL: mounts only */
};

/* By the name of the command. */
static const struct action actions[] = {
	{ "reset", "resetting zones", zq_zone_reset },
	{ "finish", "finishing zones", zq_zone_finish },
	{ "open", "opening zones", NULL },
	{ "close", "closing zones", NULL },
};

/* What the zones are changed in: an image (dev), or a mount (src). */
struct target {
	const char *name; /* as it was given */
	const struct zq_geometry *geo;
	struct zq_device *dev;
	struct zone_source *src;
};

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

/* Why a zone could not be changed, as far as it can be told better than by the errno. */
static int say_failed(struct target *t, const struct action *act, uint32_t zone, int ret)
{
	char label[ZQ_ZONE_LABEL_MAX];
	struct zq_error ignored = { "" };
	struct zone_row row;

	zq_zone_label(t->geo->nr_conv, zone, label);
	if (ret == -EBUSY)
		return cli_error("%s: cannot %s %s: no open or active zone is left; the limits are "
				 "%u open and %u active zones (0: no limit)",
				 t->name, act->verb, label, t->geo->max_open, t->geo->max_active);
	if ((ret == -EINVAL || ret == -EPERM) && t->src &&
	    !zones_read(t->src, zone, 1, &row, &ignored))
		return cli_error("%s: cannot %s %s: it is %s", t->name, act->verb, label,
				 zq_state_name(row.info.state));
	return cli_error("%s: cannot %s %s: %s", t->name, act->verb, label, strerror(-ret));
}

static int change_zone(struct target *t, const struct action *act, uint32_t zone)
{
	/* of "all" */
	if (zone < t->geo->nr_conv)
		return 0;
	return t->dev ? act->offline(t->dev, zone) : zones_command(t->src, zone, act->verb);
}

static int change_each(struct target *t, const struct zone_ranges *list, const struct action *act)
{
	double total = (double)ranges_count(list), done = 0;
	struct progress progress;
	uint32_t failed = 0;
	int ret = 0;

	progress_begin(&progress, act->doing);
	for (size_t i = 0; i < list->nr && !ret; i++) {
		/* zone stays below 2^32 - 1, as last < nr_zones does */
		for (uint32_t zone = list->r[i].first; zone <= list->r[i].last && !ret; zone++) {
			ret = change_zone(t, act, zone);
			failed = zone;
			progress_update(&progress, ++done / total);
		}
	}
	progress_end(&progress);
	return ret ? say_failed(t, act, failed, ret) : CLI_DONE;
}

static int change_listed(struct target *t, const char *zones, const struct action *act)
{
	struct zq_error err = { "" };
	struct zone_ranges list;
	int ret;

	if (ranges_parse(zones, t->geo, &list, &err))
		return cli_error("%s: %s", t->name, err.msg);
	ret = check_types(t->name, t->geo, &list, act);
	if (!ret)
		ret = change_each(t, &list, act);
	ranges_free(&list);
	return ret;
}

static int change_mount(const struct cli_args *args, const struct action *act)
{
	struct target t = { .name = args->operands[0] };
	struct zq_error err = { "" };
	struct zone_source src;
	int ret = zones_open(&src, t.name, false, NULL, &err);

	if (ret)
		return cli_error("%s", err.msg);
	t.src = &src;
	t.geo = &src.geo;
	ret = change_listed(&t, args->operands[1], act);
	zones_close(&src);
	return ret;
}

static int change_image(const struct cli_args *args, const struct action *act)
{
	struct zq_open_opts opts = {
		.require_rw = true,
		.data_file = cli_value(args, OPT_DATA_FILE),
	};
	struct target t = { .name = args->operands[0] };
	struct zq_error err = { "" };
	int status, ret = zq_open_device(t.name, &opts, &t.dev, &err);

	if (ret)
		return images_open_failed(t.name, ret, &err, false);
	t.geo = zq_device_geometry(t.dev);
	if (zq_device_readonly(t.dev))
		status = cli_error("%s: cannot be changed: %s", t.name,
				   zq_device_readonly_reason(t.dev));
	else
		status = change_listed(&t, args->operands[1], act);
	ret = zq_close_device(t.dev);
	if (ret)
		status = cli_error("%s: cannot write the change: %s", t.name, strerror(-ret));
	return status;
}

static int run_zones(const struct cli_args *args)
{
	const struct action *act = actions;
	const char *what = args->operands[0];
	char *dir CLEANUP_FREE = NULL;
	struct stat st;

	while (strcmp(act->verb, args->cmd->name) != 0)
		act++;
	if (stat(what, &st) ? error_is_stale(-errno) : S_ISDIR(st.st_mode))
		return change_mount(args, act);
	dir = images_mounted_on(what);
	if (dir)
		return cli_error("%s: mounted on %s; run: zqfs %s %s %s", what, dir, act->verb, dir,
				 args->operands[1]);
	if (!act->offline && !access(what, F_OK))
		return cli_error("%s: not mounted: which zones are open is known in memory only; "
				 "an image that nobody has open has no open zones",
				 what);
	return change_image(args, act);
}

static const struct cli_option zone_options[] = {
	{ OPT_DATA_FILE, "data-file", "PATH", NULL,
	  "external data file, when the image names none or it moved" },
	{ 0 },
};

static const struct cli_option no_options[] = { { 0 } };

static const char *const zone_operands[] = { "IMAGE|MOUNTPOINT", "ZONES", NULL };
static const char *const mount_zone_operands[] = { "MOUNTPOINT", "ZONES", NULL };

#define ZONES_TEXT                                                                                 \
	"ZONES is a zone, a range or a list of them: 3, 3-7, 3,5,9- or all. Such a number counts " \
	"all zones, as the report does; seq/3 and cnv/0 count as the names of the files do. all "  \
	"leaves conventional zones out. "

#define ON_ZONES	  .min_operands = 2, .run = run_zones
#define IN_IMAGE_OR_MOUNT ON_ZONES, .operands = zone_operands, .options = zone_options
#define IN_MOUNT	  ON_ZONES, .operands = mount_zone_operands, .options = no_options

const struct cli_command cmd_reset = {
	.name = "reset",
	.summary = "empty zones of an image or of a mount",
	.pair = "empty zones of an image or of a mount, or make them full",
	.details = ZONES_TEXT "What the zones held is gone, and their space goes back to the host.",
	IN_IMAGE_OR_MOUNT,
};

const struct cli_command cmd_finish = {
	.name = "finish",
	.summary = "make zones of an image or of a mount full",
	.details = ZONES_TEXT "What was not written reads as zeros.",
	IN_IMAGE_OR_MOUNT,
};

const struct cli_command cmd_open = {
	.name = "open",
	.summary = "open zones of a mount explicitly",
	.pair = "open zones of a mount explicitly, or close open ones",
	.details = ZONES_TEXT "Zones stay open until they are closed, finished, reset, full or "
			      "unmounted. An image keeps no open zones, so there is nothing to "
			      "open in one that is not mounted.",
	IN_MOUNT,
};

const struct cli_command cmd_close = {
	.name = "close",
	.summary = "close open zones of a mount",
	.details = ZONES_TEXT "A closed zone stays active; one that is empty becomes empty again.",
	IN_MOUNT,
};
