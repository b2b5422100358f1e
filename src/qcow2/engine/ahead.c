/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading ahead of compressed clusters. A thread looks a cluster up and unpacks it as a reader
 * would, within one image_io_begin and image_io_end: so what it leaves in the cache of
 * decompressed clusters is forgotten when the cluster is let go, exactly as what a reader leaves.
 * Nothing that was looked up outlives that; what is kept of readers is where they are. Damage is
 * met again by whoever asks for it.
 */
#include "qcow2/engine/ahead.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "qcow2/engine/compress.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/l2.h"
#include "util/math.h"

#define MAX_THREADS 7u
#define STREAMS	    8u
#define NEAR	    (UINT64_C(256) << 10) /* pieces of one stream may come in any order */
#define WINDOW	    (UINT64_C(1) << 20)	  /* so many bytes ahead, and at least a cluster */

/* Somebody who reads in order. */
struct ahead_stream {
	uint64_t end;	  /* guest offset behind the furthest read */
	uint64_t next;	  /* the cluster to unpack next */
	uint64_t goal;	  /* up to here; next >= goal: nothing to do */
	uint64_t used;	  /* for the choice of a victim */
	unsigned forward; /* reads in order so far */
};

struct qcow2_ahead {
	pthread_mutex_t lock; /* everything below; no other lock is taken under it */
	pthread_cond_t cond;  /* there is work, or it is time to stop */
	struct ahead_stream stream[STREAMS];
	uint64_t clock;
	uint64_t window;    /* bytes, constant */
	atomic_uint wanted; /* threads; 0: off */
	unsigned nr, idle;  /* threads that there are; that wait */
	bool stop;
	pthread_t thread[MAX_THREADS];
};

int ahead_init(struct qcow2_image *img)
{
	struct qcow2_ahead *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->cond, NULL);
	/* so that several streams find what was unpacked for them */
	a->window = min_u64(max_u64(WINDOW, img->cluster_size), max_u64(decomp_room(img) / 4, 1)
									<< img->cluster_bits);
	img->ahead = a;
	return 0;
}

void ahead_destroy(struct qcow2_image *img)
{
	struct qcow2_ahead *a = img->ahead;

	if (!a)
		return;
	qcow2_stop_ahead(img);
	pthread_cond_destroy(&a->cond);
	pthread_mutex_destroy(&a->lock);
	free(a);
	img->ahead = NULL;
}

/* ---- the threads ----------------------------------------------------------------------------- */

/* The nearest cluster that somebody will want. What he has reached meanwhile is left out. [lock] */
static bool cluster_to_unpack(struct qcow2_image *img, uint64_t *guest)
{
	struct qcow2_ahead *a = img->ahead;

	for (struct ahead_stream *s = a->stream; s < a->stream + STREAMS; s++) {
		s->next = max_u64(s->next, align_up(s->end, img->cluster_size));
		if (s->next >= s->goal)
			continue;
		*guest = s->next;
		s->next += img->cluster_size;
		return true;
	}
	return false;
}

/* The descriptor of the cluster, if it is compressed. Of damage the reader is told. */
static bool find_compressed(struct qcow2_image *img, uint64_t guest, uint64_t *desc)
{
	struct l2_ref ref;
	bool found = false;

	SCOPE_IMAGE_LOCK(img);
	if (l2_pin(img, guest, false, &ref) < 0)
		return false;
	if (ref.slice) {
		struct l2_entry e = l2_get(img, &ref, ref.index);

		found = l2_kind(img, guest, e, 0) == L2_COMPRESSED;
		*desc = e.desc;
	}
	l2_unpin(img, &ref);
	return found;
}

static void unpack_ahead(struct qcow2_image *img, uint64_t guest)
{
	unsigned token = image_io_begin(img);
	uint64_t desc;

	if (find_compressed(img, guest, &desc))
		decomp_read_ahead(img, desc);
	image_io_end(img, token);
}

static void *ahead_main(void *data)
{
	struct qcow2_image *img = data;
	struct qcow2_ahead *a = img->ahead;
	uint64_t guest;

	locks_take(&a->lock, LOCK_AHEAD);
	while (!a->stop) {
		if (!cluster_to_unpack(img, &guest)) {
			a->idle++;
			pthread_cond_wait(&a->cond, &a->lock);
			a->idle--;
			continue;
		}
		locks_give(&a->lock, LOCK_AHEAD);
		unpack_ahead(img, guest);
		locks_take(&a->lock, LOCK_AHEAD);
	}
	locks_give(&a->lock, LOCK_AHEAD);
	return NULL;
}

/* As many as there can be: without any the readers do it all. [lock] */
static void start_unpackers(struct qcow2_image *img)
{
	struct qcow2_ahead *a = img->ahead;
	sigset_t all, old;

	sigfillset(&all); /* the program's signals are for its own threads */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (a->nr < atomic_load(&a->wanted) &&
	       pthread_create(&a->thread[a->nr], NULL, ahead_main, img) == 0)
		a->nr++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!a->nr)
		atomic_store(&a->wanted, 0);
}

void qcow2_start_ahead(struct qcow2_image *img)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	/* whoever reads unpacks as well; beside a writer what is read may be old at once */
	for (; cpus > 1 && img; img = qcow2_base(img))
		if (!img->seen_header)
			atomic_store(&img->ahead->wanted,
				     (unsigned)min_u64((uint64_t)cpus - 1, MAX_THREADS));
}

static void stop_unpackers(struct qcow2_ahead *a)
{
	atomic_store(&a->wanted, 0);
	locks_take(&a->lock, LOCK_AHEAD);
	a->stop = true;
	pthread_cond_broadcast(&a->cond);
	locks_give(&a->lock, LOCK_AHEAD);
	for (unsigned i = 0; i < a->nr; i++) /* while it stops none is added */
		pthread_join(a->thread[i], NULL);
	locks_take(&a->lock, LOCK_AHEAD);
	a->nr = 0;
	a->stop = false;
	locks_give(&a->lock, LOCK_AHEAD);
}

void qcow2_stop_ahead(struct qcow2_image *img)
{
	for (; img; img = qcow2_base(img))
		stop_unpackers(img->ahead);
}

/* ---- who reads in order
 * -------------------------------------------------------------------------- */

/* The stream that a read at off belongs to, or the one to replace. [lock] */
static struct ahead_stream *stream_near(struct qcow2_ahead *a, uint64_t off)
{
	struct ahead_stream *oldest = a->stream;

	for (struct ahead_stream *s = a->stream; s < a->stream + STREAMS; s++) {
		if (s->used && off + NEAR >= s->end && off <= s->end + NEAR)
			return s;
		if (s->used < oldest->used)
			oldest = s;
	}
	*oldest = (struct ahead_stream){ .end = off };
	return oldest;
}

/* [lock] */
static void go_forward(struct qcow2_image *img, struct ahead_stream *s, uint64_t end)
{
	struct qcow2_ahead *a = img->ahead;

	s->used = ++a->clock;
	if (end <= s->end)
		return;
	s->end = end;
	if (++s->forward < 3)
		return;
	s->goal = min_u64(align_up(end, img->cluster_size) + a->window, img->hdr.size);
	if (a->nr < atomic_load(&a->wanted))
		start_unpackers(img);
	/* not for each cluster: waking costs about as much as unpacking one */
	if (a->idle && s->goal - min_u64(s->goal, max_u64(s->next, end)) >= a->window / 2)
		pthread_cond_broadcast(&a->cond);
}

void ahead_note(struct qcow2_image *img, uint64_t off, uint64_t len)
{
	struct qcow2_ahead *a = img->ahead;

	if (!atomic_load_explicit(&a->wanted, memory_order_relaxed))
		return;
	locks_take(&a->lock, LOCK_AHEAD);
	if (!a->stop)
		go_forward(img, stream_near(a, off), off + len);
	locks_give(&a->lock, LOCK_AHEAD);
}
