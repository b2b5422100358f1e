/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A ring of numbers; see order.h.
 */
#include "fs/order.h"

#include "util/math.h"

#define STEP 2u /* an odd number is that of an interrupt, which has no order */

static _Atomic uint64_t *slot_of(struct order *o, uint64_t unique)
{
	return &o->slot[unique / STEP % ORDER_SLOTS];
}

/* Two threads may come with numbers that share a slot, or with two of the ends of what is whole. */
static void raise_to(_Atomic uint64_t *to, uint64_t unique)
{
	uint64_t old = atomic_load_explicit(to, memory_order_relaxed);

	while (old < unique &&
	       !atomic_compare_exchange_weak_explicit(to, &old, unique, memory_order_release,
						      memory_order_relaxed))
		;
}

void order_seen(struct order *o, uint64_t unique)
{
	if (unique % STEP == 0)
		raise_to(slot_of(o, unique), unique);
}

bool order_is_whole(struct order *o, uint64_t unique)
{
	uint64_t from = atomic_load_explicit(&o->whole, memory_order_acquire);

	if (unique > ORDER_SLOTS * STEP)
		from = max_u64(from, unique - ORDER_SLOTS * STEP);
	for (uint64_t u = from / STEP * STEP + STEP; u < unique; u += STEP)
		if (atomic_load_explicit(slot_of(o, u), memory_order_acquire) < u)
			return false;
	raise_to(&o->whole, unique);
	return true;
}

void order_give_up(struct order *o, uint64_t unique)
{
	raise_to(&o->whole, unique);
}
