/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Appends from several threads to one file, each through a descriptor of its own, and then reads
 * the file: every record must be there once, whole, and each thread's in their order.
 *
 *     zappend FILE THREADS RECORDS LENGTH [direct]
 *
 * Every 512-byte block of a record says whose it is, which record and which block of it, so
 * that a mixed, lost, doubled or reordered write shows.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool.h"
#include "util/bytes.h"

#define BLOCK	    512u
#define MAX_THREADS 64

struct job {
	const char *path;
	pthread_t thread;
	uint32_t who, records;
	size_t len;
	int flags;
};

static void zappend_fill(const struct job *j, unsigned char *buf, uint32_t record)
{
	for (size_t b = 0; b < j->len / BLOCK; b++) {
		unsigned char *p = buf + b * BLOCK;

		memset(p, (int)(j->who + record + b), BLOCK);
		put_be32(p, j->who);
		put_be32(p + 4, record);
		put_be32(p + 8, (uint32_t)b);
	}
}

static void *append_all(void *arg)
{
	const struct job *j = arg;
	unsigned char *buf = aligned_alloc(4096, (j->len + 4095) & ~(size_t)4095);
	int fd = open(j->path, O_WRONLY | O_APPEND | O_CLOEXEC | j->flags);

	if (fd < 0 || !buf)
		tool_die("%s: %s", j->path, strerror(errno));
	for (uint32_t r = 0; r < j->records; r++) {
		ssize_t n;

		zappend_fill(j, buf, r);
		n = write(fd, buf, j->len);
		if (n != (ssize_t)j->len) {
			fprintf(stderr, "thread %u, record %u: write gave %zd (%s)\n", j->who, r, n,
				n < 0 ? tool_errno(errno) : "short");
			exit(1);
		}
	}
	close(fd);
	free(buf);
	return NULL;
}

/* Reads the file record by record. */
static int verify(const struct job *jobs, unsigned threads)
{
	const struct job *j = jobs;
	unsigned char *got = calloc(1, j->len + 1), *want = calloc(1, j->len + 1);
	uint32_t next[MAX_THREADS] = { 0 };
	int fd = open(j->path, O_RDONLY | O_CLOEXEC);
	uint64_t total = (uint64_t)threads * j->records;

	if (fd < 0 || !got || !want)
		tool_die("%s: %s", j->path, strerror(errno));
	for (uint64_t i = 0; i < total; i++) {
		uint32_t who;

		if (pread(fd, got, j->len, (off_t)(i * j->len)) != (ssize_t)j->len) {
			fprintf(stderr, "record %llu of the file is short\n",
				(unsigned long long)i);
			return 1;
		}
		who = get_be32(got);
		if (who >= threads || get_be32(got + 4) != next[who]) {
			fprintf(stderr, "record %llu: thread %u, number %u, not the next\n",
				(unsigned long long)i, who, get_be32(got + 4));
			return 1;
		}
		zappend_fill(&jobs[who], want, next[who]++);
		if (memcmp(got, want, j->len)) {
			fprintf(stderr, "record %llu is mixed\n", (unsigned long long)i);
			return 1;
		}
	}
	if (pread(fd, got, j->len, (off_t)(total * j->len)) != 0) {
		fprintf(stderr, "there is more in the file than was written\n");
		return 1;
	}
	free(got);
	free(want);
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	struct job jobs[MAX_THREADS] = { { .path = argv[1] } };
	unsigned threads;
	size_t len;

	if (argc < 5)
		tool_die("usage: zappend FILE THREADS RECORDS LENGTH [direct]");
	threads = (unsigned)tool_number(argv[2]);
	len = (size_t)tool_number(argv[4]);
	if (!threads || threads > MAX_THREADS || len < BLOCK || len % BLOCK)
		tool_die("1 to %d threads, whole blocks", MAX_THREADS);
	for (unsigned i = 0; i < threads; i++) {
		jobs[i] = (struct job){ .path = argv[1],
					.who = i,
					.records = (uint32_t)tool_number(argv[3]),
					.len = len,
					.flags = argc > 5 ? O_DIRECT : 0 };
		if (pthread_create(&jobs[i].thread, NULL, append_all, &jobs[i]))
			tool_die("no thread");
	}
	for (unsigned i = 0; i < threads; i++)
		pthread_join(jobs[i].thread, NULL);
	return verify(jobs, threads);
}
