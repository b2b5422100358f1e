/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>

#include "util/hash.h"

#define FIRST_BUCKETS 64u

/* The multiplication spreads keys that differ by a cluster or a chunk only. */
static struct hash_node **bucket_of(const struct hash *h, uint64_t key)
{
	return &h->bucket[(size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) &
			  (h->nr_buckets - 1)];
}

struct hash_node *hash_find(const struct hash *h, uint64_t key)
{
	struct hash_node *n = h->nr ? *bucket_of(h, key) : NULL;

	while (n && n->key != key)
		n = n->next;
	return n;
}

static void link_node(struct hash *h, struct hash_node *node)
{
	struct hash_node **b = bucket_of(h, node->key);

	node->next = *b;
	*b = node;
	h->nr++;
}

static int enlarge(struct hash *h)
{
	struct hash bigger = { .nr_buckets = h->nr_buckets ? h->nr_buckets * 2 : FIRST_BUCKETS };

	bigger.bucket = calloc(bigger.nr_buckets, sizeof(struct hash_node *));
	if (!bigger.bucket)
		return -ENOMEM;
	for (size_t i = 0; i < h->nr_buckets; i++) {
		while (h->bucket[i]) {
			struct hash_node *n = h->bucket[i];

			h->bucket[i] = n->next;
			link_node(&bigger, n);
		}
	}
	free(h->bucket);
	*h = bigger;
	return 0;
}

int hash_add(struct hash *h, struct hash_node *node)
{
	int rc = h->nr < h->nr_buckets ? 0 : enlarge(h);

	if (rc == 0)
		link_node(h, node);
	return rc;
}

void hash_remove(struct hash *h, struct hash_node *node)
{
	struct hash_node **p = bucket_of(h, node->key);

	while (*p != node)
		p = &(*p)->next;
	*p = node->next;
	h->nr--;
}

struct hash_node *hash_next(const struct hash *h, const struct hash_node *prev)
{
	size_t i = 0;

	if (prev && prev->next)
		return prev->next;
	if (prev)
		i = (size_t)(bucket_of(h, prev->key) - h->bucket) + 1;
	while (i < h->nr_buckets && !h->bucket[i])
		i++;
	return i < h->nr_buckets ? h->bucket[i] : NULL;
}

void hash_free(struct hash *h)
{
	for (size_t i = 0; i < h->nr_buckets; i++) {
		while (h->bucket[i]) {
			struct hash_node *n = h->bucket[i];

			h->bucket[i] = n->next;
			free(n);
		}
	}
	free(h->bucket);
	*h = (struct hash){ 0 };
}
