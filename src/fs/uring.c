/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small io_uring; see uring.h.
 */
#include "fs/uring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What headers of Linux 6.1 do not know. */
#define SETUP_NO_MMAP	 (1u << 14) /* Linux 6.5 */
#define SETUP_NO_SQARRAY (1u << 16) /* Linux 6.6 */
#define USER_ADDR	 32u	    /* where both kinds of offsets have it, 64 bits */

#define ENTRY_SIZE 128u

static void set_address(void *offsets, const void *mem)
{
	uint64_t address = (uintptr_t)mem;

	memcpy((char *)offsets + USER_ADDR, &address, sizeof(address));
}

/* The kernel takes single pages of any alignment of its own, and both parts fit into one each. */
static int open_ring(struct uring *u)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SQE128 | IORING_SETUP_SUBMIT_ALL |
					      IORING_SETUP_SINGLE_ISSUER |
					      IORING_SETUP_DEFER_TASKRUN | SETUP_NO_MMAP |
					      SETUP_NO_SQARRAY };
	char *rings = (char *)u->mem + u->page;

	set_address(&p.sq_off, u->mem);
	set_address(&p.cq_off, rings);
	u->fd = (int)syscall(SYS_io_uring_setup, URING_ENTRIES, &p);
	if (u->fd < 0)
		return -errno;
	u->sq_head = (uint32_t *)(void *)(rings + p.sq_off.head);
	u->sq_tail = (uint32_t *)(void *)(rings + p.sq_off.tail);
	u->cq_head = (uint32_t *)(void *)(rings + p.cq_off.head);
	u->cq_tail = (uint32_t *)(void *)(rings + p.cq_off.tail);
	u->results = (struct io_uring_cqe *)(void *)(rings + p.cq_off.cqes);
	u->sq_mask = p.sq_entries - 1;
	u->cq_mask = p.cq_entries - 1;
	return 0;
}

int uring_open(struct uring *u)
{
	*u = (struct uring){ .fd = -1, .page = (size_t)sysconf(_SC_PAGESIZE) };
	u->mem =
		mmap(NULL, 2 * u->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (u->mem == MAP_FAILED) {
		u->mem = NULL;
		return -ENOMEM;
	}
	return open_ring(u);
}

void uring_close(struct uring *u)
{
	if (u->fd >= 0)
		close(u->fd);
	if (u->mem)
		munmap(u->mem, 2 * u->page);
	u->fd = -1;
	u->mem = NULL;
}

struct io_uring_sqe *uring_next(struct uring *u)
{
	void *sqe = (char *)u->mem + (size_t)ENTRY_SIZE * (u->tail & u->sq_mask);

	u->tail++;
	u->queued++;
	return memset(sqe, 0, ENTRY_SIZE);
}

int uring_enter(struct uring *u, unsigned wait)
{
	long n;

	__atomic_store_n(u->sq_tail, u->tail, __ATOMIC_RELEASE);
	n = syscall(SYS_io_uring_enter, u->fd, u->queued, wait, IORING_ENTER_GETEVENTS, NULL, 0);
	if (n < 0)
		return -errno;
	u->queued -= (uint32_t)n;
	return (int)n;
}

bool uring_result(struct uring *u, int32_t *res)
{
	uint32_t head = *u->cq_head;

	if (head == __atomic_load_n(u->cq_tail, __ATOMIC_ACQUIRE))
		return false;
	*res = u->results[head & u->cq_mask].res;
	__atomic_store_n(u->cq_head, head + 1, __ATOMIC_RELEASE);
	return true;
}
