/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hash table of things with a 64-bit key. The node is the thing's first member, so a found
 * node is the thing. The table doubles as it fills and never shrinks. No locks.
 */
#ifndef ZQ_UTIL_HASH_H
#define ZQ_UTIL_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_node {
	uint64_t key;
	struct hash_node *next;
};

struct hash { /* all zeros: empty */
	struct hash_node **bucket;
	size_t nr_buckets, nr;
};

/* The node of that key, or NULL. */
struct hash_node *hash_find(const struct hash *h, uint64_t key);
/* Adds a node whose key is set and not in the table yet. -ENOMEM: it is not added. */
int hash_add(struct hash *h, struct hash_node *node);
/* Takes a node out of the table, which has it. */
void hash_remove(struct hash *h, struct hash_node *node);
/* The first node after prev in no particular order, NULL at the end; prev NULL: the first. */
struct hash_node *hash_next(const struct hash *h, const struct hash_node *prev);
/* Empties the table and frees each node with free(). */
void hash_free(struct hash *h);

#endif
