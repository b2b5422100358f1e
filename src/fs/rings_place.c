/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/rings_place.h"

#include "util/math.h"

#define FREE_NS	  INT64_C(50000000) /* how long nobody is bound at first */
#define MAX_TURNS 3u		    /* twice as long each time, up to 400 ms */

bool place_request(struct rings_place *p, struct place_count *c, uint32_t client, unsigned queue)
{
	_Atomic uint64_t *slot = &p->client[client % PLACE_CLIENTS];
	uint64_t now = (uint64_t)client << 32 | queue;
	uint64_t last = atomic_load_explicit(slot, memory_order_relaxed);

	if (last != now) {
		c->moved += last >> 32 == client;
		atomic_store_explicit(slot, now, memory_order_relaxed);
	}
	return ++c->nr >= PLACE_WINDOW;
}

static bool shall_be_free(struct rings_place *p, const struct place_count *c, int64_t now,
			  bool crowded)
{
	int64_t until = atomic_load(&p->free_until);

	if (now < until)
		return true;
	if (c->free) /* what was counted then says nothing */
		return false;
	if (c->moved < PLACE_MANY && !crowded) {
		atomic_store(&p->turns, 0);
		return false;
	}
	/* of several threads that see it at once one counts */
	if (atomic_compare_exchange_strong(
		    &p->free_until, &until,
		    now + (FREE_NS << min_u64(atomic_load(&p->turns), MAX_TURNS))))
		atomic_fetch_add(&p->turns, 1);
	return true;
}

bool place_decide(struct rings_place *p, struct place_count *c, int64_t now, uint64_t sleeps,
		  bool idle)
{
	bool before = c->free, crowded = idle && sleeps - c->sleeps < PLACE_SLEEPS;

	*c = (struct place_count){ .free = shall_be_free(p, c, now, crowded), .sleeps = sleeps };
	return c->free != before;
}
