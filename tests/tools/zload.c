/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients of all kinds at once, for tests that end or kill what serves them: they do random things
 * to the files of a mount and do not mind what comes of it. Each is a process; one that ends or is
 * killed is replaced. Ends when the mount does not answer any more, or by SIGTERM.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "race.h"
#include "zengines.h"

#define ROOM	    (2u << 20) /* of a client's buffer */
#define MAX_CLIENTS 64
#define MAP_BYTES   (256u << 10)
#define GONE	    7 /* exit status: nobody answers */
#define SEQ_FILES   4u
#define CNV_FILES   2u

struct client {
	const char *mount;
	uint64_t rng;
	char *buf;
};

static sigjmp_buf on_fault;
static volatile sig_atomic_t stop;

static void take_fault(int signal)
{
	siglongjmp(on_fault, signal);
}

static void take_stop(int signal)
{
	(void)signal;
	stop = 1;
}

static uint64_t pick(struct client *c, uint64_t n)
{
	return race_any(&c->rng, n);
}

/* The client ends when the mount does not answer. */
static int64_t seen(int64_t ret)
{
	if (ret < 0 && (errno == ENOTCONN || errno == ECONNABORTED || errno == ENODEV))
		_exit(GONE);
	return ret;
}

static const char *seq_file(struct client *c)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/seq/%u", c->mount, (unsigned)pick(c, SEQ_FILES));
	return path;
}

static const char *cnv_file(struct client *c)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/cnv/%u", c->mount, (unsigned)pick(c, CNV_FILES));
	return path;
}

static int load_open(const char *path, int flags)
{
	return (int)seen(open(path, flags | O_CLOEXEC));
}

static size_t zload_any_length(struct client *c)
{
	static const unsigned most[] = { 600, 8192, 65536, ROOM };

	return 1 + pick(c, most[pick(c, 4)]);
}

/* ---- what clients do ------------------------------------------------------------------------- */

static void do_append(struct client *c)
{
	int fd = load_open(seq_file(c), O_WRONLY | O_APPEND);

	for (uint64_t n = pick(c, 8); fd >= 0 && n--;)
		seen(write(fd, c->buf, zload_any_length(c)));
	if (fd >= 0 && !pick(c, 3))
		seen(fsync(fd));
	if (fd >= 0)
		seen(close(fd));
}

static void do_at_size(struct client *c)
{
	static const int flags[] = { 0, O_DIRECT, O_DSYNC, O_SYNC | O_DIRECT };
	int fd = load_open(seq_file(c), O_RDWR | flags[pick(c, 4)]);
	static const int rwf[] = { 0, RWF_APPEND, RWF_DSYNC, RWF_SYNC | RWF_APPEND };

	for (uint64_t n = pick(c, 8); fd >= 0 && n--;) {
		struct iovec v = { c->buf, (zload_any_length(c) + 511) & ~(size_t)511 };

		seen(pwritev2(fd, &v, 1, (off_t)race_size(fd), rwf[pick(c, 4)]));
	}
	if (fd >= 0)
		close(fd);
}

static void do_asynchronous(struct client *c)
{
	int fd = load_open(pick(c, 3) ? seq_file(c) : cnv_file(c),
			   O_WRONLY | (pick(c, 2) ? O_DIRECT : 0));
	struct put p = { .fd = fd,
			 .buf = c->buf,
			 .len = (zload_any_length(c) + 511) & ~(size_t)511 };
	ssize_t (*const ways[])(const struct put *) = { put_aio, put_uring, put_uring_linked };

	if (fd < 0)
		return;
	p.off = (int64_t)race_size(fd);
	ways[pick(c, 3)](&p);
	close(fd);
}

static void do_conventional(struct client *c)
{
	int fd = load_open(cnv_file(c), pick(c, 2) ? O_RDWR : O_WRONLY);

	for (uint64_t n = pick(c, 16); fd >= 0 && n--;)
		seen(pwrite(fd, c->buf, zload_any_length(c), (off_t)pick(c, 1u << 20)));
	if (fd >= 0 && !pick(c, 4))
		seen(fsync(fd));
	if (fd >= 0)
		close(fd);
}

/* Touches a mapping here and there; a page that cannot be had ends it. */
static void touch(struct client *c, volatile char *map, bool write)
{
	if (sigsetjmp(on_fault, 1))
		return;
	for (int i = 0; i < 64; i++) {
		volatile char *at = map + pick(c, MAP_BYTES);

		if (write)
			*at = (char)i;
		else
			(void)*at;
	}
	if (write && pick(c, 2))
		msync((void *)(uintptr_t)map, MAP_BYTES, pick(c, 2) ? MS_SYNC : MS_ASYNC);
}

static void do_mapped(struct client *c)
{
	bool write = pick(c, 2);
	int fd = load_open(write ? cnv_file(c) : seq_file(c), write ? O_RDWR : O_RDONLY);
	char *map = MAP_FAILED;

	if (fd >= 0)
		map = mmap(NULL, MAP_BYTES, PROT_READ | (write ? PROT_WRITE : 0), MAP_SHARED, fd,
			   0);
	if (map != MAP_FAILED) {
		touch(c, map, write);
		munmap(map, MAP_BYTES);
	}
	if (fd >= 0)
		close(fd);
}

static void do_state(struct client *c)
{
	static const char *const verbs[] = { "open",  "close",	   "finish",
					     "reset", "read-only", "offline" };
	bool conv = !pick(c, 16);
	/* what is once read-only or offline stays so: seldom, and mostly those that hurt nobody */
	const char *verb = verbs[pick(c, pick(c, 40) ? 4 : 6)];

	seen(setxattr(conv ? cnv_file(c) : seq_file(c), "user.zone.command", verb, strlen(verb),
		      0));
}

static void do_truncate(struct client *c)
{
	const char *path = seq_file(c);
	struct stat st;

	if (!seen(stat(path, &st)))
		seen(truncate(path, pick(c, 3) ? 0 : pick(c, 2) ? st.st_size : st.st_blocks * 512));
}

static void do_open(struct client *c)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	int fd = load_open(seq_file(c), modes[pick(c, 3)]);
	int other = fd >= 0 ? dup(fd) : -1;

	if (fd >= 0 && pick(c, 2))
		seen(write(fd, c->buf, zload_any_length(c)));
	if (fd >= 0)
		close(fd);
	if (other >= 0)
		close(other);
}

static void zload_read(struct client *c)
{
	int fd = load_open(pick(c, 4) ? seq_file(c) : cnv_file(c),
			   O_RDONLY | (pick(c, 4) ? 0 : O_DIRECT));

	for (uint64_t n = pick(c, 8); fd >= 0 && n--;)
		seen(pread(fd, c->buf, 65536, (off_t)pick(c, 1u << 20) & ~(off_t)4095));
	if (fd >= 0)
		close(fd);
}

static void do_look(struct client *c)
{
	char path[PATH_MAX], value[256];
	struct stat st;
	DIR *d;

	snprintf(path, sizeof(path), "%s/seq", c->mount);
	d = opendir(path);
	seen(d ? 0 : -1);
	while (d && readdir(d))
		;
	if (d)
		closedir(d);
	seen(stat(seq_file(c), &st));
	seen(getxattr(seq_file(c), "user.zone.state", value, sizeof(value)));
	seen(getxattr(c->mount, "user.zone.nr_active", value, sizeof(value)));
}

static void do_punch(struct client *c)
{
	int fd = load_open(cnv_file(c), O_RDWR);

	if (fd < 0)
		return;
	seen(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)pick(c, 1u << 20),
		       (off_t)zload_any_length(c)));
	close(fd);
}

static void client_run(struct client *c)
{
	static void (*const kinds[])(struct client *) = {
		do_append, do_at_size, do_asynchronous, do_conventional, do_mapped,
		do_mapped, do_state,   do_state,	do_truncate,	 do_open,
		do_open,   zload_read, do_look,		do_punch,
	};

	signal(SIGTERM, SIG_DFL);
	signal(SIGBUS, take_fault);
	c->buf = aligned_alloc(4096, ROOM);
	if (!c->buf)
		_exit(1);
	memset(c->buf, 'z', ROOM);
	for (;;)
		kinds[pick(c, sizeof(kinds) / sizeof(kinds[0]))](c);
}

/* ---- keeping so many of them ----------------------------------------------------------------- */

static pid_t client_start(const char *mount, uint64_t seed)
{
	struct client c = { .mount = mount, .rng = seed };
	pid_t parent = getpid(), pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent) /* it has ended before that call */
			_exit(1);
		/* what a sick mount makes the engines say is no matter here */
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		client_run(&c);
	}
	return pid;
}

int main(int argc, char **argv)
{
	struct sigaction term = { .sa_handler = take_stop };
	int clients = argc > 2 ? atoi(argv[2]) : 0, status, gone = 0;
	uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 0;

	if (clients < 1 || clients > MAX_CLIENTS || argc != 4) {
		fputs("usage: zload MOUNT CLIENTS SEED\n", stderr);
		return 2;
	}
	sigaction(SIGTERM, &term, NULL);
	for (int i = 0; i < clients; i++)
		client_start(argv[1], race_mix(seed++));
	while (!stop && !gone && wait(&status) > 0) {
		gone = WIFEXITED(status) && WEXITSTATUS(status) == GONE;
		if (!stop && !gone)
			client_start(argv[1], race_mix(seed++));
	}
	/* The others end with this one. */
	return 0;
}
