/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "turns.h"

#include "util/clock.h"

#define MSEC	INT64_C(1000000)
#define HELD_MS 20

static int stand_still(void *data, enum memio_op op, uint64_t off, uint64_t len, uint64_t *apply)
{
	int64_t until = clock_ns(CLOCK_MONOTONIC) + HELD_MS * MSEC;
	struct turns *t = data;

	(void)op, (void)off, (void)len, (void)apply;
	if (pthread_equal(pthread_self(), t->own))
		return 0;
	pthread_mutex_lock(&t->lock);
	t->taken++;
	t->waits = true;
	t->go = false;
	pthread_cond_broadcast(&t->cond);
	while (t->on && !t->go && cond_wait_until(&t->cond, &t->lock, until) == 0)
		;
	t->waits = false;
	pthread_mutex_unlock(&t->lock);
	return 0;
}

void turns_begin(struct turns *t, struct memio *m)
{
	*t = (struct turns){ .own = pthread_self(), .on = true };
	pthread_mutex_init(&t->lock, NULL);
	cond_init_monotonic(&t->cond);
	memio_set_hook(m, stand_still, t);
}

bool turns_wait(struct turns *t, unsigned ms)
{
	int64_t until = clock_ns(CLOCK_MONOTONIC) + ms * MSEC;
	bool waits;

	pthread_mutex_lock(&t->lock);
	while (!t->waits && cond_wait_until(&t->cond, &t->lock, until) == 0)
		;
	waits = t->waits;
	pthread_mutex_unlock(&t->lock);
	return waits;
}

void turns_give(struct turns *t)
{
	pthread_mutex_lock(&t->lock);
	t->go = true;
	t->waits = false;
	pthread_cond_broadcast(&t->cond);
	pthread_mutex_unlock(&t->lock);
}

/* A thread may still be in the hook: locks stay as they are. */
void turns_end(struct turns *t, struct memio *m)
{
	memio_set_hook(m, NULL, NULL);
	pthread_mutex_lock(&t->lock);
	t->on = false;
	pthread_cond_broadcast(&t->cond);
	pthread_mutex_unlock(&t->lock);
}
