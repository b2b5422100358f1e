/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order in which the kernel has sent the requests: pure. It numbers them in twos and hands
 * them out in that order, but a thread that has been given one may get no processor for a
 * while, so that a later one is served first. This remembers which numbers have been seen, so
 * that whoever has a request can tell whether an earlier one is still on its way.
 *
 * Safe from any thread, without a lock.
 */
#ifndef ZQ_FS_ORDER_H
#define ZQ_FS_ORDER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define ORDER_SLOTS 1024u

struct order {
	_Atomic uint64_t slot[ORDER_SLOTS]; /* the latest number seen of those that share it */
	_Atomic uint64_t whole;		    /* up to here all have been seen */
};

/* A thread has the request in hand. */
void order_seen(struct order *o, uint64_t unique);
/* Have all requests been seen that the kernel sent before this one, which has? Of those that came
 * more than ORDER_SLOTS before it that is taken for granted. */
bool order_is_whole(struct order *o, uint64_t unique);
/* What is missing before this one will never come: its caller was killed before a thread had it. */
void order_give_up(struct order *o, uint64_t unique);

#endif
