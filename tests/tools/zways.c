/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every way in which a program can write to a sequential file, times lengths, times where it
 * starts, times O_DIRECT and O_APPEND: the bytes must lie in the order in which the program has
 * them, whatever pieces the kernel sends.
 *
 *     zways ways FILE TMP MAX         one after the other, up to MAX bytes
 *     zways zones MAX FILE...         one call to each file at once, libaio and io_uring
 *     zways appenders FILE LEN N      two processes, N asynchronous appends of LEN each
 *
 * Says for each thing that is wrong what it was; exit status 1 then.
 */
#include <aio.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "zengines.h"

#define PAGE 4096u

/* ---- the ways of one thread -------------------------------------------------------------- */

static ssize_t put_write(const struct put *p)
{
	ssize_t n = lseek(p->fd, p->off, SEEK_SET) < 0 ? -1 : write(p->fd, p->buf, p->len);

	return n < 0 ? -errno : n;
}

static ssize_t put_pwritev2(const struct put *p)
{
	struct iovec v[2] = { { (void *)(uintptr_t)p->buf, p->len / 1024 * 512 } };
	ssize_t n;

	v[1].iov_base = (void *)(uintptr_t)(p->buf + v[0].iov_len);
	v[1].iov_len = p->len - v[0].iov_len;
	n = pwritev2(p->fd, v, 2, p->off, p->rwf);
	return n < 0 ? -errno : n;
}

static ssize_t put_posix_aio(const struct put *p)
{
	struct aiocb cb = { .aio_fildes = p->fd,
			    .aio_buf = (void *)(uintptr_t)p->buf,
			    .aio_nbytes = p->len,
			    .aio_offset = p->off };
	const struct aiocb *const list[] = { &cb };

	if (aio_write(&cb))
		return -errno;
	while (aio_error(&cb) == EINPROGRESS)
		aio_suspend(list, 1, NULL);
	return aio_error(&cb) ? -aio_error(&cb) : aio_return(&cb);
}

/* From a file, at the place where the descriptor stands. */
static ssize_t from_file(const struct put *p, ssize_t (*move)(int from, int to, size_t len))
{
	int from = open(p->tmp, O_RDONLY);
	size_t done = 0;
	ssize_t n = 1;

	if (from < 0 || lseek(p->fd, p->off, SEEK_SET) < 0)
		tool_die("%s: %s", p->tmp, tool_errno(errno));
	while (done < p->len && n > 0) {
		n = move(from, p->fd, p->len - done);
		done += n > 0 ? (size_t)n : 0;
	}
	n = n < 0 ? -errno : (ssize_t)done;
	close(from);
	return n;
}

static ssize_t move_sendfile(int from, int to, size_t len)
{
	return sendfile(to, from, NULL, len);
}

static ssize_t move_copy(int from, int to, size_t len)
{
	return copy_file_range(from, NULL, to, NULL, len, 0);
}

static ssize_t move_splice(int from, int to, size_t len)
{
	int fd[2];
	ssize_t n;

	if (pipe(fd))
		return -1;
	n = splice(from, NULL, fd[1], NULL, len < 65536 ? len : 65536, 0);
	for (ssize_t left = n; left > 0;) {
		ssize_t k = splice(fd[0], NULL, to, NULL, (size_t)left, 0);

		if (k <= 0) {
			n = -1;
			break;
		}
		left -= k;
	}
	close(fd[0]);
	close(fd[1]);
	return n;
}

static ssize_t put_sendfile(const struct put *p)
{
	return from_file(p, move_sendfile);
}

static ssize_t put_copy(const struct put *p)
{
	return from_file(p, move_copy);
}

static ssize_t put_splice(const struct put *p)
{
	return from_file(p, move_splice);
}

/* ---- the table --------------------------------------------------------------------------- */

enum { PLAIN = 1, DIRECT = 2, APPEND = 4, RWF = 8 };

static const struct way {
	const char *name;
	ssize_t (*put)(const struct put *p);
	unsigned may;
} ways[] = {
	{ "write", put_write, PLAIN | DIRECT | APPEND },
	{ "pwritev2", put_pwritev2, PLAIN | DIRECT | APPEND | RWF },
	{ "posix_aio", put_posix_aio, PLAIN | DIRECT | APPEND },
	{ "libaio", put_aio, PLAIN | DIRECT | APPEND | RWF },
	{ "io_uring", put_uring, PLAIN | DIRECT | APPEND | RWF },
	{ "io_uring, linked", put_uring_linked, PLAIN | DIRECT | APPEND },
	{ "io_uring, fixed buffer", put_uring_fixed, PLAIN | DIRECT | APPEND },
	{ "io_uring, many segments", put_uring_many, PLAIN | APPEND },
	{ "splice", put_splice, PLAIN },
	{ "sendfile", put_sendfile, PLAIN },
	{ "copy_file_range", put_copy, PLAIN },
};

/* What is there before the write. */
enum start {
	EMPTY,	  /* nothing */
	CLOSED,	  /* a partial block, padded */
	OPEN,	  /* a partial block of a description that stays open */
	OWN,	  /* a partial block of the description that goes on */
	OWN_SEEN, /* the same, and the kernel has been told of the padding */
	NR_STARTS
};
static const char *const start_name[] = { "an empty zone", "a closed stream", "another's stream",
					  "its own stream", "its own stream after a stat" };

static char *bytes, *back;
static int failures;

static void complain(const char *what, const char *way, size_t len, unsigned how, int start,
		     ssize_t n)
{
	printf("%s, %zu bytes%s%s%s behind %s: %s (%zd%s%s)\n", way, len,
	       how & DIRECT ? ", direct" : "", how & APPEND ? ", O_APPEND" : "",
	       how & RWF ? ", RWF_APPEND" : "", start_name[start], what, n, n < 0 ? " " : "",
	       n < 0 ? tool_errno((int)-n) : "");
	failures++;
}

static size_t size_of(const char *file)
{
	struct stat st;

	if (stat(file, &st))
		tool_die("%s: %s", file, tool_errno(errno));
	return (size_t)st.st_size;
}

/* Are these bytes what the file has from off on, with zeros behind them to the end? */
static const char *compare_file(const char *file, size_t off, size_t len)
{
	size_t size = size_of(file), want = (off + len + 511) / 512 * 512, got = 0;
	int fd = open(file, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		tool_die("%s: %s", file, tool_errno(errno));
	if (size != want) {
		close(fd);
		return "another size";
	}
	while ((n = pread(fd, back + got, want - off - got, (off_t)(off + got))) > 0)
		got += (size_t)n;
	close(fd);
	if (got != want - off || memcmp(back, bytes, len))
		return "other bytes";
	for (size_t i = len; i < got; i++)
		if (back[i])
			return "no zeros behind them";
	return NULL;
}

static int open_at(const char *file, unsigned how)
{
	int fd = open(file, O_RDWR | (how & APPEND ? O_APPEND : 0) | (how & DIRECT ? O_DIRECT : 0));

	if (fd < 0)
		tool_die("%s: %s", file, tool_errno(errno));
	return fd;
}

static void write_five(int fd)
{
	if (write(fd, "start", 5) != 5)
		tool_die("five bytes: %s", tool_errno(errno));
}

static void try_one(const char *file, const char *tmp, const struct way *w, size_t len,
		    unsigned how, enum start start)
{
	struct put p = { .buf = bytes, .len = len, .tmp = tmp, .rwf = how & RWF ? RWF_APPEND : 0 };
	int other = -1;
	size_t begin;
	const char *wrong;
	ssize_t n;

	if (truncate(file, 0))
		tool_die("%s: %s", file, tool_errno(errno));
	if (start == CLOSED || start == OPEN) {
		other = open_at(file, 0);
		write_five(other);
		if (start == CLOSED)
			close(other);
	}
	p.fd = open_at(file, how);
	if (start == OWN || start == OWN_SEEN)
		write_five(p.fd);
	begin = start == OWN || start == OWN_SEEN ? 5 : start == EMPTY ? 0 : 512;
	if (start == OWN_SEEN)
		size_of(file);
	p.off = (int64_t)begin;
	n = w->put(&p);
	if (n == WAY_MISSING) {
		printf("(%s: not here)\n", w->name);
	} else if (n != (ssize_t)len) {
		complain("failed", w->name, len, how, start, n);
	} else {
		wrong = compare_file(file, begin, len);
		if (wrong)
			complain(wrong, w->name, len, how, start, n);
	}
	close(p.fd);
	if (start == OPEN)
		close(other);
}

static bool possible(const struct way *w, unsigned how, enum start start)
{
	if ((w->may & how) != how)
		return false;
	/* A direct write needs a whole block to begin with, and RWF_APPEND shows where the kernel
	 * believes that its own stream ends. */
	if (how & DIRECT)
		return start == EMPTY || start == CLOSED;
	return !(how & RWF) || start != OWN_SEEN;
}

static void try_ways(const char *file, const char *tmp, size_t max)
{
	static const unsigned hows[] = {
		PLAIN, APPEND, RWF, DIRECT, DIRECT | APPEND, DIRECT | RWF
	};

	for (size_t len = 4096; len <= max; len *= 4)
		for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++)
			for (size_t h = 0; h < sizeof(hows) / sizeof(hows[0]); h++)
				for (int start = 0; start < NR_STARTS; start++)
					if (possible(&ways[w], hows[h], (enum start)start))
						try_one(file, tmp, &ways[w], len, hows[h],
							(enum start)start);
}

/* ---- several zones at once
 * ----------------------------------------------------------------------- */

static void try_zones(char **file, int nr, size_t len, bool append, bool uring)
{
	struct put p[8];
	ssize_t res[8] = { 0 };

	for (int i = 0; i < nr; i++) {
		if (truncate(file[i], 0))
			tool_die("%s: %s", file[i], tool_errno(errno));
		p[i] = (struct put){ .fd = open_at(file[i], append ? APPEND : 0),
				     .buf = bytes,
				     .len = len };
	}
	if ((uring ? ring_puts : aio_puts)(p, nr, res) == 0)
		for (int i = 0; i < nr; i++) {
			const char *wrong =
				res[i] == (ssize_t)len ? compare_file(file[i], 0, len) : "failed";

			if (wrong)
				complain(wrong,
					 uring ? "io_uring, several zones"
					       : "libaio, several zones",
					 len, append ? APPEND : 0, EMPTY, res[i]);
		}
	for (int i = 0; i < nr; i++)
		close(p[i].fd);
}

/* ---- two processes
 * ------------------------------------------------------------------------------- */

/* Appends records whose words all are the same. */
static void append_marked(const char *file, size_t len, int nr, uint32_t id)
{
	int fd = open_at(file, APPEND);
	uint32_t *record = aligned_alloc(PAGE, len);

	if (!record)
		tool_die("out of memory");
	for (int i = 0; i < nr; i++) {
		struct put p = { .fd = fd, .buf = (char *)record, .len = len };
		ssize_t n;

		for (size_t k = 0; k < len / 4; k++)
			record[k] = id << 16 | (uint32_t)i;
		n = i % 2 ? put_aio(&p) : put_uring(&p);
		if (n == WAY_MISSING)
			n = put_aio(&p);
		if (n != (ssize_t)len)
			complain("failed", "two appenders", len, APPEND, EMPTY, n);
	}
	exit(failures != 0);
}

static void try_appenders(const char *file, size_t len, int nr)
{
	pid_t pid[2];
	int fd, status;

	if (truncate(file, 0))
		tool_die("%s: %s", file, tool_errno(errno));
	for (uint32_t i = 0; i < 2; i++) {
		pid[i] = fork();
		if (!pid[i])
			append_marked(file, len, nr, i + 1);
	}
	for (int i = 0; i < 2; i++)
		if (waitpid(pid[i], &status, 0) < 0 || status)
			failures++;
	fd = open_at(file, 0);
	for (int i = 0; i < 2 * nr; i++) {
		uint32_t *word = (uint32_t *)(void *)back;
		bool whole = pread(fd, back, len, (off_t)len * i) == (ssize_t)len;

		for (size_t k = 1; k < len / 4 && whole; k++)
			whole = word[k] == word[0];
		if (!whole)
			complain("two calls are mixed", "two appenders", len, APPEND, EMPTY, i);
	}
	close(fd);
}

/* ---- */

static void make_bytes(size_t max, const char *tmp)
{
	int fd;

	bytes = aligned_alloc(PAGE, max + PAGE);
	back = aligned_alloc(PAGE, max + PAGE);
	if (!bytes || !back)
		tool_die("out of memory");
	for (size_t i = 0; i < max / 8; i++)
		((uint64_t *)(void *)bytes)[i] = (i + 1) * 0x9e3779b97f4a7c15u;
	if (!tmp)
		return;
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, bytes, max) != (ssize_t)max || close(fd))
		tool_die("%s: %s", tmp, tool_errno(errno));
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "ways")) {
		size_t max = (size_t)tool_number(argv[4]);

		make_bytes(max, argv[3]);
		try_ways(argv[2], argv[3], max);
	} else if (argc >= 4 && !strcmp(argv[1], "zones")) {
		size_t max = (size_t)tool_number(argv[2]);

		make_bytes(max, NULL);
		for (size_t len = PAGE; len <= max; len *= 4)
			for (int i = 0; i < 4; i++)
				try_zones(argv + 3, argc - 3 < 8 ? argc - 3 : 8, len, i & 1, i & 2);
	} else if (argc == 5 && !strcmp(argv[1], "appenders")) {
		size_t len = (size_t)tool_number(argv[3]);

		make_bytes(len, NULL);
		try_appenders(argv[2], len, (int)tool_number(argv[4]));
	} else {
		fputs("usage: zways ways FILE TMP MAX | zones MAX FILE... | appenders FILE LEN N\n",
		      stderr);
		return 2;
	}
	if (failures)
		printf("%d failures\n", failures);
	return failures != 0;
}
