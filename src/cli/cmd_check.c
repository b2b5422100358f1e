/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs check": prints what zq_check finds, repairs when asked, and puts the result into the
 * exit status as qemu-img check does.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <zqfs/check.h>

#include "cli/commands.h"
#include "cli/images.h"
#include "cli/term.h"
#include "util/json.h"
#include "util/printable.h"
#include "util/size.h"

enum { OPT_JSON = CLI_LONG_ONLY, OPT_DATA_FILE };
enum { EXIT_CORRUPT = 2, EXIT_LEAKS = 3 };

struct check {
	struct progress progress;
	struct json json; /* its out is NULL for text */
};

static const char *const kind_names[] = {
	[ZQ_FOUND_NOTE] = "note",
	[ZQ_FOUND_LEAK] = "leak",
	[ZQ_FOUND_CORRUPTION] = "corruption",
};

static void on_found(void *data, enum zq_finding_kind kind, bool fixed, const char *line)
{
	struct check *c = data;

	if (c->json.out) {
		json_object_line(&c->json, NULL);
		json_string(&c->json, "kind", kind_names[kind]);
		json_bool(&c->json, "fixed", fixed);
		json_string(&c->json, "text", line);
		json_end_object(&c->json);
		return;
	}
	progress_end(&c->progress);
	printf("%s: ", kind_names[kind]);
	printable_write(stdout, line);
	puts(fixed ? " (repaired)" : "");
}

static void on_progress(void *data, double done)
{
	struct check *c = data;

	progress_update(&c->progress, done);
}

static int exit_status(const struct zq_check_result *res)
{
	if (res->corruptions > res->corruptions_fixed)
		return EXIT_CORRUPT;
	return res->leaks > res->leaks_fixed ? EXIT_LEAKS : CLI_DONE;
}

/* ---- output -------------------------------------------------------------------------------- */

static void text_count(const char *one, const char *many, uint64_t found, uint64_t fixed)
{
	if (!found)
		return;
	printf("%" PRIu64 " %s", found, found == 1 ? one : many);
	if (fixed)
		printf(", %" PRIu64 " of them repaired", fixed);
	putchar('\n');
}

static void text_summary(const char *image, const struct zq_check_result *res)
{
	char end[SIZE_TEXT_MAX];
	double share = res->total_clusters ? 100.0 * (double)res->allocated_clusters /
						     (double)res->total_clusters
					   : 0;

	text_count("corruption", "corruptions", res->corruptions, res->corruptions_fixed);
	text_count("leaked cluster", "leaked clusters", res->leaks, res->leaks_fixed);
	text_count("note", "notes", res->notes, 0);
	if (exit_status(res) == CLI_DONE) {
		printable_write(stdout, image);
		puts(res->corruptions || res->leaks ? ": all repaired" : ": no errors");
	}
	printf("%" PRIu64 " of %" PRIu64 " clusters allocated (%.2f %%), %" PRIu64
	       " compressed; the image ends at %s\n",
	       res->allocated_clusters, res->total_clusters, share, res->compressed_clusters,
	       size_format(res->image_end, end));
}

static void json_summary(struct json *j, const struct zq_check_result *res)
{
	json_end_array(j);
	json_number(j, "corruptions", res->corruptions);
	json_number(j, "corruptions_fixed", res->corruptions_fixed);
	json_number(j, "leaks", res->leaks);
	json_number(j, "leaks_fixed", res->leaks_fixed);
	json_number(j, "notes", res->notes);
	json_number(j, "allocated_clusters", res->allocated_clusters);
	json_number(j, "total_clusters", res->total_clusters);
	json_number(j, "compressed_clusters", res->compressed_clusters);
	json_number(j, "image_end", res->image_end);
	json_number(j, "exit_status", (uint64_t)exit_status(res));
	json_end_object(j);
}

/* ---- the command ---------------------------------------------------------------------- */

static int parse_repair(const struct cli_args *args, enum zq_repair *repair)
{
	const char *text = cli_value(args, 'r');

	*repair = ZQ_REPAIR_NONE;
	if (!text)
		return 0;
	if (!strcmp(text, "leaks"))
		*repair = ZQ_REPAIR_LEAKS;
	else if (!strcmp(text, "all"))
		*repair = ZQ_REPAIR_ALL;
	else
		return cli_usage_error(args->cmd, "--repair is leaks or all, not '%s'", text);
	return 0;
}

static int check_text(const char *image, struct zq_check_opts *opts, struct check *c)
{
	struct zq_error err = { "" };
	struct zq_check_result res;
	int ret;

	progress_begin(&c->progress, "checking");
	ret = zq_check(image, opts, &res, &err);
	progress_end(&c->progress);
	if (ret)
		return images_open_failed(image, ret, &err, false);
	text_summary(image, &res);
	return exit_status(&res);
}

/* The document goes out in one piece, and only when the check could run to its end. */
static int check_json(const char *image, struct zq_check_opts *opts, struct check *c)
{
	struct zq_error err = { "" };
	struct zq_check_result res;
	char *text = NULL;
	size_t len = 0;
	int ret;

	c->json.out = open_memstream(&text, &len);
	if (!c->json.out)
		return cli_error("out of memory");
	json_object(&c->json, NULL);
	json_string(&c->json, "image", image);
	json_array(&c->json, "findings");
	progress_begin(&c->progress, "checking");
	ret = zq_check(image, opts, &res, &err);
	progress_end(&c->progress);
	if (!ret)
		json_summary(&c->json, &res);
	if (fclose(c->json.out) && !ret) {
		free(text);
		return cli_error("out of memory");
	}
	if (!ret)
		fwrite(text, 1, len, stdout);
	free(text);
	return ret ? images_open_failed(image, ret, &err, false) : exit_status(&res);
}

static int run_check(const struct cli_args *args)
{
	const char *image = args->operands[0];
	struct check c = { .json = { .out = NULL } };
	struct zq_check_opts opts = {
		.data_file = cli_value(args, OPT_DATA_FILE),
		.found = on_found,
		.progress = on_progress,
		.data = &c,
	};
	int ret = parse_repair(args, &opts.repair);

	ret = ret ? ret : images_refuse_mounted(image);
	if (ret)
		return ret;
	return cli_given(args, OPT_JSON) ? check_json(image, &opts, &c)
					 : check_text(image, &opts, &c);
}

static const struct cli_option check_options[] = {
	{ 'r', "repair", "leaks|all", "leaks all",
	  "repair leaked clusters only, or all that can be repaired without losing data" },
	{ OPT_JSON, "json", NULL, NULL, "print the findings and the counts as JSON" },
	{ OPT_DATA_FILE, "data-file", "PATH", NULL,
	  "external data file, when the image names none or it moved" },
	{ 0 },
};

static const char *const check_operands[] = { "IMAGE", NULL };

const struct cli_command cmd_check = {
	.name = "check",
	.summary = "look for damage in an image, and repair it",
	.details = "Exit status: 0 clean or all repaired, 2 corruption is left, 3 only leaked "
		   "clusters are left (harmless, but they take room), 1 the check could not run.",
	.operands = check_operands,
	.min_operands = 1,
	.options = check_options,
	.run = run_check,
};
