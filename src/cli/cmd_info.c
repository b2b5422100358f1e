/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs info": everything that an image's header says, and how many zones are in which
 * state. Works on a mounted image too; it then shows the header as the last commit left it
 * and asks the mount for the states. Changes nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zqfs/info.h>

#include "cli/commands.h"
#include "cli/images.h"
#include "cli/info_chain.h"
#include "cli/info_usage.h"
#include "cli/zones.h"
#include "util/cleanup.h"
#include "util/json.h"
#include "util/math.h"
#include "util/printable.h"
#include "util/size.h"

enum { OPT_JSON = CLI_LONG_ONLY, OPT_DATA_FILE, OPT_CHAIN, OPT_USAGE };

struct facts {
	char *path;	  /* of the image; owned */
	char *mountpoint; /* owned; NULL: not mounted */
	struct zq_image_info *info;
	uint32_t by_state[ZQ_NR_STATES];
	bool has_states;
	struct zq_error no_states; /* why not */
	bool has_usage;
	struct info_usage usage[ZQ_NR_STATES];
};

/* ---- collecting ---------------------------------------------------------------------------- */

/* The facts of the header matter more: without the states the rest is still shown. */
static void count_states(struct facts *f, bool force_share, const char *data_file)
{
	struct zone_source src;

	if (zones_open(&src, f->path, force_share, data_file, &f->no_states))
		return;
	f->has_states = !zones_count(&src, 0, src.nr, f->by_state, &f->no_states);
	zones_close(&src);
}

/* ---- text ---------------------------------------------------------------------------------- */

static void info_line(const char *key, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void info_line(const char *key, const char *fmt, ...)
{
	char *text CLEANUP_FREE = NULL;
	va_list ap;

	printf("%-18s ", key);
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	printable_write(stdout, text ? text : "out of memory");
	putchar('\n');
}

/* "64 MiB (67108864 bytes)"; small ones are clear as they are. */
static void size_line(const char *key, uint64_t bytes)
{
	char text[SIZE_TEXT_MAX];

	if (bytes < 1024)
		info_line(key, "%" PRIu64 " bytes", bytes);
	else
		info_line(key, "%s (%" PRIu64 " bytes)", size_format(bytes, text), bytes);
}

static void limit_line(const char *key, uint32_t limit)
{
	if (limit)
		info_line(key, "%u", limit);
	else
		info_line(key, "no limit");
}

static void text_states(const struct facts *f)
{
	const char *sep = "";

	printf("%-18s ", "zones by state:");
	if (!f->has_states) {
		fputs("not known: ", stdout);
		printable_write(stdout, f->no_states.msg);
	}
	for (int s = 0; f->has_states && s < ZQ_NR_STATES; s++) {
		if (!f->by_state[s])
			continue;
		printf("%s%s %u", sep, zq_state_name((enum zq_zone_state)s), f->by_state[s]);
		sep = ", ";
	}
	putchar('\n');
}

static void text_zones(const struct facts *f)
{
	const struct zq_geometry *g = &f->info->geo;

	size_line("device size:", g->size);
	info_line("zones:", "%u (%u conventional, %u sequential)", g->nr_zones, g->nr_conv,
		  g->nr_zones - g->nr_conv);
	size_line("zone size:", g->zone_size);
	size_line("zone capacity:", g->zone_capacity);
	if (zq_zone_len(g, g->nr_zones - 1) != g->zone_size)
		size_line("last zone:", zq_zone_len(g, g->nr_zones - 1));
	limit_line("max open zones:", g->max_open);
	limit_line("max active zones:", g->max_active);
	if (g->max_append)
		size_line("max append:", g->max_append);
	else
		info_line("max append:", "not in the image");
	text_states(f);
	if (f->info->corrupt_zones)
		info_line("corrupt pointers:", "%u; see: zqfs check %s", f->info->corrupt_zones,
			  f->path);
}

static void text_features(const struct zq_image_info *i)
{
	const struct {
		bool set;
		const char *name;
	} names[] = {
		{ true, "zoned" },
		{ i->dirty, "dirty" },
		{ i->corrupt, "corrupt" },
		{ i->has_data_file, "external data file" },
		{ i->data_file_raw, "raw external data" },
		{ i->extended_l2, "extended L2" },
		{ i->lazy_refcounts, "lazy refcounts" },
		{ i->bitmaps, "bitmaps" },
	};
	const char *sep = "";

	printf("%-18s ", "features:");
	for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
		if (!names[n].set)
			continue;
		printf("%s%s", sep, names[n].name);
		sep = ", ";
	}
	putchar('\n');
	info_line("feature words:",
		  "incompat 0x%" PRIx64 ", compat 0x%" PRIx64 ", autoclear 0x%" PRIx64,
		  i->incompat, i->compat, i->autoclear);
}

static void text_format(const struct zq_image_info *i)
{
	info_line("format:", "qcow2 version 3 with the zoned extension");
	info_line("zoned layout:", "%s (%u bytes)", i->layout, i->ext_len);
	info_line("opened by:", "QEMU with %s, and no other", i->opened_by);
	info_line("write pointers:", "%s, at byte %" PRIu64 " of the file",
		  i->wp_little_endian ? "little-endian" : "big-endian", i->table_offset);
	size_line("cluster size:", i->cluster_size);
	info_line("refcount bits:", "%u", i->refcount_bits);
	info_line("compression:", "%s", i->compression);
	text_features(i);
}

static void text_files(const struct zq_image_info *i)
{
	if (i->backing_file)
		info_line("backing file:", "%s%s%s%s", i->backing_file, i->backing_fmt ? " (" : "",
			  i->backing_fmt ? i->backing_fmt : "", i->backing_fmt ? ")" : "");
	if (i->has_data_file)
		info_line("data file:", "%s", i->data_file ? i->data_file : "the image names none");
	size_line("file size:", i->file_size);
	size_line("disk usage:", i->disk_usage);
	if (i->has_data_file)
		size_line("data file usage:", i->data_usage);
}

static void format_date(uint64_t seconds, char *buf, size_t size)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(buf, size, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(buf, size, "%" PRIu64, seconds);
}

static void text_snapshots(const struct zq_image_info *i)
{
	char date[32], size[SIZE_TEXT_MAX], id[64], name[256];

	if (!i->nr_snapshots)
		return;
	printf("snapshots:\n  %-5s %-24s %-19s  %s\n", "id", "name", "date", "disk size");
	for (uint32_t n = 0; n < i->nr_snapshots; n++) {
		const struct zq_snapshot_info *s = &i->snapshots[n];

		format_date(s->date_sec, date, sizeof(date));
		printf("  %-5s %-24s %-19s  %s\n", printable_to(s->id, id, sizeof(id)),
		       printable_to(s->name, name, sizeof(name)), date,
		       size_format(s->disk_size, size));
	}
}

static void print_text(const struct facts *f)
{
	info_line("image:", "%s", f->path);
	if (f->mountpoint)
		info_line("mounted on:", "%s", f->mountpoint);
	text_zones(f);
	text_format(f->info);
	text_files(f->info);
	text_snapshots(f->info);
	if (f->has_usage)
		info_usage_text(f->usage);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void json_features(struct json *j, const struct zq_image_info *i)
{
	json_number(j, "cluster_size", i->cluster_size);
	json_number(j, "refcount_bits", i->refcount_bits);
	json_string(j, "compression_type", i->compression);
	json_bool(j, "dirty", i->dirty);
	json_bool(j, "corrupt", i->corrupt);
	json_bool(j, "extended_l2", i->extended_l2);
	json_bool(j, "lazy_refcounts", i->lazy_refcounts);
	json_bool(j, "bitmaps", i->bitmaps);
	json_number(j, "incompatible_features", i->incompat);
	json_number(j, "compatible_features", i->compat);
	json_number(j, "autoclear_features", i->autoclear);
}

static void json_files(struct json *j, const struct zq_image_info *i)
{
	json_string(j, "backing_file", i->backing_file);
	json_string(j, "backing_fmt", i->backing_fmt);
	json_bool(j, "has_data_file", i->has_data_file);
	json_string(j, "data_file", i->data_file);
	json_bool(j, "data_file_raw", i->data_file_raw);
	json_number(j, "file_size", i->file_size);
	json_number(j, "disk_usage", i->disk_usage);
	if (i->has_data_file)
		json_number(j, "data_file_usage", i->data_usage);
	else
		json_null(j, "data_file_usage");
	json_array(j, "snapshots");
	for (uint32_t n = 0; n < i->nr_snapshots; n++) {
		json_object_line(j, NULL);
		json_string(j, "id", i->snapshots[n].id);
		json_string(j, "name", i->snapshots[n].name);
		json_number(j, "date", i->snapshots[n].date_sec);
		json_number(j, "disk_size", i->snapshots[n].disk_size);
		json_number(j, "vm_state_size", i->snapshots[n].vm_state);
		json_end_object(j);
	}
	json_end_array(j);
}

static void print_json(const struct facts *f)
{
	const struct zq_image_info *i = f->info;
	struct json j = { .out = stdout };

	json_object(&j, NULL);
	json_string(&j, "image", f->path);
	json_string(&j, "mountpoint", f->mountpoint);
	json_string(&j, "format", "qcow2");
	images_json_geometry(&j, &i->geo);
	if (f->has_states) {
		json_object(&j, "zones_by_state");
		for (int s = 0; s < ZQ_NR_STATES; s++)
			json_number(&j, zq_state_name((enum zq_zone_state)s), f->by_state[s]);
		json_end_object(&j);
	} else {
		json_null(&j, "zones_by_state");
	}
	json_number(&j, "corrupt_pointers", i->corrupt_zones);
	json_string(&j, "layout", i->layout);
	json_string(&j, "opened_by", i->opened_by);
	json_number(&j, "extension_length", i->ext_len);
	json_string(&j, "wp_order", i->wp_little_endian ? "little" : "big");
	json_number(&j, "wp_table_offset", i->table_offset);
	json_features(&j, i);
	json_files(&j, i);
	if (f->has_usage)
		info_usage_json(&j, f->usage);
	json_end_object(&j);
}

/* ---- the command ----------------------------------------------------------------------------- */

static int show_facts(const struct cli_args *args, struct facts *f)
{
	const char *data_file = cli_value(args, OPT_DATA_FILE);
	bool force_share = cli_given(args, 'U');
	struct zq_error err = { "" };
	int ret;

	/* Our own mount keeps the file consistent at every moment: it may be looked at. */
	ret = zq_get_image_info(f->path, data_file, force_share || f->mountpoint, &f->info, &err);
	if (ret)
		return images_open_failed(f->path, ret, &err, true);
	count_states(f, force_share, data_file);
	if (cli_given(args, OPT_USAGE)) {
		ret = info_usage_read(f->path, force_share, data_file, f->usage, &err);
		f->has_usage = !ret;
	}
	if (ret)
		images_open_failed(f->path, ret, &err, true);
	else if (cli_given(args, OPT_JSON))
		print_json(f);
	else
		print_text(f);
	zq_image_info_free(f->info);
	return ret ? CLI_FAILED : CLI_DONE;
}

static int run_info(const struct cli_args *args)
{
	struct facts f = { .path = NULL };
	int ret = images_resolve(args->operands[0], &f.path, &f.mountpoint);

	if (!ret && cli_given(args, OPT_CHAIN))
		ret = info_show_chain(f.path, cli_given(args, 'U') || f.mountpoint,
				      cli_given(args, OPT_JSON));
	else if (!ret)
		ret = show_facts(args, &f);
	free(f.path);
	free(f.mountpoint);
	return ret;
}

static const struct cli_option info_options[] = {
	{ OPT_CHAIN, "chain", NULL, NULL, "show the image and all files below it instead" },
	{ OPT_USAGE, "usage", NULL, NULL,
	  "also what the zones of each state hold, compressed or not, and what it takes" },
	{ OPT_JSON, "json", NULL, NULL, "print it as JSON, sizes in bytes" },
	{ 'U', "force-share", NULL, NULL,
	  "read the image file even while another process has it open; what it says may be old" },
	{ OPT_DATA_FILE, "data-file", "PATH", NULL,
	  "external data file, when the image names none or it moved" },
	{ 0 },
};

static const char *const info_operands[] = { "IMAGE|MOUNTPOINT", NULL };

const struct cli_command cmd_info = {
	.name = "info",
	.summary = "show an image's geometry, format, features and usage",
	.operands = info_operands,
	.min_operands = 1,
	.options = info_options,
	.run = run_info,
};
