/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many zones at once, each with a thread that knows its zone's bytes, size and state and what
 * every call must return: writes of any length, wrong offsets, truncations, states by attribute,
 * thousands of open files. A share of the limits belongs to each thread, so none may see
 * EBUSY. Counters keep within the limits at every moment; now and then all threads
 * stop and every counter must be exact.
 *
 *     zmany MOUNTPOINT THREADS SECONDS SEED [files=N]
 *
 * All sequential zones are reset first; THREADS of them are used.
 */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "race.h"

#define MAX_THREADS 64
#define MAX_FILES   4096

enum state { EMPTY, WRITTEN, EXPLICIT, FULL }; /* WRITTEN: implicitly open or closed */

struct owner {
	pthread_t thread;
	char path[256];
	uint64_t random, cap;
	unsigned char *bytes; /* what the file must hold */
	uint64_t size, end;   /* whole blocks; where the stream of fd ends */
	enum state state;
	bool active, explicit_slot; /* which of the shared slots it has */
	int fd;			    /* the writer */
	int files[MAX_FILES];
	unsigned nr_files, nr_writing; /* of files */
	uint64_t ops;
};

static struct {
	const char *mount;
	unsigned nr_threads, max_files;
	uint64_t nr_zones, max_open, max_active;
	sem_t active, explicit_slots;
	pthread_barrier_t barrier;
	atomic_bool stop, meet;
	struct owner owner[MAX_THREADS];
} all;

static void zmany_expect(const struct owner *o, const char *what, int64_t got, int want)
{
	int error = got < 0 ? errno : 0;

	if (error != want)
		race_wrong("%s: %s: %s, expected %s", o->path, what,
			   error ? tool_errno(error) : "success",
			   want ? tool_errno(want) : "success");
}

/* ---- slots ----------------------------------------------------------------------------------- */

static bool zmany_take(sem_t *s, bool *have)
{
	if (!*have)
		*have = !sem_trywait(s);
	return *have;
}

static void give(sem_t *s, bool *have)
{
	if (*have)
		sem_post(s);
	*have = false;
}

/* What the zone's state no longer needs. */
static void zmany_settle(struct owner *o)
{
	if (o->state != EXPLICIT)
		give(&all.explicit_slots, &o->explicit_slot);
	if (o->state == EMPTY || o->state == FULL)
		give(&all.active, &o->active);
}

/* ---- operations ------------------------------------------------------------------------------ */

static void reopen(struct owner *o)
{
	if (o->fd >= 0)
		close(o->fd);
	o->fd = open(o->path, O_RDWR | O_CLOEXEC);
	zmany_expect(o, "open", o->fd, 0);
	o->end = o->size;
}

static void zmany_op_write(struct owner *o)
{
	uint64_t len = race_any(&o->random, race_any(&o->random, 8) ? 20000 : o->cap) + 1;
	uint64_t left = o->cap - o->end, done = len < left ? len : left;
	unsigned char *buf;
	ssize_t n;

	if (!zmany_take(&all.active, &o->active))
		return;
	buf = malloc(len + 8);
	race_fill(buf, len + 8, race_any(&o->random, UINT64_MAX), 0);
	n = pwrite(o->fd, buf, len, (off_t)o->end);
	zmany_expect(o, "write", n, o->end >= o->cap ? EFBIG : 0);
	if (n >= 0) {
		if ((uint64_t)n != done)
			race_wrong("%s: write of %llu at %llu gave %zd", o->path,
				   (unsigned long long)len, (unsigned long long)o->end, n);
		memcpy(o->bytes + o->end, buf, done);
		o->end += done;
		o->size = (o->end + BLOCK - 1) / BLOCK * BLOCK;
		memset(o->bytes + o->end, 0, o->size - o->end);
		if (o->size == o->cap)
			o->state = FULL;
		else if (o->state == EMPTY)
			o->state = WRITTEN;
	}
	free(buf);
	zmany_settle(o);
}

static void op_misplaced(struct owner *o)
{
	char block[BLOCK] = "misplaced";
	/* another description, or what is within the padding might be meant */
	int fd = open(o->path, O_WRONLY | O_CLOEXEC);
	uint64_t off = race_any(&o->random, 2 * o->cap / BLOCK) * BLOCK;

	zmany_expect(o, "open", fd, 0);
	if (off != o->size && off + BLOCK != o->size)
		zmany_expect(o, "misplaced write", pwrite(fd, block, BLOCK, (off_t)off),
			     off >= o->cap ? EFBIG : EINVAL);
	close(fd);
}

static void zmany_op_truncate(struct owner *o)
{
	uint64_t choice[] = { 0, 0, o->cap, o->size, race_any(&o->random, 2 * o->cap) };
	uint64_t len = choice[race_any(&o->random, 5)];

	if (len == o->size) {
		zmany_expect(o, "truncate to the size", ftruncate(o->fd, (off_t)len), 0);
	} else if (!len) {
		zmany_expect(o, "reset", ftruncate(o->fd, 0), 0);
		o->size = o->end = 0;
		o->state = o->state == EXPLICIT ? EXPLICIT : EMPTY;
	} else if (len == o->cap) {
		if (!zmany_take(&all.active, &o->active))
			return;
		zmany_expect(o, "finish", ftruncate(o->fd, (off_t)len), 0);
		memset(o->bytes + o->end, 0, o->cap - o->end);
		o->size = o->end = o->cap;
		o->state = FULL;
	} else {
		zmany_expect(o, "truncate", ftruncate(o->fd, (off_t)len), EPERM);
	}
	zmany_settle(o);
}

static void zmany_op_state(struct owner *o)
{
	bool open = race_any(&o->random, 2);
	const char *word = open ? "open" : "close";

	if (open && (!zmany_take(&all.active, &o->active) ||
		     !zmany_take(&all.explicit_slots, &o->explicit_slot))) {
		zmany_settle(o);
		return;
	}
	zmany_expect(o, word, setxattr(o->path, "user.zone.command", word, strlen(word), 0),
		     open && o->state == FULL ? EINVAL : 0);
	if (open && o->state != FULL)
		o->state = EXPLICIT;
	else if (!open && o->state == EXPLICIT)
		o->state = o->size ? WRITTEN : EMPTY;
	if (!open)
		o->end = o->size; /* the stream has ended */
	zmany_settle(o);
}

static void op_files(struct owner *o)
{
	if (o->nr_files && !race_any(&o->random, 30)) {
		for (unsigned i = 0; i < o->nr_files; i++)
			close(o->files[i]);
		o->nr_files = o->nr_writing = 0;
	}
	for (unsigned i = 0; i < 40 && o->nr_files < all.max_files; i++) {
		bool writes = race_any(&o->random, 2);
		int fd = open(o->path, O_CLOEXEC | (writes ? O_WRONLY : O_RDONLY));

		zmany_expect(o, "open of one more file", fd, 0);
		o->nr_writing += writes;
		o->files[o->nr_files++] = fd;
	}
}

static void zmany_op_read(struct owner *o)
{
	unsigned char *got = malloc(o->cap + BLOCK);
	bool other = o->nr_files && race_any(&o->random, 2);
	int fd = other ? open(o->path, O_RDONLY | O_CLOEXEC) : o->fd;
	ssize_t n = pread(fd, got, o->cap + BLOCK, 0);

	zmany_expect(o, "read", n, 0);
	if ((uint64_t)n != o->size)
		race_wrong("%s: read gave %zd of %llu", o->path, n, (unsigned long long)o->size);
	for (uint64_t i = 0; i < o->size; i++)
		if (got[i] != o->bytes[i])
			race_wrong("%s: byte %llu differs", o->path, (unsigned long long)i);
	if (other)
		close(fd);
	free(got);
}

static void check(struct owner *o)
{
	static const char *const names[] = { "empty", "", "explicit-open", "full" };
	char state[64];

	if (race_size(o->fd) != o->size)
		race_wrong("%s: size %llu, expected %llu", o->path,
			   (unsigned long long)race_size(o->fd), (unsigned long long)o->size);
	race_attr(o->path, "state", state);
	if (o->state == WRITTEN ? strcmp(state, "implicit-open") && strcmp(state, "closed")
				: strcmp(state, names[o->state]))
		race_wrong("%s: is %s with %llu bytes", o->path, state,
			   (unsigned long long)o->size);
}

static void *owner_main(void *data)
{
	struct owner *o = data;

	while (!atomic_load(&all.stop)) {
		uint64_t dice = race_any(&o->random, 20);

		if (dice < 8)
			zmany_op_write(o);
		else if (dice < 11)
			zmany_op_truncate(o);
		else if (dice < 14)
			zmany_op_state(o);
		else if (dice < 15)
			op_misplaced(o);
		else if (dice < 16)
			op_files(o);
		else if (dice < 17)
			reopen(o);
		else
			zmany_op_read(o);
		check(o);
		o->ops++;
		if (atomic_load(&all.meet)) {
			pthread_barrier_wait(&all.barrier);
			pthread_barrier_wait(&all.barrier);
		}
	}
	return NULL;
}

/* ---- counters -------------------------------------------------------------------------------- */

static void counter_is(const char *name, uint64_t want)
{
	if (race_number(all.mount, name) != want)
		race_wrong("%s is %llu, expected %llu", name,
			   (unsigned long long)race_number(all.mount, name),
			   (unsigned long long)want);
}

static void zmany_check_counters(void)
{
	uint64_t in[FULL + 1] = { all.nr_zones - all.nr_threads }, left = 0, writing = 0,
			   free_bytes;
	struct statvfs s;

	for (unsigned i = 0; i < all.nr_threads; i++) {
		const struct owner *o = &all.owner[i];

		in[o->state]++;
		left += o->state == FULL ? 0 : o->cap - o->size;
		writing += o->nr_writing || o->fd >= 0;
	}
	left += (all.nr_zones - all.nr_threads) * all.owner[0].cap;
	counter_is("nr_empty", in[EMPTY]);
	counter_is("nr_full", in[FULL]);
	counter_is("nr_open_explicit", in[EXPLICIT]);
	counter_is("nr_active", in[EXPLICIT] + in[WRITTEN]);
	counter_is("nr_write_open", writing);
	if (race_number(all.mount, "nr_open_implicit") + race_number(all.mount, "nr_closed") !=
	    in[WRITTEN])
		race_wrong("nr_open_implicit and nr_closed are not %llu together",
			   (unsigned long long)in[WRITTEN]);
	if (statvfs(all.mount, &s))
		race_wrong("statvfs: %s", tool_errno(errno));
	free_bytes = (uint64_t)s.f_bfree * s.f_frsize;
	if (free_bytes != left)
		race_wrong("%llu bytes free, expected %llu", (unsigned long long)free_bytes,
			   (unsigned long long)left);
}

static void keep_watch(void)
{
	uint64_t open = race_number(all.mount, "nr_open_implicit");

	if (all.max_open && open > all.max_open)
		race_wrong("%llu zones implicitly open", (unsigned long long)open);
	if (all.max_active && race_number(all.mount, "nr_active") > all.max_active)
		race_wrong("more than %llu active zones", (unsigned long long)all.max_active);
}

static void zmany_start(struct owner *o, unsigned i, uint64_t seed)
{
	snprintf(o->path, sizeof(o->path), "%s/seq/%u", all.mount, i);
	o->random = seed * 4001 + i;
	o->cap = race_number(o->path, "capacity");
	o->bytes = calloc(1, o->cap + BLOCK);
	o->fd = -1;
	reopen(o);
}

/* As many files as the machine lets a process have: a login's first limit is often 1024. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	uint64_t seed, ops = 0, meetings = 0;
	double end, next;

	if (argc < 5)
		tool_die("usage: zmany MOUNTPOINT THREADS SECONDS SEED [files=N]");
	raise_file_limit();
	all.mount = argv[1];
	all.nr_threads = (unsigned)tool_number(argv[2]);
	end = race_now() + (double)tool_number(argv[3]);
	seed = (uint64_t)tool_number(argv[4]);
	all.max_files = argc > 5 && !strncmp(argv[5], "files=", 6)
				? (unsigned)tool_number(argv[5] + 6)
				: 100;
	all.nr_zones =
		race_number(all.mount, "nr_zones") - race_number(all.mount, "nr_conventional");
	all.max_open = race_number(all.mount, "max_open");
	all.max_active = race_number(all.mount, "max_active");
	if (!all.nr_threads || all.nr_threads > MAX_THREADS || all.nr_threads > all.nr_zones ||
	    all.max_files > MAX_FILES || all.max_open == 1)
		tool_die("too many threads or files, or a limit of one");
	for (unsigned i = 0; i < all.nr_zones; i++) {
		char path[256];

		snprintf(path, sizeof(path), "%s/seq/%u", all.mount, i);
		if (truncate(path, 0))
			race_wrong("%s: reset: %s", path, tool_errno(errno));
	}
	sem_init(&all.active, 0, all.max_active ? (unsigned)all.max_active : MAX_THREADS);
	/* one open slot is left for those that open by writing */
	sem_init(&all.explicit_slots, 0, all.max_open ? (unsigned)all.max_open - 1 : MAX_THREADS);
	pthread_barrier_init(&all.barrier, NULL, all.nr_threads + 1);
	for (unsigned i = 0; i < all.nr_threads; i++)
		zmany_start(&all.owner[i], i, seed);
	for (unsigned i = 0; i < all.nr_threads; i++)
		pthread_create(&all.owner[i].thread, NULL, owner_main, &all.owner[i]);
	while (race_now() < end) {
		for (next = race_now() + 0.3; race_now() < next;)
			keep_watch();
		atomic_store(&all.meet, true);
		pthread_barrier_wait(&all.barrier);
		zmany_check_counters();
		atomic_store(&all.meet, false);
		if (race_now() >= end)
			atomic_store(&all.stop, true);
		pthread_barrier_wait(&all.barrier);
		meetings++;
	}
	atomic_store(&all.stop, true);
	for (unsigned i = 0; i < all.nr_threads; i++) {
		pthread_join(all.owner[i].thread, NULL);
		ops += all.owner[i].ops;
	}
	printf("%s: %llu operations, counters compared %llu times\n", all.mount,
	       (unsigned long long)ops, (unsigned long long)meetings);
	return 0;
}
