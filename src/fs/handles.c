/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A list, and a count of those that are closing; see handles.h.
 */
#include "fs/handles.h"

#include <errno.h>
#include <stdlib.h>

#include "util/cleanup.h"
#include "util/clock.h"

/* A RELEASE is in the kernel's queue before close(2) returns: this is about a thread that has
 * taken it and gets no processor. */
#define SETTLE_NS INT64_C(10000000)

int handles_init(struct handles *all)
{
	*all = (struct handles){ .lock = PTHREAD_MUTEX_INITIALIZER };
	return cond_init_monotonic(&all->gone);
}

void handles_destroy(struct handles *all)
{
	struct handle *h;

	while ((h = all->first)) {
		all->first = h->next;
		free(h);
	}
	pthread_cond_destroy(&all->gone);
	pthread_mutex_destroy(&all->lock);
}

struct handle *handle_new(struct handles *all)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	SCOPE_LOCK(&all->lock);
	h->next = all->first;
	h->back = &all->first;
	if (h->next)
		h->next->back = &h->next;
	all->first = h;
	return h;
}

/* True when it was closing until now. */
static bool not_closing(struct handles *all, struct handle *h)
{
	if (!atomic_load_explicit(&h->closing, memory_order_relaxed) ||
	    !atomic_exchange(&h->closing, 0))
		return false;
	atomic_fetch_sub(&all->nr_closing, 1);
	return true;
}

static void wake(struct handles *all)
{
	SCOPE_LOCK(&all->lock);
	pthread_cond_broadcast(&all->gone);
}

void handle_free(struct handles *all, struct handle *h)
{
	pthread_mutex_lock(&all->lock);
	*h->back = h->next;
	if (h->next)
		h->next->back = h->back;
	not_closing(all, h);
	pthread_cond_broadcast(&all->gone);
	pthread_mutex_unlock(&all->lock);
	free(h);
}

void handle_closing(struct handles *all, struct handle *h)
{
	uint64_t turn = atomic_fetch_add(&all->turns, 1) + 1;

	/* counted first: whoever takes it back must find it counted */
	atomic_fetch_add(&all->nr_closing, 1);
	if (atomic_exchange(&h->closing, turn)) {
		/* its FLUSH before was not of the last descriptor: nobody need wait for that */
		atomic_fetch_sub(&all->nr_closing, 1);
		wake(all);
	}
}

void handle_used(struct handles *all, struct handle *h)
{
	if (not_closing(all, h))
		wake(all);
}

/* ---- waiting ------------------------------------------------------------------------------- */

/* [lock] */
static bool any_closing(const struct handles *all, uint64_t turn)
{
	for (const struct handle *h = all->first; h; h = h->next) {
		uint64_t closing = atomic_load(&h->closing);

		if (closing && closing <= turn)
			return true;
	}
	return false;
}

/* What is left is of descriptors of which others are open. One that was closed later has not
 * been waited for. [lock] */
static void stop_waiting(struct handles *all, uint64_t turn)
{
	for (struct handle *h = all->first; h; h = h->next) {
		uint64_t closing = atomic_load(&h->closing);

		if (closing && closing <= turn &&
		    atomic_compare_exchange_strong(&h->closing, &closing, 0))
			atomic_fetch_sub(&all->nr_closing, 1);
	}
	pthread_cond_broadcast(&all->gone);
}

static void settle(struct handles *all, int64_t ns)
{
	uint64_t turn = atomic_load(&all->turns);
	int64_t deadline;

	if (!atomic_load(&all->nr_closing))
		return;
	deadline = clock_ns(CLOCK_MONOTONIC) + ns;
	SCOPE_LOCK(&all->lock);
	while (any_closing(all, turn))
		if (cond_wait_until(&all->gone, &all->lock, deadline) == -ETIMEDOUT)
			stop_waiting(all, turn);
}

void handles_settle(struct handles *all)
{
	settle(all, SETTLE_NS);
}
