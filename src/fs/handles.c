/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A list of the open writers; see handles.h.
 */
#include "fs/handles.h"

#include <stdlib.h>

#include "util/cleanup.h"

void handles_init(struct handles *all)
{
	*all = (struct handles){ .lock = PTHREAD_MUTEX_INITIALIZER };
}

void handles_destroy(struct handles *all)
{
	struct handle *h;

	while ((h = all->first)) {
		all->first = h->next;
		free(h);
	}
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
	atomic_fetch_add(&all->nr, 1);
	return h;
}

void handle_free(struct handles *all, struct handle *h)
{
	pthread_mutex_lock(&all->lock);
	*h->back = h->next;
	if (h->next)
		h->next->back = h->back;
	atomic_fetch_sub(&all->nr, 1);
	pthread_mutex_unlock(&all->lock);
	free(h);
}
