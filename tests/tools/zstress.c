/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random operations on a mount, each with its result, size, state and counters predicted by a
 * model: the contract's sequential and conventional files, written down a second time. Some
 * files stay open or mapped meanwhile (zheld.h). One thread; the seed that is printed gives the
 * same run again.
 *
 *     zstress MOUNTPOINT [seed=N] [ops=N] [seconds=N] [remount=COMMAND] [explicit]
 *
 * "explicit" goes with a mount that has explicit-open.
 * The mount must be fresh: all sequential zones empty, conventional ones all zeros. The command
 * unmounts and mounts again; it is run now and then and all must be there after it.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "zheld.h"

static void check_zone(const struct model *m, unsigned zone)
{
	const struct zone *z = &m->zones[zone];
	char path[256], state[32] = "";
	struct stat st;

	path_of(m, false, zone, path);
	if (stat(path, &st))
		differs(m, "stat: %s", tool_errno(errno));
	if ((uint64_t)st.st_size != z->size)
		differs(m, "zone %u: size %lld, expected %llu", zone, (long long)st.st_size,
			(unsigned long long)z->size);
	if (getxattr(path, "user.zone.state", state, sizeof(state) - 1) < 0)
		differs(m, "state: %s", tool_errno(errno));
	if (strcmp(state, state_names[z->state]))
		differs(m, "zone %u is %s, expected %s", zone, state, state_names[z->state]);
}

static void zstress_check_counters(const struct model *m)
{
	static const struct {
		const char *name;
		enum state state;
	} table[] = { { "user.zone.nr_open_implicit", IMPLICIT },
		      { "user.zone.nr_open_explicit", EXPLICIT },
		      { "user.zone.nr_closed", CLOSED },
		      { "user.zone.nr_empty", EMPTY },
		      { "user.zone.nr_full", FULL } };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint64_t got = get_number(m, m->mount, table[i].name);

		if (got != count(m, table[i].state))
			differs(m, "%s is %llu, expected %u", table[i].name,
				(unsigned long long)got, count(m, table[i].state));
	}
	if (get_number(m, m->mount, "user.zone.nr_active") != count_active(m))
		differs(m, "nr_active is not %u", count_active(m));
	if (get_number(m, m->mount, "user.zone.nr_write_open") != count_written(m))
		differs(m, "nr_write_open is not %u", count_written(m));
}

static void check_data(const struct model *m, bool conv, unsigned zone)
{
	const unsigned char *want = conv ? m->conv[zone] : m->zones[zone].data;
	uint64_t size = conv ? m->zone_size : m->zones[zone].size;
	unsigned char *got = malloc(m->zone_size + BLOCK);
	char path[256];
	ssize_t n;
	int fd;

	path_of(m, conv, zone, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || !got)
		differs(m, "open for reading: %s", tool_errno(errno));
	n = pread(fd, got, m->zone_size + BLOCK, 0);
	if (n < 0 || (uint64_t)n != size)
		differs(m, "%s: read gave %zd, expected %llu", path, n, (unsigned long long)size);
	for (uint64_t i = 0; i < size; i++)
		if (got[i] != want[i])
			differs(m, "%s: byte %llu is 0x%02x, expected 0x%02x", path,
				(unsigned long long)i, got[i], want[i]);
	close(fd);
	free(got);
}

static void zstress_check_all(const struct model *m)
{
	for (unsigned i = 0; i < m->nr_seq; i++) {
		check_zone(m, i);
		check_data(m, false, i);
	}
	for (unsigned i = 0; i < m->nr_conv; i++)
		check_data(m, true, i);
	zstress_check_counters(m);
}

/* ---- operations ----------------------------------------------------------------------- */

static void zstress_op_write(struct model *m, unsigned zone)
{
	struct zone *z = &m->zones[zone];
	bool direct = any(m, 3) == 0, append = any(m, 2);
	uint64_t len = any_length(m, direct), off = z->size, done = len;
	unsigned char *buf = aligned_alloc(4096, (len + 8191) / 4096 * 4096);
	char path[256];
	ssize_t n;
	int fd, want = model_writer_open(m, z);

	if (!any(m, 8))
		off = any(m, z->cap / BLOCK + 100) * BLOCK;
	snprintf(m->what, sizeof(m->what), "zone %u, %s write of %llu at %llu%s", zone,
		 direct ? "direct" : "buffered", (unsigned long long)len, (unsigned long long)off,
		 append ? ", appended" : "");
	path_of(m, false, zone, path);
	fd = open(path, O_WRONLY | O_CLOEXEC | (append ? O_APPEND : 0) | (direct ? O_DIRECT : 0));
	expect_errno(m, fd, want);
	if (want) {
		free(buf);
		return;
	}
	fill_random(m, buf, len);
	want = model_write(m, z, append, off, &done);
	n = pwrite(fd, buf, len, (off_t)off);
	expect_errno(m, n, want);
	if (!want) {
		if ((uint64_t)n != done)
			differs(m, "wrote %zd, expected %llu", n, (unsigned long long)done);
		memcpy(z->data + z->size, buf, done);
		model_grow(z, z->size, done);
	}
	if (!any(m, 20))
		expect_errno(m, fsync(fd), 0);
	close(fd);
	model_writer_close(m, z);
	expect_closed(m);
	free(buf);
}

static void zstress_op_truncate(struct model *m, unsigned zone)
{
	struct zone *z = &m->zones[zone];
	const uint64_t choices[] = { 0, 0, z->cap, z->size, any(m, m->zone_size * 2) };
	uint64_t len = choices[any(m, 5)];
	char path[256];
	int want = EPERM;

	snprintf(m->what, sizeof(m->what), "zone %u, truncate to %llu", zone,
		 (unsigned long long)len);
	path_of(m, false, zone, path);
	if (len == z->size)
		want = 0;
	else if (!len)
		want = model_reset(m, z);
	else if (len == z->cap)
		want = model_finish(m, z);
	expect_errno(m, truncate(path, (off_t)len), want);
}

static void zstress_op_state(struct model *m, unsigned zone)
{
	static const char *const words[] = { "open", "open", "close", "close", "finish", "reset" };
	struct zone *z = &m->zones[zone];
	const char *word = words[any(m, 6)];
	char path[256];
	int want;

	snprintf(m->what, sizeof(m->what), "zone %u: %s", zone, word);
	path_of(m, false, zone, path);
	if (!strcmp(word, "open"))
		want = model_open(m, z);
	else if (!strcmp(word, "close"))
		want = model_close(z);
	else if (!strcmp(word, "finish"))
		want = model_finish(m, z);
	else
		want = model_reset(m, z);
	expect_errno(m, setxattr(path, "user.zone.command", word, strlen(word), 0), want);
}

static void zstress_op_conv(struct model *m, unsigned zone)
{
	uint64_t off = any(m, m->zone_size), len = 1 + any(m, 30000);
	bool punch = !any(m, 4);
	char path[256];
	ssize_t n;
	int fd;

	snprintf(m->what, sizeof(m->what), "conventional %u, %s of %llu at %llu", zone,
		 punch ? "punch" : "write", (unsigned long long)len, (unsigned long long)off);
	path_of(m, true, zone, path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		differs(m, "open: %s", tool_errno(errno));
	if (len > m->zone_size - off)
		len = m->zone_size - off;
	if (punch) {
		expect_errno(m,
			     fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off,
				       (off_t)len),
			     0);
		memset(m->conv[zone] + off, 0, len);
	} else {
		fill_random(m, m->conv[zone] + off, len);
		n = pwrite(fd, m->conv[zone] + off, len, (off_t)off);
		expect_errno(m, n, 0);
		if ((uint64_t)n != len)
			differs(m, "wrote %zd of %llu", n, (unsigned long long)len);
	}
	close(fd);
}

static void remount(struct model *m, const char *command)
{
	snprintf(m->what, sizeof(m->what), "remount");
	held_drop(m);
	if (system(command)) /* NOLINT(cert-env33-c): the test gives the command */
		differs(m, "'%s' failed", command);
	model_remount(m);
	zstress_check_all(m);
}

static void one(struct model *m)
{
	unsigned zone = (unsigned)any(m, m->nr_seq);
	uint64_t dice = any(m, 26);

	if (dice < 9) {
		zstress_op_write(m, zone);
	} else if (dice < 12) {
		zstress_op_truncate(m, zone);
	} else if (dice < 15) {
		zstress_op_state(m, zone);
	} else if (dice < 18 && m->nr_conv) {
		zstress_op_conv(m, (unsigned)any(m, m->nr_conv));
	} else if (dice >= 20) {
		zone = op_held(m, (unsigned)any(m, MAX_HELD), zone);
	} else {
		snprintf(m->what, sizeof(m->what), "read of zone %u", zone);
		check_data(m, false, zone);
		if (m->nr_conv)
			check_data(m, true, zone % m->nr_conv);
	}
	held_look(m);
	check_zone(m, zone);
	zstress_check_counters(m);
}

static void zstress_load(struct model *m)
{
	char path[256];

	m->nr_conv = (unsigned)get_number(m, m->mount, "user.zone.nr_conventional");
	m->nr_seq = (unsigned)get_number(m, m->mount, "user.zone.nr_zones") - m->nr_conv;
	m->max_open = get_number(m, m->mount, "user.zone.max_open");
	m->max_active = get_number(m, m->mount, "user.zone.max_active");
	path_of(m, false, 0, path);
	m->zone_size = get_number(m, path, "user.zone.size");
	if (m->nr_conv > MAX_ZONES || m->nr_seq > MAX_ZONES)
		tool_die("at most %d zones of a kind", MAX_ZONES);
	for (unsigned i = 0; i < m->nr_seq; i++) {
		path_of(m, false, i, path);
		m->zones[i].cap = get_number(m, path, "user.zone.capacity");
		m->zones[i].data = calloc(1, m->zone_size + BLOCK);
	}
	for (unsigned i = 0; i < m->nr_conv; i++)
		m->conv[i] = calloc(1, m->zone_size);
}

static void unload(struct model *m)
{
	for (unsigned i = 0; i < MAX_ZONES; i++) {
		free(m->zones[i].data);
		free(m->conv[i]);
	}
}

/* A mapping below the size that has no page there. */
static const struct model *running;

static void on_bus(int signal)
{
	(void)signal;
	/* of an access of this thread, which was not within a library function */
	/* NOLINTNEXTLINE(bugprone-signal-handler,cert-sig30-c) */
	dprintf(STDERR_FILENO, "seed=%llu operation %llu (%s): SIGBUS in a held mapping\n",
		(unsigned long long)running->seed, (unsigned long long)running->op, running->what);
	_exit(1);
}

int main(int argc, char **argv)
{
	uint64_t seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid(), ops = 1000;
	const char *command = NULL;
	struct model m = { .what = "start" };
	time_t end = 0;

	if (argc < 2)
		tool_die("usage: zstress MOUNTPOINT [seed=N] [ops=N] [seconds=N] [remount=COMMAND] "
			 "[explicit]");
	m.mount = argv[1];
	for (int i = 2; i < argc; i++) {
		if (!strncmp(argv[i], "seed=", 5))
			seed = (uint64_t)tool_number(argv[i] + 5);
		else if (!strncmp(argv[i], "ops=", 4))
			ops = (uint64_t)tool_number(argv[i] + 4);
		else if (!strncmp(argv[i], "seconds=", 8))
			end = time(NULL) + tool_number(argv[i] + 8);
		else if (!strncmp(argv[i], "remount=", 8))
			command = argv[i] + 8;
		else if (!strcmp(argv[i], "explicit"))
			m.explicit_open = true;
		else
			tool_die("what is %s?", argv[i]);
	}
	printf("seed=%llu\n", (unsigned long long)seed);
	fflush(stdout);
	m.seed = seed;
	m.random = seed | 1;
	running = &m;
	signal(SIGBUS, on_bus);
	zstress_load(&m);
	zstress_check_all(&m);
	for (m.op = 1; end ? time(NULL) < end : m.op <= ops; m.op++) {
		one(&m);
		if (command && !any(&m, 150))
			remount(&m, command);
	}
	held_drop(&m);
	zstress_check_all(&m);
	printf("%llu operations\n", (unsigned long long)m.op - 1);
	unload(&m);
	return 0;
}
