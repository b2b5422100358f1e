/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of layouts of the zoned extension, and what can be asked of a row. Pure.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "qcow2/format/zoned_layout.h"
#include "util/math.h"

#define BIT(n)	      (UINT64_C(1) << (n))
#define BITS_BELOW(n) (BIT(n) - 1)

static const struct zoned_layout layouts[] = {
	{
		.name = "44",
		.revision = "the series of autumn 2026",
		.len = 44,
		.nr_zones = { 4, 4 },
		.zone_size = { 8, 8 },
		.zone_capacity = { 16, 8 },
		.meta_offset = { 24, 8 },
		.nr_conv = { 32, 4 },
		.max_active = { 36, 4 },
		.max_open = { 40, 4 },
		.conv_flag = BIT(63),
		.wp_mask = BITS_BELOW(63),
		.ends_at_capacity = true,
		.whole_blocks = true,
		.whole_clusters = true,
		.max_zones = 1u << 20,
	},
	{
		.name = "56",
		.revision = "the series of 2024 to spring 2026",
		.len = 56,
		.zone_size = { 4, 8 },
		.zone_capacity = { 12, 8 },
		.nr_conv = { 20, 4 },
		.nr_zones = { 24, 4 },
		.max_active = { 28, 4 },
		.max_open = { 32, 4 },
		.max_append = { 36, 4 },
		.meta_size = { 40, 8 },
		.meta_offset = { 48, 8 },
		.conv_flag = BIT(59),
		.wp_mask = BITS_BELOW(59),
		.host_order = true,
		.append_margin = ZQ_BLOCK,
	},
	{
		.name = "48",
		.revision = "the series of 2023",
		.len = 48,
		.zone_size = { 4, 4 },
		.zone_capacity = { 8, 4 },
		.nr_conv = { 12, 4 },
		.nr_zones = { 16, 4 },
		.max_active = { 20, 4 },
		.max_open = { 24, 4 },
		.max_append = { 28, 4 },
		.meta_size = { 32, 8 },
		.meta_offset = { 40, 8 },
		.conv_flag = BIT(59),
		.wp_mask = BITS_BELOW(59),
		.host_order = true,
		.append_margin = ZQ_BLOCK,
	},
	{
		.name = "48b",
		.revision = "the series of summer 2026",
		.len = 48,
		.nr_zones = { 4, 4 },
		.zone_size = { 8, 8 },
		.zone_capacity = { 16, 8 },
		.nr_conv = { 24, 4 },
		.max_active = { 28, 4 },
		.max_open = { 32, 4 },
		.max_append = { 36, 4 },
		.meta_offset = { 40, 8 },
		.conv_flag = BIT(63),
		.wp_mask = BITS_BELOW(63),
		.ends_at_capacity = true,
		.max_zones = 1u << 20,
		.append_margin = ZQ_BLOCK,
	},
#ifdef ZONED_LAYOUT_EXTRA /* a row that a test adds */
#include ZONED_LAYOUT_EXTRA
#endif
};

const struct zoned_layout *zoned_layout_at(unsigned i)
{
	return i < ARRAY_SIZE(layouts) ? &layouts[i] : NULL;
}

const struct zoned_layout *zoned_layout_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
		if (!strcmp(layouts[i].name, name))
			return &layouts[i];
	return NULL;
}

const struct zoned_layout *zoned_layout_for(bool max_append)
{
	const struct zoned_layout *l = layouts;

	while (max_append && !zoned_layout_has(l->max_append))
		l++;
	return l;
}

static void add_to_list(char text[ZONED_LIST_MAX], const char *word)
{
	size_t used = strlen(text);

	snprintf(text + used, ZONED_LIST_MAX - used, "%s%s", used ? ", " : "", word);
}

const char *zoned_layout_names(char text[ZONED_LIST_MAX])
{
	*text = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
		add_to_list(text, layouts[i].name);
	return text;
}

const char *zoned_layout_lengths(char text[ZONED_LIST_MAX])
{
	uint32_t last = 0;

	*text = '\0';
	for (;;) {
		uint32_t next = UINT32_MAX;
		char number[12];

		for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
			if (layouts[i].len > last && layouts[i].len < next)
				next = layouts[i].len;
		if (next == UINT32_MAX)
			return text;
		snprintf(number, sizeof(number), "%" PRIu32, next);
		add_to_list(text, number);
		last = next;
	}
}

/* ---- what a layout can hold -------------------------------------------------------------- */

static int check_width(const struct zoned_layout *l, struct zoned_field f, const char *name,
		       uint64_t value, struct zq_error *err)
{
	if (f.bytes == 8 || value <= UINT32_MAX)
		return 0;
	return zq_fail(err, -EINVAL, "%s %" PRIu64 " does not fit layout %s (below 4 GiB)", name,
		       value, l->name);
}

/* The largest pointer is that of a finished last zone. */
static int check_largest_pointer(const struct zoned_layout *l, const struct zq_geometry *g,
				 struct zq_error *err)
{
	uint64_t end = g->nr_zones * g->zone_size;

	if (end <= l->wp_mask)
		return 0;
	return zq_fail(err, -EINVAL,
		       "size %" PRIu64 " in zones of %" PRIu64
		       " passes the largest write pointer of layout %s, %" PRIu64,
		       g->size, g->zone_size, l->name, l->wp_mask);
}

int zoned_layout_fits(const struct zoned_layout *l, const struct zq_geometry *g,
		      uint64_t cluster_size, struct zq_error *err)
{
	int ret = check_width(l, l->zone_size, "zone_size", g->zone_size, err);

	if (!ret)
		ret = check_width(l, l->zone_capacity, "zone_capacity", g->zone_capacity, err);
	if (!ret)
		ret = check_largest_pointer(l, g, err);
	if (ret)
		return ret;
	if (l->whole_clusters && !is_aligned(g->zone_size, cluster_size))
		return zq_fail(err, -EINVAL,
			       "zone_size %" PRIu64
			       " is not a multiple of the cluster size %" PRIu64
			       ", which layout %s needs",
			       g->zone_size, cluster_size, l->name);
	if (l->max_zones && g->nr_zones > l->max_zones)
		return zq_fail(err, -EINVAL,
			       "nr_zones %" PRIu32 " is larger than %" PRIu32
			       ", the most that layout %s allows",
			       g->nr_zones, l->max_zones, l->name);
	if (g->max_append && !zoned_layout_has(l->max_append))
		return zq_fail(err, -EINVAL,
			       "max_append_bytes %" PRIu32 " does not fit layout %s, which has no "
			       "such field",
			       g->max_append, l->name);
	return 0;
}
