/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs map": where the bytes of each zone are, as "qemu-img map" shows it.
 */
#include <inttypes.h>
#include <stdlib.h>

#include <zqfs/map.h>

#include "cli/command.h"
#include "cli/images.h"
#include "util/cleanup.h"
#include "util/json.h"
#include "util/printable.h"

enum { OPT_DATA_FILE = CLI_LONG_ONLY, OPT_JSON };

struct map_output {
	struct json json;
	bool as_json, begun;
};

/* With the first piece, so that nothing is printed of an image that cannot be opened. */
static void map_begin(struct map_output *m)
{
	if (m->begun)
		return;
	m->begun = true;
	if (m->as_json)
		json_array(&m->json, NULL);
	else
		printf("%-5s %-13s %-11s %-13s %s\n", "zone", "start", "length", "mapped to",
		       "file");
}

static void map_json_piece(struct json *j, const struct zq_map_piece *p)
{
	json_object_line(j, NULL);
	json_number(j, "zone", p->zone);
	json_number(j, "start", p->start);
	json_number(j, "length", p->length);
	json_number(j, "depth", p->depth);
	json_bool(j, "present", p->present);
	json_bool(j, "zero", p->zero);
	json_bool(j, "data", p->data);
	json_bool(j, "compressed", p->compressed);
	if (p->has_offset)
		json_number(j, "offset", p->offset);
	json_string(j, "file", p->file);
	json_end_object(j);
}

static void map_text_piece(const struct zq_map_piece *p)
{
	if (!p->data)
		return;
	printf("%-5" PRIu32 " 0x%-11" PRIx64 " 0x%-9" PRIx64 " ", p->zone, p->start, p->length);
	if (p->has_offset)
		printf("0x%-11" PRIx64 " ", p->offset);
	else
		printf("%-13s ", "compressed");
	printable_write(stdout, p->file);
	putchar('\n');
}

static int on_map_piece(void *data, const struct zq_map_piece *p)
{
	struct map_output *m = data;

	map_begin(m);
	if (m->as_json)
		map_json_piece(&m->json, p);
	else
		map_text_piece(p);
	return 0;
}

static int map_image(const char *path, const struct zq_map_opts *o, bool as_json)
{
	struct map_output m = { .json = { .out = stdout }, .as_json = as_json };
	struct zq_error err = { "" };
	int ret = zq_map(path, o, on_map_piece, &m, &err);

	if (!ret)
		map_begin(&m);
	if (as_json && m.begun)
		json_end_array(&m.json);
	return ret ? images_open_failed(path, ret, &err, true) : CLI_DONE;
}

static int run_map(const struct cli_args *args)
{
	struct zq_map_opts o = { .force_share = cli_given(args, 'U'),
				 .data_file = cli_value(args, OPT_DATA_FILE) };
	char *path CLEANUP_FREE = NULL, *mountpoint CLEANUP_FREE = NULL;
	int ret = images_resolve(args->operands[0], &path, &mountpoint);

	if (ret)
		return ret;
	o.force_share |= mountpoint != NULL;
	return map_image(path, &o, cli_given(args, OPT_JSON));
}

static const struct cli_option map_options[] = {
	{ OPT_JSON, "json", NULL, NULL, "print all parts as JSON" },
	{ 'U', "force-share", NULL, NULL, "look at an image that another process has open" },
	{ OPT_DATA_FILE, "data-file", "PATH", NULL, "external data file of the image" },
	{ 0 },
};

static const char *const map_operands[] = { "IMAGE|MOUNTPOINT", NULL };

const struct cli_command cmd_map = {
	.name = "map",
	.summary = "show where the data of each zone is in the files",
	.details = "As \"qemu-img map\", zone by zone and through all backing files. Parts without "
		   "data are in the JSON only.",
	.operands = map_operands,
	.min_operands = 1,
	.options = map_options,
	.run = run_map,
};
