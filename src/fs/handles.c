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

void handle_free(struct handles *all, struct handle *h)
{
	pthread_mutex_lock(&all->lock);
	*h->back = h->next;
	if (h->next)
		h->next->back = h->back;
	handle_used(all, h);
	pthread_cond_broadcast(&all->gone);
	pthread_mutex_unlock(&all->lock);
	free(h);
}

void handle_closing(struct handles *all, struct handle *h)
{
	if (!atomic_exchange(&h->closing, true))
		atomic_fetch_add(&all->nr_closing, 1);
}

void handle_used(struct handles *all, struct handle *h)
{
	if (atomic_load_explicit(&h->closing, memory_order_relaxed) &&
	    atomic_exchange(&h->closing, false))
		atomic_fetch_sub(&all->nr_closing, 1);
}

void handles_settle(struct handles *all)
{
	int64_t deadline;

	if (!atomic_load(&all->nr_closing))
		return;
	deadline = clock_ns(CLOCK_MONOTONIC) + SETTLE_NS;
	SCOPE_LOCK(&all->lock);
	while (atomic_load(&all->nr_closing))
		if (cond_wait_until(&all->gone, &all->lock, deadline) == -ETIMEDOUT)
			break;
	/* What is left are descriptors of which others are open. */
	if (atomic_load(&all->nr_closing))
		for (struct handle *h = all->first; h; h = h->next)
			handle_used(all, h);
}
