/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What threads of the rings tell each other: how far the beginning is, and that it is over; see
 * serve_rings.h.
 */
#include "fs/serve_rings.h"

#include <errno.h>
#include <stdlib.h>

#include "util/cleanup.h"

int rings_opened(struct serve_rings *r, unsigned queue, int rc, bool *leads)
{
	SCOPE_LOCK(&r->lock);
	*leads = r->phase == RINGS_OPEN && !r->life[queue].led;
	if (r->phase == RINGS_OPEN) {
		r->life[queue].led = true;
		r->nr_done++;
		r->rc = r->rc ? r->rc : rc;
		pthread_cond_broadcast(&r->changed);
	}
	while (r->phase == RINGS_OPEN || (r->phase == RINGS_ENTER && !*leads))
		pthread_cond_wait(&r->changed, &r->lock);
	return r->phase == RINGS_OFF ? -ECANCELED : rc;
}

int rings_entered(struct serve_rings *r, int rc)
{
	SCOPE_LOCK(&r->lock);
	r->nr_done++;
	r->rc = r->rc ? r->rc : rc;
	pthread_cond_broadcast(&r->changed);
	while (r->phase == RINGS_ENTER)
		pthread_cond_wait(&r->changed, &r->lock);
	return r->phase == RINGS_OFF ? -ECANCELED : rc;
}

void rings_leave(struct serve *s)
{
	struct serve_rings *r = s->rings;

	if (!r)
		return;
	SCOPE_LOCK(&r->lock);
	r->phase = RINGS_OFF;
	pthread_cond_broadcast(&r->changed);
}

void rings_free(struct serve *s)
{
	struct serve_rings *r = s->rings;

	if (!r)
		return;
	rings_leave(s);
	if (r->watched)
		pthread_join(r->watchdog, NULL);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	s->rings = NULL;
	free(s->queues);
	s->queues = NULL;
	free(r->life);
	free(r);
}
