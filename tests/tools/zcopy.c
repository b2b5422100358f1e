/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes to a zone from memory that is a mapping of a file on the same mount, whose pages the
 * file system itself must provide in the middle of the write. Every byte is compared.
 *
 *     zcopy FROM TO SECONDS SEED
 *
 * FROM is filled first and may be a conventional or a sequential file; FROM and TO may be
 * the same sequential file, which is then doubled until it is full.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "race.h"

struct copy {
	const char *from, *to;
	uint64_t random, key, size, cap;
	bool same;
	int in, out; /* in is open for reading only */
	unsigned char *map;
	uint64_t rounds, bytes;
};

static void zcopy_write_all(const char *path, uint64_t size, uint64_t key)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	void *buf = malloc(size);

	if (fd < 0 || !buf)
		race_wrong("%s: %s", path, tool_errno(errno));
	race_fill(buf, size, key, 0);
	if (write(fd, buf, size) != (ssize_t)size)
		race_wrong("%s: write: %s", path, tool_errno(errno));
	close(fd);
	free(buf);
}

/* So that the pages must be read again, by the write itself. */
static void forget_pages(const struct copy *c)
{
	madvise(c->map, c->cap, MADV_DONTNEED);
	posix_fadvise(c->in, 0, 0, POSIX_FADV_DONTNEED);
}

static void copy_piece(struct copy *c, uint64_t off, uint64_t len, uint64_t at)
{
	ssize_t n;

	forget_pages(c);
	n = pwrite(c->out, c->map + off, len, (off_t)at);
	if (n != (ssize_t)len)
		race_wrong("%s: write of %llu at %llu gave %zd (%s)", c->to,
			   (unsigned long long)len, (unsigned long long)at, n,
			   n < 0 ? tool_errno(errno) : "short");
	c->bytes += len;
}

/* What TO holds must be the bytes of FROM that went there. */
static void zcopy_compare(const struct copy *c, uint64_t at, uint64_t len, uint64_t off)
{
	unsigned char *buf = malloc(len);
	int fd = open(c->to, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || !buf || pread(fd, buf, len, (off_t)at) != (ssize_t)len)
		race_wrong("%s: read: %s", c->to, tool_errno(errno));
	if (race_differs(buf, len, c->key, off) < len)
		race_wrong("%s: byte %llu + %zu differs", c->to, (unsigned long long)at,
			   race_differs(buf, len, c->key, off));
	close(fd);
	free(buf);
}

static void zcopy_one_round(struct copy *c)
{
	uint64_t at = 0;

	c->key = race_any(&c->random, UINT64_MAX >> 1) << 8;
	if (c->same && truncate(c->to, 0))
		race_wrong("%s: reset: %s", c->to, tool_errno(errno));
	if (truncate(c->from, 0) && errno != EPERM)
		race_wrong("%s: reset: %s", c->from, tool_errno(errno));
	zcopy_write_all(c->from, c->size, c->key);
	if (c->same) {
		for (at = c->size; at + c->size <= c->cap; at += c->size) {
			copy_piece(c, at - c->size, c->size, at);
			zcopy_compare(c, at, c->size, 0);
		}
	} else {
		if (truncate(c->to, 0))
			race_wrong("%s: reset: %s", c->to, tool_errno(errno));
		while (at < c->cap) {
			uint64_t off = race_any(&c->random, c->size / BLOCK) * BLOCK;
			uint64_t len = (race_any(&c->random, c->size / BLOCK) + 1) * BLOCK;

			len = len < c->size - off ? len : c->size - off;
			len = len < c->cap - at ? len : c->cap - at;
			copy_piece(c, off, len, at);
			zcopy_compare(c, at, len, off);
			at += len;
		}
	}
	c->rounds++;
}

int main(int argc, char **argv)
{
	struct copy c = { .in = -1 };
	double end;

	if (argc != 5)
		tool_die("usage: zcopy FROM TO SECONDS SEED");
	c.from = argv[1];
	c.to = argv[2];
	end = race_now() + (double)tool_number(argv[3]);
	c.random = (uint64_t)tool_number(argv[4]);
	c.same = !strcmp(c.from, c.to);
	c.cap = race_number(c.to, "capacity");
	c.size = c.same ? c.cap / 8 / BLOCK * BLOCK : c.cap / 2 / BLOCK * BLOCK;
	c.in = open(c.from, O_RDONLY | O_CLOEXEC);
	c.out = open(c.to, O_WRONLY | O_CLOEXEC | (race_any(&c.random, 2) ? O_DIRECT : 0));
	c.map = mmap(NULL, c.cap, PROT_READ, MAP_SHARED, c.in, 0);
	if (c.in < 0 || c.out < 0 || c.map == MAP_FAILED)
		race_wrong("%s, %s: %s", c.from, c.to, tool_errno(errno));
	while (race_now() < end)
		zcopy_one_round(&c);
	printf("%s to %s: %llu rounds, %llu MiB\n", c.from, c.to, (unsigned long long)c.rounds,
	       (unsigned long long)(c.bytes >> 20));
	return 0;
}
