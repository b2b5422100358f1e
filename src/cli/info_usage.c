/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs info --usage". The mapping is the image's, as the last commit left it; the states come from
 * the mount where there is one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <zqfs/map.h>

#include "cli/info_usage.h"
#include "cli/zones.h"
#include "util/size.h"

struct usage_walk {
	struct zone_source src;
	struct info_usage *by_state;
	struct info_usage *now; /* of the state of zone; NULL before the first */
	uint32_t zone;
	struct zq_error *err;
};

static int enter_zone(struct usage_walk *w, uint32_t zone)
{
	struct zone_row row;
	int ret = zones_read(&w->src, zone, 1, &row, w->err);

	if (ret)
		return ret;
	w->now = &w->by_state[row.info.state];
	w->now->zones++;
	w->zone = zone;
	return 0;
}

static int count_piece(void *data, const struct zq_map_piece *p)
{
	struct usage_walk *w = data;
	int ret = 0;

	if (!p->data || p->depth)
		return 0;
	if (!w->now || w->zone != p->zone)
		ret = enter_zone(w, p->zone);
	if (ret)
		return ret;
	if (p->compressed) {
		w->now->compressed += p->length;
		w->now->packed += p->packed;
	} else {
		w->now->plain += p->length;
	}
	return 0;
}

int info_usage_read(const char *path, bool force_share, const char *data_file,
		    struct info_usage *by_state, struct zq_error *err)
{
	struct usage_walk w = { .by_state = by_state, .err = err };
	struct zq_map_opts o = { .force_share = force_share, .data_file = data_file };
	int ret = zones_open(&w.src, path, force_share, data_file, err);

	if (ret)
		return ret;
	memset(by_state, 0, ZQ_NR_STATES * sizeof(*by_state));
	o.force_share |= w.src.mountpoint != NULL;
	ret = zq_map(path, &o, count_piece, &w, err);
	zones_close(&w.src);
	return ret;
}

/* ---- printing -----------------------------------------------------------------------------------
 */

static void usage_line(const char *name, const struct info_usage *u)
{
	char plain[SIZE_TEXT_MAX], compressed[SIZE_TEXT_MAX], file[SIZE_TEXT_MAX];
	uint64_t takes = u->plain + u->packed;

	printf("  %-15s %8" PRIu32 " %12s %12s %12s", name, u->zones, size_format(u->plain, plain),
	       size_format(u->compressed, compressed), size_format(takes, file));
	if (takes)
		printf(" %7.2f\n", (double)(u->plain + u->compressed) / (double)takes);
	else
		printf(" %7s\n", "-");
}

void info_usage_text(const struct info_usage *by_state)
{
	struct info_usage all = { 0 };

	printf("data of zones:\n  %-15s %8s %12s %12s %12s %7s\n", "state", "zones", "plain",
	       "compressed", "in the file", "ratio");
	for (int s = 0; s < ZQ_NR_STATES; s++) {
		const struct info_usage *u = &by_state[s];

		if (!u->zones)
			continue;
		usage_line(zq_state_name((enum zq_zone_state)s), u);
		all.zones += u->zones;
		all.plain += u->plain;
		all.compressed += u->compressed;
		all.packed += u->packed;
	}
	usage_line("all", &all);
}

void info_usage_json(struct json *j, const struct info_usage *by_state)
{
	json_object(j, "usage_by_state");
	for (int s = 0; s < ZQ_NR_STATES; s++) {
		json_object_line(j, zq_state_name((enum zq_zone_state)s));
		json_number(j, "zones", by_state[s].zones);
		json_number(j, "plain", by_state[s].plain);
		json_number(j, "compressed", by_state[s].compressed);
		json_number(j, "compressed_size", by_state[s].packed);
		json_end_object(j);
	}
	json_end_object(j);
}
