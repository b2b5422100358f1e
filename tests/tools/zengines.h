/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes through libaio and io_uring, by their system calls, so that no library is needed. Each
 * function hands the kernel one request, or two linked ones, for all of the bytes.
 */
#ifndef ZQ_TEST_ZENGINES_H
#define ZQ_TEST_ZENGINES_H

#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tool.h"

#define WAY_MISSING (-1000) /* this kernel or machine does not have it */

struct put {
	int fd;
	const char *buf;
	size_t len;
	int64_t off;	 /* where; the kernel ignores it where it appends */
	int rwf;	 /* flags of pwritev2 */
	const char *tmp; /* a file that holds the same bytes */
};

/* ---- libaio ---------------------------------------------------------------------------------- */

/* Several requests at once, to one file or to several. The results become res. */
static inline ssize_t aio_puts(const struct put *p, int nr, ssize_t *res)
{
	aio_context_t ctx = 0;
	struct iocb cb[8], *cbs[8];
	struct io_event ev[8];
	int n = 0;

	if (nr > 8 || syscall(SYS_io_setup, nr, &ctx))
		return WAY_MISSING;
	for (int i = 0; i < nr; i++) {
		cb[i] = (struct iocb){ .aio_fildes = (uint32_t)p[i].fd,
				       .aio_lio_opcode = IOCB_CMD_PWRITE,
				       .aio_buf = (uintptr_t)p[i].buf,
				       .aio_nbytes = p[i].len,
				       .aio_offset = p[i].off,
				       .aio_rw_flags = p[i].rwf,
				       .aio_data = (unsigned)i };
		cbs[i] = &cb[i];
	}
	for (int sent = 0; sent < nr;) {
		long k = syscall(SYS_io_submit, ctx, nr - sent, cbs + sent);

		if (k < 0)
			tool_die("io_submit: %s", tool_errno(errno));
		sent += (int)k;
	}
	while (n < nr) {
		long k = syscall(SYS_io_getevents, ctx, 1, nr - n, ev, NULL);

		for (long i = 0; i < k; i++)
			res[ev[i].data] = (ssize_t)ev[i].res;
		n += k > 0 ? (int)k : 0;
	}
	syscall(SYS_io_destroy, ctx);
	return 0;
}

static inline ssize_t put_aio(const struct put *p)
{
	ssize_t res = 0, rc = aio_puts(p, 1, &res);

	return rc ? rc : res;
}

/* ---- io_uring ---------------------------------------------------------------------------- */

struct ring {
	int fd;
	struct io_uring_params par;
	char *sq, *cq;
	size_t sq_len, cq_len;
	struct io_uring_sqe *sqes;
	unsigned queued;
};

static inline unsigned *ring_word(char *base, unsigned off)
{
	return (unsigned *)(void *)(base + off);
}

static inline void *ring_map(int fd, size_t len, off_t what)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);

	if (p == MAP_FAILED)
		tool_die("mmap of a ring: %s", tool_errno(errno));
	return p;
}

static inline bool ring_open(struct ring *r)
{
	*r = (struct ring){ .fd = -1 };
	r->fd = (int)syscall(SYS_io_uring_setup, 8, &r->par);
	if (r->fd < 0)
		return false;
	r->sq_len = r->par.sq_off.array + r->par.sq_entries * sizeof(unsigned);
	r->cq_len = r->par.cq_off.cqes + r->par.cq_entries * sizeof(struct io_uring_cqe);
	r->sq = ring_map(r->fd, r->sq_len, IORING_OFF_SQ_RING);
	r->cq = ring_map(r->fd, r->cq_len, IORING_OFF_CQ_RING);
	r->sqes = ring_map(r->fd, r->par.sq_entries * sizeof(*r->sqes), IORING_OFF_SQES);
	return true;
}

static inline void ring_close(struct ring *r)
{
	munmap(r->sqes, r->par.sq_entries * sizeof(*r->sqes));
	munmap(r->sq, r->sq_len);
	munmap(r->cq, r->cq_len);
	close(r->fd);
}

static inline struct io_uring_sqe *ring_add(struct ring *r, unsigned char op, const struct put *p)
{
	unsigned tail = *ring_word(r->sq, r->par.sq_off.tail);
	unsigned i = tail & *ring_word(r->sq, r->par.sq_off.ring_mask);
	struct io_uring_sqe *e = &r->sqes[i];

	*e = (struct io_uring_sqe){ .opcode = op,
				    .fd = p->fd,
				    .addr = (uintptr_t)p->buf,
				    .len = (unsigned)p->len,
				    .off = (uint64_t)p->off,
				    .rw_flags = (uint32_t)p->rwf,
				    .user_data = r->queued };
	ring_word(r->sq, r->par.sq_off.array)[i] = i;
	__atomic_store_n(ring_word(r->sq, r->par.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
	r->queued++;
	return e;
}

static inline void ring_run(struct ring *r, ssize_t *res)
{
	unsigned seen = 0, head;
	struct io_uring_cqe *cqes = (void *)(r->cq + r->par.cq_off.cqes);

	if (syscall(SYS_io_uring_enter, r->fd, r->queued, r->queued, IORING_ENTER_GETEVENTS, NULL,
		    0) < 0)
		tool_die("io_uring_enter: %s", tool_errno(errno));
	while (seen < r->queued) {
		head = *ring_word(r->cq, r->par.cq_off.head);
		if (head ==
		    __atomic_load_n(ring_word(r->cq, r->par.cq_off.tail), __ATOMIC_ACQUIRE)) {
			syscall(SYS_io_uring_enter, r->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
			continue;
		}
		res[cqes[head & *ring_word(r->cq, r->par.cq_off.ring_mask)].user_data] =
			cqes[head & *ring_word(r->cq, r->par.cq_off.ring_mask)].res;
		__atomic_store_n(ring_word(r->cq, r->par.cq_off.head), head + 1, __ATOMIC_RELEASE);
		seen++;
	}
}

static inline ssize_t ring_puts(const struct put *p, int nr, ssize_t *res)
{
	struct ring r;

	if (!ring_open(&r))
		return WAY_MISSING;
	for (int i = 0; i < nr; i++)
		ring_add(&r, IORING_OP_WRITE, &p[i]);
	ring_run(&r, res);
	ring_close(&r);
	return 0;
}

static inline ssize_t put_uring(const struct put *p)
{
	ssize_t res = 0, rc = ring_puts(p, 1, &res);

	return rc ? rc : res;
}

/* In two halves, the second starts when the first has ended. */
static inline ssize_t put_uring_linked(const struct put *p)
{
	struct put a = *p, b = *p;
	ssize_t res[2] = { 0 };
	struct ring r;

	a.len = p->len / 1024 * 512;
	b.len -= a.len;
	b.buf += a.len;
	b.off += (int64_t)a.len;
	if (!ring_open(&r))
		return WAY_MISSING;
	ring_add(&r, IORING_OP_WRITE, &a)->flags = IOSQE_IO_LINK;
	ring_add(&r, IORING_OP_WRITE, &b);
	ring_run(&r, res);
	ring_close(&r);
	return res[0] < 0 ? res[0] : res[1] < 0 ? res[1] : res[0] + res[1];
}

static inline ssize_t put_uring_fixed(const struct put *p)
{
	struct iovec v = { (void *)(uintptr_t)p->buf, p->len };
	ssize_t res = WAY_MISSING;
	struct ring r;

	if (!ring_open(&r))
		return WAY_MISSING;
	if (!syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_BUFFERS, &v, 1)) {
		ring_add(&r, IORING_OP_WRITE_FIXED, p);
		ring_run(&r, &res);
	}
	ring_close(&r);
	return res;
}

#define MANY 900 /* segments; the kernel cuts a request after 256 of them */

/* Segments of odd lengths, so that the pieces have odd lengths too. */
static inline ssize_t put_uring_many(const struct put *p)
{
	static struct iovec v[MANY];
	size_t each = p->len / MANY, done = 0;
	struct put all = *p;
	ssize_t res = 0;
	struct ring r;

	for (int i = 0; i < MANY; i++) {
		v[i] = (struct iovec){ (void *)(uintptr_t)(p->buf + done),
				       i < MANY - 1 ? each : p->len - done };
		done += v[i].iov_len;
	}
	all.buf = (const char *)v;
	all.len = MANY;
	if (!ring_open(&r))
		return WAY_MISSING;
	ring_add(&r, IORING_OP_WRITEV, &all);
	ring_run(&r, &res);
	ring_close(&r);
	return res;
}

#endif
