/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocks that say which write of zrace they belong to. Pure.
 */
#ifndef ZQ_TEST_RACE_BLOCK_H
#define ZQ_TEST_RACE_BLOCK_H

#include "race.h"

#define MAX_WRITES  (1u << 21)
#define BLOCK_MAGIC 0x7a71667372616365u

/* One block of a write; the rest of the 512 bytes follows from these. */
struct block {
	uint64_t magic, write, who;
	uint32_t index, count;
	uint64_t rest[BLOCK / 8 - 4];
};
_Static_assert(sizeof(struct block) == BLOCK, "a block is what a zone grows by");

static inline void block_fill(void *to, uint64_t write, uint64_t who, uint32_t count)
{
	struct block *b = to;

	for (uint32_t i = 0; i < count; i++) {
		b[i] = (struct block){ BLOCK_MAGIC, write, who, i, count, { 0 } };
		for (size_t k = 0; k < sizeof(b->rest) / 8; k++)
			b[i].rest[k] = race_mix(write * 4096 + i + k);
	}
}

static inline bool block_is_zero(const struct block *b)
{
	static const struct block zero;

	return !memcmp(b, &zero, sizeof(zero));
}

/* NULL, or what is wrong with it. */
static inline const char *block_fault(const struct block *b)
{
	struct block want;

	if (b->magic != BLOCK_MAGIC || !b->write || b->write >= MAX_WRITES || b->index >= b->count)
		return "no block";
	want = (struct block){ BLOCK_MAGIC, b->write, b->who, b->index, b->count, { 0 } };
	for (size_t k = 0; k < sizeof(b->rest) / 8; k++)
		want.rest[k] = race_mix(b->write * 4096 + b->index + k);
	return memcmp(b, &want, sizeof(want)) ? "a mixture" : NULL;
}

/* Is seen a good block, of which some bytes were still zeros when they were looked at? */
static inline bool block_is_mixed(const struct block *seen, const struct block *good)
{
	const unsigned char *s = (const void *)seen, *g = (const void *)good;

	if (block_fault(good))
		return false;
	for (size_t i = 0; i < BLOCK; i++)
		if (s[i] && s[i] != g[i])
			return false;
	return true;
}

#endif
