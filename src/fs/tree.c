/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names and numbers of the tree; see tree.h. Everything is computed, so that a million zones
 * cost nothing here.
 */
#include "fs/tree.h"

#include <stdio.h>
#include <string.h>

#include "util/size.h"

uint32_t tree_nr_cnv(const struct tree *t)
{
	return t->aggr && t->nr_conv ? 1 : t->nr_conv;
}

uint32_t tree_nr_seq(const struct tree *t)
{
	return t->nr_zones - t->nr_conv;
}

bool tree_valid(const struct tree *t, uint64_t node)
{
	uint64_t zone = node - TREE_ZONES;

	if (node == TREE_ROOT)
		return true;
	if (node == TREE_CNV)
		return !t->flat && t->nr_conv;
	if (node == TREE_SEQ)
		return !t->flat;
	if (node < TREE_ZONES || zone >= t->nr_zones)
		return false;
	return zone >= t->nr_conv || !t->aggr || zone == 0;
}

uint64_t tree_ino(const struct tree *t, uint64_t node)
{
	/* zonefs's numbers plus one: readdir hides an entry with inode 0. */
	if (tree_is_file(node))
		return (uint64_t)tree_zone(node) + 1;
	return (uint64_t)t->nr_zones + node;
}

uint64_t tree_parent(const struct tree *t, uint64_t node)
{
	if (!tree_is_file(node) || t->flat)
		return TREE_ROOT;
	return tree_zone(node) < t->nr_conv ? TREE_CNV : TREE_SEQ;
}

uint32_t tree_entries(const struct tree *t, uint64_t dir)
{
	if (dir == TREE_CNV)
		return tree_nr_cnv(t);
	if (dir == TREE_SEQ)
		return tree_nr_seq(t);
	return t->flat ? tree_nr_cnv(t) + tree_nr_seq(t) : 1 + (t->nr_conv != 0);
}

uint64_t tree_entry(const struct tree *t, uint64_t dir, uint32_t i, char *name)
{
	uint32_t nr_cnv = tree_nr_cnv(t), zone;
	bool cnv;

	if (dir == TREE_ROOT && !t->flat) {
		cnv = nr_cnv && i == 0;
		snprintf(name, TREE_NAME_ROOM, "%s", cnv ? "cnv" : "seq");
		return cnv ? TREE_CNV : TREE_SEQ;
	}
	cnv = dir == TREE_CNV || (dir == TREE_ROOT && i < nr_cnv);
	if (cnv)
		zone = i;
	else
		zone = t->nr_conv + i - (dir == TREE_ROOT ? nr_cnv : 0);
	if (t->flat)
		zq_zone_name(t->nr_conv, zone, ZQ_NAMES_FLAT, name);
	else
		snprintf(name, TREE_NAME_ROOM, "%u", i);
	return tree_node_of_zone(zone);
}

/* The index of the entry that a name could only be, by what is written in it. */
static bool index_of(const struct tree *t, uint64_t dir, const char *name, uint32_t *index)
{
	uint64_t n;

	if (dir != TREE_ROOT) {
		if (number_parse(name, UINT32_MAX, &n))
			return false;
	} else if (!t->flat) {
		n = !strcmp(name, "seq") && t->nr_conv ? 1 : 0;
	} else {
		if (strnlen(name, 4) < 4 || number_parse(name + 4, UINT32_MAX, &n))
			return false;
		/* The number is the zone's; entries count files. */
		if (n >= t->nr_conv)
			n -= t->nr_conv - tree_nr_cnv(t);
	}
	*index = (uint32_t)n;
	return n < tree_entries(t, dir);
}

uint64_t tree_lookup(const struct tree *t, uint64_t dir, const char *name)
{
	char canonical[TREE_NAME_ROOM];
	uint32_t i;
	uint64_t node;

	if (tree_is_file(dir) || !index_of(t, dir, name, &i))
		return TREE_NONE;
	/* Leading zeros, signs and the wrong prefix do not survive the way there and back. */
	node = tree_entry(t, dir, i, canonical);
	return strcmp(name, canonical) ? TREE_NONE : node;
}

char *tree_path(const struct tree *t, uint64_t node, char *buf)
{
	if (node == TREE_ROOT)
		snprintf(buf, TREE_NAME_ROOM, "/");
	else if (!tree_is_file(node))
		snprintf(buf, TREE_NAME_ROOM, "%s", node == TREE_CNV ? "cnv" : "seq");
	else
		zq_zone_name(t->nr_conv, tree_zone(node),
			     t->flat ? ZQ_NAMES_FLAT : ZQ_NAMES_FOLDERS, buf);
	return buf;
}

char *tree_label(const struct tree *t, uint64_t node, char *buf)
{
	char path[TREE_NAME_ROOM];

	tree_path(t, node, path);
	if (tree_is_file(node))
		snprintf(buf, ZQ_ZONE_LABEL_MAX, "zone %u (%s)", tree_zone(node), path);
	else
		snprintf(buf, ZQ_ZONE_LABEL_MAX, "%s", path);
	return buf;
}
