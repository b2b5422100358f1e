/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writers that append to one zone, readers of all kinds and one that resets and finishes it, all
 * at once. Every block says which write it belongs to; a clock that ticks with each event
 * says what may be seen: no write lost, doubled, mixed with another or out of its writer's
 * order, no byte of before a reset after it. Now and then all stop and the whole file is checked.
 *
 *     zrace FILE CONV SECONDS SEED [writers=N] [attributes]
 *
 * CONV is a conventional file on the same mount; one writer's memory is a mapping of it. With
 * "attributes" states are also changed through user.zone.command, and no one uses RWF_APPEND.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "race_block.h"

#define MAX_WRITERS 16u
#define MAX_RECORD  (1u << 20)
#define MAX_READ    (256u << 10)

enum how { APPEND, APPEND_DIRECT, RWF, FROM_MAPPING, NR_HOW };

static struct {
	const char *path, *conv;
	uint64_t cap, seed;
	bool attributes;
	unsigned nr_writers;
	pthread_rwlock_t pause; /* shared by every write; exclusive while the file is checked */
	_Atomic uint64_t clock;
	_Atomic uint64_t next_write;	    /* 0 is none */
	_Atomic uint64_t began[MAX_WRITES]; /* when the write was called */
	_Atomic uint64_t done[MAX_WRITES];  /* when the write was acknowledged */
	_Atomic uint32_t len[MAX_WRITES];   /* blocks that were */
	_Atomic uint64_t reset_began;	    /* of the last reset that has returned */
	_Atomic uint64_t reset_returned;
	_Atomic unsigned upheaval; /* odd while a reset or a finish is under way */
	atomic_bool finished, stop;
	_Atomic uint64_t nr_writes, nr_reads, nr_resets, nr_checks;
} r;

static uint64_t tick(void)
{
	return atomic_fetch_add(&r.clock, 1) + 1;
}

static void check_block(const struct block *b, uint64_t off, const char *reader)
{
	const char *is = block_fault(b);

	if (is)
		race_wrong("%s: block at %llu is %s (%s): write %llx, %x of %x", r.path,
			   (unsigned long long)off, is, reader, (unsigned long long)b->write,
			   b->index, b->count);
}

/* ---- writers --------------------------------------------------------------------------------- */

struct writer {
	pthread_t thread;
	unsigned who;
	enum how how;
	int fd;
	void *mem;
	uint64_t random;
};

static uint32_t any_blocks(uint64_t *random)
{
	uint32_t n = (uint32_t)race_any(random, MAX_RECORD / BLOCK) + 1;

	for (uint64_t i = race_any(random, 12); i && n > 1; i--)
		n /= 2;
	return n;
}

static void one_write(struct writer *w)
{
	uint64_t nr = atomic_fetch_add(&r.next_write, 1);
	uint32_t count = any_blocks(&w->random);
	struct iovec iov = { w->mem, (size_t)count * BLOCK };
	ssize_t n;

	if (nr >= MAX_WRITES) {
		atomic_store(&r.stop, true);
		return;
	}
	block_fill(w->mem, nr, w->who, count);
	atomic_store(&r.began[nr], tick());
	n = w->how == RWF ? pwritev2(w->fd, &iov, 1, 0, RWF_APPEND)
			  : write(w->fd, w->mem, iov.iov_len);
	if (n < 0 && errno != EFBIG)
		race_wrong("%s: write: %s", r.path, tool_errno(errno));
	if (n >= 0 && (n == 0 || n % (ssize_t)BLOCK))
		race_wrong("%s: a write of %zu gave %zd", r.path, iov.iov_len, n);
	if (n > 0) {
		atomic_store(&r.len[nr], (uint32_t)n / BLOCK);
		atomic_store(&r.done[nr], tick());
	}
	atomic_fetch_add(&r.nr_writes, 1);
}

static void *writer_main(void *data)
{
	struct writer *w = data;

	while (!atomic_load(&r.stop)) {
		pthread_rwlock_rdlock(&r.pause);
		one_write(w);
		pthread_rwlock_unlock(&r.pause);
		if (!race_any(&w->random, 16))
			usleep((useconds_t)race_any(&w->random, 3000));
	}
	return NULL;
}

static void start_writer(struct writer *w, unsigned who)
{
	int flags = O_WRONLY | O_CLOEXEC, conv;

	w->who = who;
	w->how = (enum how)(who % NR_HOW);
	if (w->how == RWF && r.attributes)
		w->how = APPEND;
	if (w->how != RWF)
		flags |= O_APPEND;
	if (w->how == APPEND_DIRECT)
		flags |= O_DIRECT;
	w->random = r.seed * 1000 + who;
	w->mem = mmap(NULL, MAX_RECORD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w->how == FROM_MAPPING && who == FROM_MAPPING) {
		conv = open(r.conv, O_RDWR | O_CLOEXEC);
		w->mem = mmap(NULL, MAX_RECORD, PROT_READ | PROT_WRITE, MAP_SHARED, conv, 0);
		close(conv);
	}
	w->fd = open(r.path, flags);
	if (w->fd < 0 || w->mem == MAP_FAILED)
		race_wrong("writer %u: %s", who, tool_errno(errno));
	pthread_create(&w->thread, NULL, writer_main, w);
}

/* ---- readers --------------------------------------------------------------------------------- */

enum { CACHED, DIRECT, MAPPED, NR_READERS };
static const char *const reader_names[] = { "cached", "direct", "mapped" };

struct reader {
	pthread_t thread;
	unsigned kind;
	int fd, memory;
	unsigned char *map;
	void *buf;
	uint64_t random;
};

/* As pread(2). A mapping is copied by the kernel: behind the end of the file that
 * gives an error and no signal. */
static ssize_t zrace_get(const struct reader *rd, size_t len, uint64_t off)
{
	ssize_t n;

	if (rd->kind != MAPPED)
		return pread(rd->fd, rd->buf, len, (off_t)off);
	if (off >= r.cap)
		return 0;
	if (len > r.cap - off)
		len = r.cap - off;
	n = pwrite(rd->memory, rd->map + off, len, 0);
	if (n < 0 && errno == EFAULT)
		return 0;
	return n <= 0 ? n : pread(rd->memory, rd->buf, (size_t)n, 0);
}

/*
 * Copying from a mapping takes its time, and the page may change or go meanwhile, as it may under
 * any file system: a block then is half of one kind and half of another. Between two resets
 * only zeros can become a block, and a second look shows which.
 */
static bool torn(const struct reader *rd, const struct block *b, uint64_t off, unsigned upheaval)
{
	struct block now;
	bool looked;

	if (rd->kind != MAPPED || !block_fault(b))
		return false;
	looked = pwrite(rd->memory, rd->map + off, BLOCK, 0) == BLOCK &&
		 pread(rd->memory, &now, BLOCK, 0) == BLOCK;
	if ((upheaval & 1) || atomic_load(&r.upheaval) != upheaval)
		return true;
	return looked && block_is_mixed(b, &now);
}

static void one_read(struct reader *rd)
{
	uint64_t size = race_size(rd->fd), off, before, reset;
	size_t len = (race_any(&rd->random, MAX_READ / BLOCK) + 1) * BLOCK;
	unsigned upheaval;
	const struct block *b = rd->buf;
	ssize_t n;

	off = size ? race_any(&rd->random, size / BLOCK) * BLOCK : 0;
	if (size > len && race_any(&rd->random, 2))
		off = size - len; /* where the writers are */
	upheaval = atomic_load(&r.upheaval);
	before = race_size(rd->fd);
	reset = atomic_load(&r.reset_began);
	n = zrace_get(rd, len, off);
	if (n < 0)
		race_wrong("%s: %s read: %s", r.path, reader_names[rd->kind], tool_errno(errno));
	for (size_t i = 0; i < (size_t)n / BLOCK; i++) {
		uint64_t at = off + i * BLOCK, done;

		if (block_is_zero(&b[i])) {
			/* finished, reset meanwhile, or a cached page that was read too early */
			if (rd->kind == DIRECT && at + BLOCK <= before && !(upheaval & 1) &&
			    !atomic_load(&r.finished) && atomic_load(&r.upheaval) == upheaval)
				race_wrong("%s: zeros at %llu", r.path, (unsigned long long)at);
			continue;
		}
		if (torn(rd, &b[i], at, upheaval))
			continue;
		check_block(&b[i], at, reader_names[rd->kind]);
		done = atomic_load(&r.done[b[i].write]);
		if (done && done < reset)
			race_wrong("%s: %s read at %llu gave a byte of before a reset", r.path,
				   reader_names[rd->kind], (unsigned long long)at);
	}
	atomic_fetch_add(&r.nr_reads, 1);
}

static void *reader_main(void *data)
{
	struct reader *rd = data;

	while (!atomic_load(&r.stop)) {
		one_read(rd);
		if (!race_any(&rd->random, 8))
			usleep((useconds_t)race_any(&rd->random, 2000));
	}
	return NULL;
}

static void open_reader(struct reader *rd, unsigned kind)
{
	rd->kind = kind;
	rd->random = r.seed * 77 + kind;
	rd->fd = open(r.path, O_RDONLY | O_CLOEXEC | (kind == DIRECT ? O_DIRECT : 0));
	rd->memory = memfd_create("copy", MFD_CLOEXEC);
	rd->buf = aligned_alloc(4096, ((r.cap > MAX_READ ? r.cap : MAX_READ) + 4095) / 4096 * 4096);
	rd->map = mmap(NULL, r.cap, PROT_READ, MAP_SHARED, rd->fd, 0);
	if (rd->fd < 0 || rd->memory < 0 || !rd->buf || rd->map == MAP_FAILED)
		race_wrong("reader: %s", tool_errno(errno));
}

/* ---- the one who changes the zone ----------------------------------------------------- */

static void zrace_tell(const char *word)
{
	if (setxattr(r.path, "user.zone.command", word, strlen(word), 0))
		race_wrong("%s of %s: %s", word, r.path, tool_errno(errno));
}

static void do_reset(bool attribute)
{
	uint64_t began = tick();

	atomic_fetch_add(&r.upheaval, 1);
	if (attribute)
		zrace_tell("reset");
	else if (truncate(r.path, 0))
		race_wrong("%s: reset: %s", r.path, tool_errno(errno));
	atomic_store(&r.finished, false);
	atomic_store(&r.reset_began, began);
	atomic_store(&r.reset_returned, tick());
	atomic_fetch_add(&r.upheaval, 1);
	atomic_fetch_add(&r.nr_resets, 1);
}

static void do_finish(bool attribute)
{
	atomic_fetch_add(&r.upheaval, 1);
	atomic_store(&r.finished, true);
	if (attribute)
		zrace_tell("finish");
	else if (truncate(r.path, (off_t)r.cap))
		race_wrong("%s: finish: %s", r.path, tool_errno(errno));
	atomic_fetch_add(&r.upheaval, 1);
}

/* The whole file as one reader sees it, while nobody writes. */
static void check_file(const struct reader *rd, uint64_t size)
{
	static uint64_t last[MAX_WRITERS], present[MAX_WRITES / 64];
	const struct block *b = rd->buf;
	ssize_t n = zrace_get(rd, size, 0);
	uint64_t at = 0, blocks = size / BLOCK;

	if (n != (ssize_t)size)
		race_wrong("%s: %s read gave %zd of %llu", r.path, reader_names[rd->kind], n,
			   (unsigned long long)size);
	memset(last, 0, sizeof(last));
	memset(present, 0, sizeof(present));
	while (at < blocks && !block_is_zero(&b[at])) {
		uint64_t nr = b[at].write;
		uint32_t count = atomic_load(&r.len[nr < MAX_WRITES ? nr : 0]);

		for (uint32_t i = 0; i < count && at + i < blocks; i++) {
			check_block(&b[at + i], (at + i) * BLOCK, "check");
			if (b[at + i].write != nr || b[at + i].index != i)
				race_wrong("%s: write %llu is not whole at %llu (%s)", r.path,
					   (unsigned long long)nr, (unsigned long long)at * BLOCK,
					   reader_names[rd->kind]);
		}
		if (!count || b[at].who >= MAX_WRITERS || nr <= last[b[at].who])
			race_wrong("%s: write %llu at %llu is out of order (%s)", r.path,
				   (unsigned long long)nr, (unsigned long long)at * BLOCK,
				   reader_names[rd->kind]);
		last[b[at].who] = nr;
		present[nr / 64] |= UINT64_C(1) << nr % 64;
		at += count;
	}
	for (; at < blocks; at++)
		if (!atomic_load(&r.finished) || !block_is_zero(&b[at]))
			race_wrong("%s: block %llu is not what it must be (%s)", r.path,
				   (unsigned long long)at, reader_names[rd->kind]);
	for (uint64_t nr = 1; nr < atomic_load(&r.next_write) && nr < MAX_WRITES; nr++) {
		bool is = present[nr / 64] >> nr % 64 & 1;
		uint64_t done = atomic_load(&r.done[nr]);

		if (done && ((atomic_load(&r.began[nr]) > atomic_load(&r.reset_returned) && !is) ||
			     (done < atomic_load(&r.reset_began) && is)))
			race_wrong("%s: write %llu is %s (%s)", r.path, (unsigned long long)nr,
				   is ? "still there" : "lost", reader_names[rd->kind]);
	}
}

static void zrace_check_all(const struct reader *readers)
{
	char state[64];
	uint64_t size;

	pthread_rwlock_wrlock(&r.pause);
	size = race_size(readers[0].fd);
	race_attr(r.path, "state", state);
	if (size == r.cap ? strcmp(state, "full") : strcmp(state, size ? "implicit-open" : "empty"))
		race_wrong("%s: %s with %llu bytes", r.path, state, (unsigned long long)size);
	if (size != r.cap && race_number(r.path, "wp") - race_number(r.path, "start") != size)
		race_wrong("%s: pointer and size differ", r.path);
	for (unsigned i = 0; i < NR_READERS; i++)
		check_file(&readers[i], size);
	atomic_fetch_add(&r.nr_checks, 1);
	pthread_rwlock_unlock(&r.pause);
}

static void control(double end, const struct reader *readers)
{
	uint64_t random = r.seed;

	while (race_now() < end && !atomic_load(&r.stop)) {
		uint64_t dice = race_any(&random, 10);
		bool attribute = r.attributes && race_any(&random, 2);

		usleep((useconds_t)race_any(&random, race_any(&random, 4) ? 20000 : 200000));
		if (dice < 2)
			do_finish(attribute);
		else if (dice < 7)
			do_reset(attribute);
		else
			zrace_check_all(readers);
	}
	atomic_store(&r.stop, true);
}

int main(int argc, char **argv)
{
	static struct writer writers[MAX_WRITERS];
	static struct reader readers[NR_READERS], own[NR_READERS];
	pthread_rwlockattr_t fair;
	double end;

	if (argc < 5)
		tool_die("usage: zrace FILE CONV SECONDS SEED [writers=N] [attributes]");
	r.path = argv[1];
	r.conv = argv[2];
	end = race_now() + (double)tool_number(argv[3]);
	r.seed = (uint64_t)tool_number(argv[4]);
	r.nr_writers = 4;
	for (int i = 5; i < argc; i++) {
		if (!strcmp(argv[i], "attributes"))
			r.attributes = true;
		else if (!strncmp(argv[i], "writers=", 8))
			r.nr_writers = (unsigned)tool_number(argv[i] + 8);
		else
			tool_die("what is %s?", argv[i]);
	}
	if (!r.nr_writers || r.nr_writers > MAX_WRITERS)
		tool_die("1 to %u writers", MAX_WRITERS);
	r.cap = race_number(r.path, "capacity");
	pthread_rwlockattr_init(&fair);
	pthread_rwlockattr_setkind_np(&fair, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&r.pause, &fair);
	atomic_store(&r.next_write, 1);
	do_reset(false);
	for (unsigned i = 0; i < NR_READERS; i++) {
		open_reader(&own[i], i);
		open_reader(&readers[i], i);
		pthread_create(&readers[i].thread, NULL, reader_main, &readers[i]);
	}
	for (unsigned i = 0; i < r.nr_writers; i++)
		start_writer(&writers[i], i);
	control(end, own);
	for (unsigned i = 0; i < r.nr_writers; i++)
		pthread_join(writers[i].thread, NULL);
	for (unsigned i = 0; i < NR_READERS; i++)
		pthread_join(readers[i].thread, NULL);
	zrace_check_all(own);
	printf("%s: %llu writes, %llu reads, %llu resets, %llu checks\n", r.path,
	       (unsigned long long)r.nr_writes, (unsigned long long)r.nr_reads,
	       (unsigned long long)r.nr_resets, (unsigned long long)r.nr_checks);
	return 0;
}
