/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The transport by rings: a thread's entry in its queue; see serve_rings.h.
 */
#include "fs/serve_rings.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fs/rings_kernel.h"
#include "fs/tree.h"
#include "fs/uring.h"
#include "util/clock.h"

/* A thread's place: its ring, and the two buffers that it has registered. */
struct seat {
	struct uring ring;
	void *map; /* both buffers; NULL: none yet */
	size_t map_size;
	struct rings_head *head;
	char *payload; /* page aligned, with a page before it for the headers */
	size_t room;
	uint64_t unique, commit_id; /* of the request in hand */
	bool held;		    /* a request: the kernel waits for its answer */
	bool answered;		    /* the answer is in the buffers */
	struct place_count place;
};

/* ---- to the kernel --------------------------------------------------------------------------- */

static struct rings_command *next_command(struct serve_worker *w, uint32_t op)
{
	struct seat *t = w->seat;
	struct io_uring_sqe *sqe = uring_next(&t->ring);
	struct rings_command *command = (void *)((char *)sqe + RINGS_COMMAND_AT);

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = w->serve->fd;
	sqe->cmd_op = op;
	command->queue = (uint16_t)w->pool->queue;
	return command;
}

/* The kernel may refuse at once; what is under way has no result yet. */
static int enter_queue(struct serve_worker *w)
{
	struct seat *t = w->seat;
	struct iovec iov[2] = { { t->head, sizeof(*t->head) }, { t->payload, t->room } };
	struct io_uring_sqe *sqe;
	int ret;

	sqe = (void *)((char *)next_command(w, RINGS_REGISTER) - RINGS_COMMAND_AT);
	sqe->addr = (uintptr_t)iov;
	sqe->len = 2;
	ret = uring_enter(&t->ring, 0);
	if (ret < 0)
		return ret;
	if (__atomic_load_n(t->ring.cq_tail, __ATOMIC_ACQUIRE) == *t->ring.cq_head)
		return 0;
	ret = t->ring.results[*t->ring.cq_head & t->ring.cq_mask].res;
	return ret < 0 ? ret : 0; /* a request may be there already */
}

static void put_header(struct seat *t, int32_t error)
{
	struct fuse_out_header out = { .len = sizeof(out), .error = error, .unique = t->unique };

	memcpy(t->head->in_out, &out, sizeof(out));
	t->head->inout.flags = 0;
	t->head->inout.payload_size = 0;
	t->answered = true;
}

/* Goes with the next call, and brings the entry back into the queue. */
static void commit_answer(struct serve_worker *w)
{
	struct seat *t = w->seat;

	if (!t->answered)
		put_header(t, -EIO);
	next_command(w, RINGS_COMMIT_AND_FETCH)->commit_id = t->commit_id;
	t->held = false;
}

static ssize_t rings_answer(struct serve_worker *w, struct iovec *iov, int count)
{
	const struct fuse_out_header *out = iov[0].iov_base;
	struct seat *t = w->seat;
	size_t n = 0;

	if (out->len > t->room + sizeof(*out)) {
		errno = EINVAL; /* libfuse then answers that */
		return -1;
	}
	memcpy(t->head->in_out, out, sizeof(*out));
	for (int i = 1; i < count; i++) {
		if (iov[i].iov_base != t->payload + n)
			memmove(t->payload + n, iov[i].iov_base, iov[i].iov_len);
		n += iov[i].iov_len;
	}
	t->head->inout.flags = 0;
	t->head->inout.payload_size = (uint32_t)n;
	t->answered = true;
	return (ssize_t)out->len;
}

/* ---- from the kernel ------------------------------------------------------------------------- */

/* It has done its work by coming. */
static void take_kick(struct serve_worker *w)
{
	struct seat *t = w->seat;
	struct rings_life *life = &w->serve->rings->life[w->pool->queue];
	uint64_t asked = t->unique;

	atomic_compare_exchange_strong(&life->asked, &asked, 0);
	put_header(t, 0);
}

static uint64_t nr_sleeps(void)
{
	struct rusage used;

	return getrusage(RUSAGE_THREAD, &used) ? 0 : (uint64_t)used.ru_nvcsw;
}

/* Has another queue nothing to do, and a processor? What is seen may be over at once. */
static bool is_another_idle(const struct serve_rings *r, unsigned queue)
{
	for (unsigned i = 0; i < r->nr; i++)
		if (i != queue && r->life[i].online &&
		    atomic_load_explicit(&r->serve->queues[i].idle, memory_order_relaxed) >=
			    r->first)
			return true;
	return false;
}

/* The thread runs where it serves the clients of now best. */
static void choose_place(struct serve_worker *w)
{
	struct serve_rings *r = w->serve->rings;
	struct seat *t = w->seat;

	if (!place_decide(&r->place, &t->place, clock_ns(CLOCK_MONOTONIC), nr_sleeps(),
			  is_another_idle(r, w->pool->queue)))
		return;
	/* Fails for a processor that is switched off: nobody asks from there. */
	if (t->place.free)
		rings_run_on(0, r->nr);
	else
		rings_run_on(w->pool->queue, 1);
}

/* Puts header, first part and payload in one piece. Its size; 0: it was none for libfuse. */
static int unpack(struct serve_worker *w)
{
	struct seat *t = w->seat;
	struct rings_life *life = &w->serve->rings->life[w->pool->queue];
	uint32_t payload = t->head->inout.payload_size;
	struct fuse_in_header in;
	size_t op;

	memcpy(&in, t->head->in_out, sizeof(in));
	t->unique = in.unique;
	t->commit_id = t->head->inout.commit_id;
	t->held = true;
	t->answered = false;
	if (rings_is_kick(in.unique)) {
		take_kick(w);
		return 0;
	}
	atomic_fetch_add_explicit(&life->served, 1, memory_order_relaxed);
	if (place_request(&w->serve->rings->place, &t->place, in.pid, w->pool->queue))
		choose_place(w);
	if (tree_is_file(in.nodeid))
		atomic_store_explicit(&life->file, in.nodeid, memory_order_relaxed);
	if (payload > t->room || in.len < sizeof(in) + payload ||
	    in.len - sizeof(in) - payload > sizeof(t->head->op_in))
		return 0; /* answered with EIO */
	op = in.len - sizeof(in) - payload;
	w->buf = (struct fuse_buf){ .size = in.len, .mem = t->payload - op - sizeof(in) };
	memcpy(w->buf.mem, &in, sizeof(in));
	memcpy((char *)w->buf.mem + sizeof(in), t->head->op_in, op);
	return (int)in.len;
}

/* Where /dev/fuse was is /dev/null now, which takes our commands too, and says yes to all. */
static bool is_aborted(const struct serve_worker *w)
{
	return atomic_load(&w->serve->aborted);
}

/* What an entry gets when the connection ends. */
static bool is_end(int rc)
{
	return rc == -ENOTCONN || rc == -ECONNABORTED || rc == -ENODEV || rc == -ECANCELED;
}

/* 0 or -errno, as take() has them. */
static int await_result(struct seat *t, int32_t *res)
{
	int ret;

	if (!t->ring.queued && uring_result(&t->ring, res))
		return 0;
	ret = uring_enter(&t->ring, 1);
	if (ret == -EAGAIN)
		return -ENOMEM;
	if (ret < 0 && ret != -EINTR)
		return ret;
	return uring_result(&t->ring, res) ? 0 : -EINTR;
}

static int rings_take(struct serve_worker *w)
{
	struct seat *t = w->seat;

	while (!is_aborted(w)) {
		int32_t res;
		int ret;

		if (t->held)
			commit_answer(w);
		ret = await_result(t, &res);
		if (ret)
			return ret;
		if (res < 0)
			return is_end(res) ? 0 : res;
		ret = unpack(w);
		if (ret)
			return ret;
	}
	return 0;
}

/* Only reading has no use for what came with the request. */
static void *rings_room(struct serve_worker *w, size_t size)
{
	struct seat *t = w->seat;
	uint32_t opcode = atomic_load_explicit(&w->opcode, memory_order_relaxed);

	if (opcode != FUSE_READ && opcode != FUSE_READDIR && opcode != FUSE_READDIRPLUS)
		return NULL;
	return t->held && size <= t->room ? t->payload : NULL;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static int map_buffers(struct seat *t, size_t room)
{
	size_t page = t->ring.page;

	t->map_size = 2 * page + room;
	t->map =
		mmap(NULL, t->map_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (t->map == MAP_FAILED) {
		t->map = NULL;
		return -ENOMEM;
	}
	t->head = t->map;
	t->payload = (char *)t->map + 2 * page;
	t->room = room;
	return 0;
}

static int take_seat(struct serve_worker *w)
{
	struct serve_rings *r = w->serve->rings;
	struct seat *t = w->seat;
	bool leads = false;
	int ret = rings_opened(r, w->pool->queue, t ? uring_open(&t->ring) : -ENOMEM, &leads);

	if (ret)
		return ret;
	ret = map_buffers(t, r->room);
	if (leads) {
		/* Whoever gives up must know who has registered. */
		pthread_mutex_lock(&r->lock);
		if (!ret)
			ret = r->phase == RINGS_ENTER ? enter_queue(w) : -ECANCELED;
		pthread_mutex_unlock(&r->lock);
		return rings_entered(r, ret);
	}
	if (!ret)
		ret = enter_queue(w);
	if (is_end(ret)) {
		/* it ended before this thread came, which is no failure */
		serve_note_end(w->serve, 0);
		return -ECANCELED;
	}
	if (!ret)
		rings_want_kick(r, w->pool->queue);
	return ret;
}

static int rings_begin(struct serve_worker *w)
{
	struct seat *t = calloc(1, sizeof(*t));

	rings_run_on(w->pool->queue, 1); /* see choose_place() */
	if (t)
		t->ring.fd = -1;
	w->seat = t;
	return take_seat(w);
}

/* A request that has come since is told what those get that come later. */
static void leave_queue(struct serve_worker *w)
{
	struct seat *t = w->seat;
	int32_t res;

	while (!is_aborted(w)) {
		if (t->held)
			commit_answer(w);
		if (uring_enter(&t->ring, 0) < 0)
			return;
		if (!uring_result(&t->ring, &res) || res < 0)
			return;
		if (unpack(w))
			put_header(t, -ENOTCONN);
	}
}

static void rings_end(struct serve_worker *w)
{
	struct seat *t = w->seat;

	if (!t)
		return;
	if (t->map)
		leave_queue(w);
	uring_close(&t->ring);
	if (t->map)
		munmap(t->map, t->map_size);
	w->buf = (struct fuse_buf){ .mem = NULL };
	w->seat = NULL;
	free(t);
}

const struct serve_transport serve_by_rings = {
	.begin = rings_begin,
	.take = rings_take,
	.answer = rings_answer,
	.room = rings_room,
	.end = rings_end,
	.stays = true,
};
