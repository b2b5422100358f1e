/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Open addressing: an offset is in the first slot from its own on that has it, and no slot between
 * is free.
 */
#include <errno.h>
#include <stdlib.h>

#include "util/offset_set.h"

#define COUNT	    UINT64_C(511)
#define FIRST_SLOTS 64u

static size_t own_slot(const struct offset_set *s, uint64_t off)
{
	return (size_t)((off * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (s->nr_slots - 1);
}

/* The slot that has the offset, or the free one where it would go. There is a free one. */
static size_t set_slot(const struct offset_set *s, uint64_t off)
{
	size_t i = own_slot(s, off);

	while (s->slot[i] && (s->slot[i] & ~COUNT) != off)
		i = (i + 1) & (s->nr_slots - 1);
	return i;
}

static int double_slots(struct offset_set *s)
{
	struct offset_set bigger = { .nr_slots = s->nr_slots ? s->nr_slots * 2 : FIRST_SLOTS,
				     .nr = s->nr };

	bigger.slot = calloc(bigger.nr_slots, sizeof(*bigger.slot));
	if (!bigger.slot)
		return -ENOMEM;
	for (size_t i = 0; i < s->nr_slots; i++)
		if (s->slot[i])
			bigger.slot[set_slot(&bigger, s->slot[i] & ~COUNT)] = s->slot[i];
	free(s->slot);
	*s = bigger;
	return 0;
}

int offset_set_add(struct offset_set *s, uint64_t off)
{
	size_t i;
	int rc = s->nr * 2 < s->nr_slots ? 0 : double_slots(s);

	if (rc < 0)
		return rc;
	i = set_slot(s, off);
	if (!s->slot[i]) {
		s->slot[i] = off | 1;
		s->nr++;
	} else if ((s->slot[i] & COUNT) < COUNT) {
		s->slot[i]++;
	}
	return 0;
}

/* Frees a slot, and moves into it what could not be found behind a free one. */
static void free_slot(struct offset_set *s, size_t gap)
{
	size_t mask = s->nr_slots - 1;

	for (size_t i = (gap + 1) & mask; s->slot[i]; i = (i + 1) & mask) {
		size_t own = own_slot(s, s->slot[i] & ~COUNT);

		if (((i - own) & mask) < ((i - gap) & mask))
			continue; /* its own slot lies behind the gap */
		s->slot[gap] = s->slot[i];
		gap = i;
	}
	s->slot[gap] = 0;
	s->nr--;
}

void offset_set_remove(struct offset_set *s, uint64_t off)
{
	size_t i;

	if (!offset_set_count(s, off))
		return;
	i = set_slot(s, off);
	if ((s->slot[i] & COUNT) == 1)
		free_slot(s, i);
	else if ((s->slot[i] & COUNT) < COUNT)
		s->slot[i]--;
}

unsigned offset_set_count(const struct offset_set *s, uint64_t off)
{
	return s->nr ? (unsigned)(s->slot[set_slot(s, off)] & COUNT) : 0;
}

void offset_set_free(struct offset_set *s)
{
	free(s->slot);
	*s = (struct offset_set){ 0 };
}
