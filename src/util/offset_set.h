/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often each of many offsets is referred to. Offsets are multiples of 512, which leaves room
 * for the count: 8 bytes for each offset, half of the slots free. No locks.
 */
#ifndef ZQ_UTIL_OFFSET_SET_H
#define ZQ_UTIL_OFFSET_SET_H

#include <stddef.h>
#include <stdint.h>

struct offset_set {	/* all zeros: empty */
	uint64_t *slot; /* offset | count, 0: free */
	size_t nr_slots, nr;
};

/* One reference more; off is not 0. Counts stop at 511, and such an offset is never removed.
 * -ENOMEM: nothing has changed. */
int offset_set_add(struct offset_set *s, uint64_t off);
/* One reference less, if there is any. */
void offset_set_remove(struct offset_set *s, uint64_t off);
unsigned offset_set_count(const struct offset_set *s, uint64_t off);
void offset_set_free(struct offset_set *s);

#endif
