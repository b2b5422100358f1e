/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tree as arithmetic: which names, node numbers and inode numbers there are for a number
 * of zones. Pure: no memory, no locks, no FUSE, no device. SEMANTICS section 1.
 */
#ifndef ZQ_FS_TREE_H
#define ZQ_FS_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include <zqfs/geometry.h>

#define TREE_NAME_MAX 16 /* longest name that is not "too long" */
#define TREE_NAME_ROOM                                                                             \
	ZQ_ZONE_NAME_MAX /* room for a name, or for a path as in messages, and its NUL */

/* What FUSE knows an object by. A file's node is its (first) zone + TREE_ZONES. */
enum { TREE_NONE = 0, TREE_ROOT = 1, TREE_CNV = 2, TREE_SEQ = 3, TREE_ZONES = 4 };

struct tree {
	uint32_t nr_zones, nr_conv;
	bool aggr; /* one file for all conventional zones */
	bool flat; /* layout=zloop: no folders */
};

/* Files for conventional and for sequential zones. */
uint32_t tree_nr_cnv(const struct tree *t);
uint32_t tree_nr_seq(const struct tree *t);

/* True for a node that exists. */
bool tree_valid(const struct tree *t, uint64_t node);
static inline bool tree_is_file(uint64_t node)
{
	return node >= TREE_ZONES;
}
static inline uint64_t tree_node_of_zone(uint32_t zone)
{
	return (uint64_t)zone + TREE_ZONES;
}
/* The zone of a file's node; the first of them for the aggregated file. */
static inline uint32_t tree_zone(uint64_t node)
{
	return (uint32_t)(node - TREE_ZONES);
}

/* The number that stat shows. */
uint64_t tree_ino(const struct tree *t, uint64_t node);
/* The folder that a node stands in; the root's is the root. */
uint64_t tree_parent(const struct tree *t, uint64_t node);

/* Number of entries of a folder without "." and "..". */
uint32_t tree_entries(const struct tree *t, uint64_t dir);
/* Entry i < tree_entries() of a folder: its node, and its name (TREE_NAME_ROOM bytes). */
uint64_t tree_entry(const struct tree *t, uint64_t dir, uint32_t i, char *name);
/* The node of that name, TREE_NONE if there is none. Names are canonical: no "00". */
uint64_t tree_lookup(const struct tree *t, uint64_t dir, const char *name);

/* "seq/3": a node's path in the mount, TREE_NAME_ROOM bytes. Returns buf. */
char *tree_path(const struct tree *t, uint64_t node, char *buf);

/* The node as messages name it: a zone by both numbers, "zone 5 (seq/3)", anything else by its
 * path. ZQ_ZONE_LABEL_MAX bytes. Returns buf. */
char *tree_label(const struct tree *t, uint64_t node, char *buf);

#endif
