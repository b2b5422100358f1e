/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For LD_PRELOAD: other kernels for a process that serves. $ZQFS_KERNEL says which:
 *
 *     old-uring   io_uring as before Linux 6.5: it knows fewer flags
 *     no-uring    none at all
 *     no-offer    FUSE does not offer io_uring in INIT
 *     many        there may be 128 processors
 *     set-to-N    root changes the parameter before INIT is answered; really done
 *     no-entry    a queue refuses the second entry that is brought into any of them
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <linux/io_uring.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SQES_AT                                                                                    \
	72u /* in struct io_uring_params, where a ring's owner says where its entries are          \
	     */
#define COMMAND_AT 48u /* in an entry */
#define QUEUE_AT   16u /* in a command */
#define REGISTER   1u
#define NO_QUEUE   UINT16_MAX
#define OFFER	   (1u << 9) /* in flags2 */

/* A ring has one thread. */
static _Thread_local char *kernel_entries;
static atomic_uint kernel_registered;

static bool kernel_is(const char *name)
{
	const char *which = getenv("ZQFS_KERNEL");

	return which && !strcmp(which, name);
}

/* A queue that is not there: the kernel itself then says no. */
static void refuse_second_entry(void)
{
	const struct io_uring_sqe *sqe = (const void *)kernel_entries;
	uint16_t queue;
	char *at = kernel_entries + COMMAND_AT + QUEUE_AT;

	if (!sqe || sqe->opcode != IORING_OP_URING_CMD || sqe->cmd_op != REGISTER)
		return;
	memcpy(&queue, at, sizeof(queue));
	if (queue == NO_QUEUE || atomic_fetch_add(&kernel_registered, 1) != 1)
		return;
	queue = NO_QUEUE - 1;
	memcpy(at, &queue, sizeof(queue));
}

static long kernel_setup(const char *params)
{
	uint64_t at;

	memcpy(&at, params + SQES_AT, sizeof(at));
	kernel_entries = (char *)(uintptr_t)at;
	if (kernel_is("old-uring") || kernel_is("no-uring")) {
		errno = kernel_is("no-uring") ? ENOSYS : EINVAL;
		return -1;
	}
	return 0;
}

/* The C library has it as a function without a prototype of use. */
long syscall(long number, ...)
{
	static long (*next)(long, ...);
	long a[6];
	va_list ap;

	if (!next)
		next = (long (*)(long, ...))(uintptr_t)dlsym(RTLD_NEXT, "syscall");
	va_start(ap, number);
	for (unsigned i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_io_uring_setup && kernel_setup((const char *)a[1]))
		return -1;
	if (number == SYS_io_uring_enter && kernel_is("no-entry"))
		refuse_second_entry();
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static bool is_init(const char *request, ssize_t size)
{
	struct fuse_in_header head;

	if (size < (ssize_t)(sizeof(head) + sizeof(struct fuse_init_in)))
		return false;
	memcpy(&head, request, sizeof(head));
	return head.opcode == FUSE_INIT && head.len == (size_t)size;
}

static void withdraw_offer(char *request)
{
	struct fuse_init_in *in = (void *)(request + sizeof(struct fuse_in_header));

	in->flags2 &= ~OFFER;
}

static void set_parameter_to_n(void)
{
	int fd = open("/sys/module/fuse/parameters/enable_uring", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "N", 1) != 1)
		abort();
	close(fd);
}

ssize_t read(int fd, void *buf, size_t size)
{
	static ssize_t (*next)(int, void *, size_t);
	ssize_t n;

	if (!next)
		next = (ssize_t(*)(int, void *, size_t))(uintptr_t)dlsym(RTLD_NEXT, "read");
	n = next(fd, buf, size);
	if (kernel_is("no-offer") && is_init(buf, n))
		withdraw_offer(buf);
	if (kernel_is("set-to-N") && is_init(buf, n))
		set_parameter_to_n();
	return n;
}

FILE *fopen(const char *path, const char *mode)
{
	static FILE *(*next)(const char *, const char *);
	static char processors[] = "0-127\n";

	if (!next)
		next = (FILE * (*)(const char *, const char *))(uintptr_t)dlsym(RTLD_NEXT,
										"fopen64");
	if (kernel_is("many") && !strcmp(path, "/sys/devices/system/cpu/possible"))
		return fmemopen(processors, sizeof(processors) - 1, "r");
	return next(path, mode);
}
