/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asynchronous I/O to one sequential file, round after round: appending writes of any
 * size in order, many in flight, with reads of what is there among them, past the capacity. Each
 * result, the size, the state and every byte are checked.
 *
 *     zaio FILE DEPTH MIN MAX SECONDS SEED [append] [buffered] [rounds=N]
 *
 * "append" opens with O_APPEND, "buffered" without O_DIRECT. Resets the file first and after each
 * round.
 */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "race.h"

#define MAX_DEPTH 256

struct request {
	struct iocb cb;
	uint64_t off, len;
	bool write, busy;
	void *buf;
	size_t room;
};

struct aio {
	const char *path;
	int fd;
	aio_context_t ctx;
	unsigned depth, inflight;
	uint64_t min, max, cap, random;
	bool append, buffered;
	struct request req[MAX_DEPTH];
	uint64_t key;	  /* of this round's contents */
	uint64_t next;	  /* where the next write goes */
	uint64_t settled; /* all before it has been acknowledged, so it can be read */
	uint64_t writes, bytes;
};

/* ---- one request ----------------------------------------------------------------------------- */

static void *room_for(struct request *r, uint64_t len)
{
	if (r->room < len) {
		free(r->buf);
		r->room = (len + 4095) / 4096 * 4096;
		r->buf = aligned_alloc(4096, r->room);
		if (!r->buf)
			tool_die("out of memory");
	}
	return r->buf;
}

static uint64_t zaio_any_length(struct aio *a)
{
	/* evenly over the powers of two, then over the blocks */
	uint64_t top = a->max / BLOCK, len = race_any(&a->random, top) + 1;

	for (uint64_t n = race_any(&a->random, 12); n && len > 1; n--)
		len /= 2;
	len *= BLOCK;
	return len < a->min ? a->min : len;
}

static struct request *free_request(struct aio *a)
{
	for (unsigned i = 0; i < a->depth; i++)
		if (!a->req[i].busy)
			return &a->req[i];
	return NULL;
}

static void zaio_prepare(struct aio *a, struct request *r, bool write, uint64_t off, uint64_t len)
{
	void *buf = room_for(r, len);

	r->off = off;
	r->len = len;
	r->write = write;
	r->busy = true;
	if (write)
		race_fill(buf, len, a->key, off);
	else
		memset(buf, 0, len);
	r->cb = (struct iocb){
		.aio_data = (uint64_t)(uintptr_t)r,
		.aio_lio_opcode = write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
		.aio_fildes = (uint32_t)a->fd,
		.aio_buf = (uint64_t)(uintptr_t)buf,
		.aio_nbytes = len,
		.aio_offset = (int64_t)off,
	};
}

static void zaio_check_write(struct aio *a, const struct request *r, int64_t res)
{
	uint64_t fits = r->off >= a->cap ? 0 : a->cap - r->off;

	/* Of a request that is written in part the kernel makes an EIO. */
	if (r->len <= fits ? res != (int64_t)r->len : res != -EFBIG && (!fits || res != -EIO))
		race_wrong("%s: write of %llu at %llu gave %lld, %llu fit", a->path,
			   (unsigned long long)r->len, (unsigned long long)r->off, (long long)res,
			   (unsigned long long)fits);
	/* They are acknowledged in order as long as none fails. */
	if (r->off + r->len > a->settled)
		a->settled = r->off + r->len < a->cap ? r->off + r->len : a->cap;
	a->writes++;
	a->bytes += res > 0 ? (uint64_t)res : 0;
}

static void zaio_check_read(struct aio *a, const struct request *r, int64_t res)
{
	size_t bad;

	if (res != (int64_t)r->len)
		race_wrong("%s: read of %llu at %llu gave %lld", a->path,
			   (unsigned long long)r->len, (unsigned long long)r->off, (long long)res);
	bad = race_differs(r->buf, r->len, a->key, r->off);
	if (bad < r->len) {
		bad += r->off;
		race_wrong("%s: byte %llu is not what was written (asynchronous read)", a->path,
			   (unsigned long long)bad);
	}
}

/* ---- many of them ---------------------------------------------------------------------------- */

static void submit(struct aio *a, struct iocb **list, long n)
{
	while (n) {
		long done = syscall(SYS_io_submit, a->ctx, n, list);

		if (done < 0)
			race_wrong("io_submit: %s", tool_errno(errno));
		list += done;
		n -= done;
	}
}

static void reap(struct aio *a, unsigned at_least)
{
	struct io_event ev[MAX_DEPTH];
	long n = syscall(SYS_io_getevents, a->ctx, (long)at_least, (long)a->depth, ev, NULL);

	if (n < 0)
		race_wrong("io_getevents: %s", tool_errno(errno));
	for (long i = 0; i < n; i++) {
		struct request *r = (struct request *)(uintptr_t)ev[i].data;

		if (r->write)
			zaio_check_write(a, r, ev[i].res);
		else
			zaio_check_read(a, r, ev[i].res);
		r->busy = false;
		a->inflight--;
	}
}

/* As many requests at once as the depth still takes. Reads only of what was acknowledged. */
static void batch(struct aio *a, uint64_t end)
{
	unsigned n = 1 + (unsigned)race_any(&a->random, a->depth), have = 0;
	struct iocb *list[MAX_DEPTH];
	struct request *r;

	while (have < n && a->next < end && (r = free_request(a))) {
		if (a->settled >= BLOCK && !race_any(&a->random, 4)) {
			uint64_t off = race_any(&a->random, a->settled / BLOCK) * BLOCK;
			uint64_t len = zaio_any_length(a);

			zaio_prepare(a, r, false, off,
				     len < a->settled - off ? len : a->settled - off);
		} else {
			zaio_prepare(a, r, true, a->next, zaio_any_length(a));
			a->next += r->len;
		}
		list[have++] = &r->cb;
	}
	a->inflight += have;
	submit(a, list, have);
	reap(a, a->inflight ? (unsigned)race_any(&a->random, a->inflight) + 1 : 0);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static void check_contents(struct aio *a, uint64_t size)
{
	unsigned char *map, *buf = aligned_alloc(4096, (size + 8191) / 4096 * 4096);
	char state[64];
	int fd = open(a->path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0 || !buf)
		race_wrong("%s: open: %s", a->path, tool_errno(errno));
	if (race_size(fd) != size)
		race_wrong("%s: size %llu, expected %llu", a->path,
			   (unsigned long long)race_size(fd), (unsigned long long)size);
	race_attr(a->path, "state", state);
	if (!strcmp(state, "full") != (size == a->cap))
		race_wrong("%s: %s with %llu bytes", a->path, state, (unsigned long long)size);
	n = pread(a->fd, buf, size, 0);
	if (n != (ssize_t)size || race_differs(buf, size, a->key, 0) < size)
		race_wrong("%s: direct read gave %zd, byte %zu differs", a->path, n,
			   race_differs(buf, size, a->key, 0));
	map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		race_wrong("%s: mmap: %s", a->path, tool_errno(errno));
	if (race_differs(map, size, a->key, 0) < size)
		race_wrong("%s: mapped byte %zu differs", a->path,
			   race_differs(map, size, a->key, 0));
	munmap(map, size);
	close(fd);
	free(buf);
}

/* Most rounds end within the zone or a little behind it; some begin with one write that is
 * larger than an empty zone. */
static void zaio_one_round(struct aio *a)
{
	uint64_t end = race_any(&a->random, a->cap + a->max) + BLOCK;

	a->key = race_any(&a->random, UINT64_MAX >> 1) << 8;
	a->next = a->settled = 0;
	if (!race_any(&a->random, 4)) {
		uint64_t len = a->cap + (1 + race_any(&a->random, a->max / BLOCK)) * BLOCK;
		struct request *r = free_request(a);
		struct iocb *cb = &r->cb;

		zaio_prepare(a, r, true, 0, len);
		a->next = len;
		a->inflight++;
		submit(a, &cb, 1);
	} else {
		while (a->next < end)
			batch(a, end);
	}
	while (a->inflight)
		reap(a, a->inflight);
	check_contents(a, a->next < a->cap ? a->next : a->cap);
	if (ftruncate(a->fd, 0) || race_size(a->fd))
		race_wrong("%s: reset: %s", a->path, tool_errno(errno));
}

int main(int argc, char **argv)
{
	static struct aio a = { .fd = -1 };
	uint64_t rounds = 0, limit = UINT64_MAX;
	double end;

	if (argc < 7)
		tool_die("usage: zaio FILE DEPTH MIN MAX SECONDS SEED [append] [buffered] "
			 "[rounds=N]");
	a.path = argv[1];
	a.depth = (unsigned)tool_number(argv[2]);
	a.min = (uint64_t)tool_number(argv[3]);
	a.max = (uint64_t)tool_number(argv[4]);
	end = race_now() + (double)tool_number(argv[5]);
	a.random = (uint64_t)tool_number(argv[6]);
	for (int i = 7; i < argc; i++) {
		if (!strcmp(argv[i], "append"))
			a.append = true;
		else if (!strcmp(argv[i], "buffered"))
			a.buffered = true;
		else if (!strncmp(argv[i], "rounds=", 7))
			limit = (uint64_t)tool_number(argv[i] + 7);
		else
			tool_die("what is %s?", argv[i]);
	}
	if (!a.depth || a.depth > MAX_DEPTH || a.min < BLOCK || a.max < a.min)
		tool_die("depth or sizes out of bounds");
	a.fd = open(a.path,
		    O_RDWR | O_CLOEXEC | (a.buffered ? 0 : O_DIRECT) | (a.append ? O_APPEND : 0));
	if (a.fd < 0)
		race_wrong("%s: open: %s", a.path, tool_errno(errno));
	a.cap = race_number(a.path, "capacity");
	if (syscall(SYS_io_setup, (long)a.depth, &a.ctx))
		tool_die("io_setup: %s", tool_errno(errno));
	if (ftruncate(a.fd, 0))
		race_wrong("%s: reset: %s", a.path, tool_errno(errno));
	for (; rounds < limit && race_now() < end; rounds++)
		zaio_one_round(&a);
	printf("%s: %llu rounds, %llu writes, %llu MiB\n", a.path, (unsigned long long)rounds,
	       (unsigned long long)a.writes, (unsigned long long)(a.bytes >> 20));
	return rounds ? 0 : 1;
}
