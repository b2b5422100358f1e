/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does a row of operations on one open file and prints for each a word: what the call
 * returned, or the name of its errno. The file stays open in between, which shell tools
 * cannot do. See zio_usage() for the operations.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

#define MEMORY (64u << 20) /* largest transfer */

struct zio {
	const char *path;
	int fd;
	int opened[8]; /* all of them, in their order */
	unsigned nr_opened;
	unsigned char *mem; /* aligned to a page, MEMORY + a page */
	size_t shift;	    /* misaligns the memory of transfers */
	unsigned char *map;
	size_t map_len;
};

static void zio_usage(void)
{
	fputs("usage: zio FILE FLAGS OPERATION...\n"
	      "FLAGS, with commas: r w rw append direct sync dsync trunc creat excl tmpfile "
	      "nonblock\n"
	      "  write:LEN[:BYTE] pwrite:OFF:LEN[:BYTE] append:OFF:LEN[:BYTE] (RWF_APPEND)\n"
	      "  dsync:OFF:LEN[:BYTE] (RWF_DSYNC) read:LEN pread:OFF:LEN\n"
	      "  is:OFF:LEN:BYTE (\"yes\" when it reads LEN bytes that all are BYTE)\n"
	      "  shift:N (misalign memory) seek:OFF ahead:OFF:LEN data:OFF hole:OFF size trunc:LEN "
	      "fsync "
	      "fdatasync\n"
	      "  falloc:0|keep|punch|zero|collapse|insert|unshare:OFF:LEN setfl:append|direct|0\n"
	      "  map:shared|private:r|rw:LEN mis:OFF:LEN:BYTE mset:OFF:LEN:BYTE msync unmap\n"
	      "  mapof:LEN:OTHER-FILE wmap:OFF (writes what is mapped)\n"
	      "  open:FLAGS (once more) use:N (of those that were opened) close\n"
	      "  ioctl fiemap clone sleep:MS sh:COMMAND (its exit status)\n"
	      "  sizes:MS (asks for the size all the time, for so long)\n",
	      stderr);
	exit(2);
}

static void say_text(const char *text)
{
	static bool started;

	if (started)
		putchar(' ');
	started = true;
	fputs(text, stdout);
	fflush(stdout);
}

static void zio_say(int64_t ret)
{
	char number[32];

	snprintf(number, sizeof(number), "%lld", (long long)ret);
	say_text(ret < 0 ? tool_errno((int)-ret) : number);
}

static void say_yes(bool yes)
{
	say_text(yes ? "yes" : "no");
}

static int64_t result(int64_t ret)
{
	return ret < 0 ? -(int64_t)errno : ret;
}

static int open_flags(const char *words)
{
	static const struct {
		const char *name;
		int flag;
	} table[] = {
		{ "r", O_RDONLY },
		{ "w", O_WRONLY },
		{ "rw", O_RDWR },
		{ "append", O_APPEND },
		{ "direct", O_DIRECT },
		{ "sync", O_SYNC },
		{ "dsync", O_DSYNC },
		{ "trunc", O_TRUNC },
		{ "creat", O_CREAT },
		{ "excl", O_EXCL },
		{ "tmpfile", O_TMPFILE },
		{ "nonblock", O_NONBLOCK },
		{ "0", 0 },
	};
	char copy[128], *save = NULL;
	int flags = 0;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		size_t i;

		for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
			if (!strcmp(table[i].name, w))
				break;
		if (i == sizeof(table) / sizeof(table[0]))
			tool_die("unknown flag '%s'", w);
		flags |= table[i].flag;
	}
	return flags;
}

/* Opens the file; says only what fails, as "open:EBUSY". */
static bool zio_open_file(struct zio *z, const char *flags)
{
	char text[64];

	z->fd = open(z->path, open_flags(flags) | O_CLOEXEC, 0640);
	if (z->nr_opened < sizeof(z->opened) / sizeof(z->opened[0]))
		z->opened[z->nr_opened++] = z->fd;
	if (z->fd >= 0)
		return true;
	snprintf(text, sizeof(text), "open:%s", tool_errno(errno));
	say_text(text);
	return false;
}

static unsigned char *memory(struct zio *z, int64_t len)
{
	if (len < 0 || len > MEMORY)
		tool_die("length %lld is too large for this tool", (long long)len);
	return z->mem + z->shift;
}

static int byte_of(const char *text)
{
	return *text ? (int)tool_number(text) : 'x';
}

/* ---- operations ----------------------------------------------------------------------------- */

static int64_t do_write(struct zio *z, const struct tool_op *op)
{
	bool plain = !strcmp(op->word[0], "write");
	int64_t off = plain ? 0 : tool_number(op->word[1]);
	int64_t len = tool_number(op->word[plain ? 1 : 2]);
	unsigned char *mem = memory(z, len);
	/* two pieces where the call takes several */
	size_t half = (size_t)len / 2 / 512 * 512;
	struct iovec iov[2] = { { mem, half }, { mem + half, (size_t)len - half } };

	memset(mem, byte_of(op->word[plain ? 2 : 3]), (size_t)len);
	if (plain)
		return result(write(z->fd, mem, (size_t)len));
	if (!strcmp(op->word[0], "append"))
		return result(pwritev2(z->fd, iov, 2, off, RWF_APPEND));
	if (!strcmp(op->word[0], "dsync"))
		return result(pwritev2(z->fd, iov, 2, off, RWF_DSYNC));
	return result(pwrite(z->fd, mem, (size_t)len, off));
}

static int64_t do_read(struct zio *z, const struct tool_op *op)
{
	bool plain = !strcmp(op->word[0], "read");
	int64_t len = tool_number(op->word[plain ? 1 : 2]);

	if (plain)
		return result(read(z->fd, memory(z, len), (size_t)len));
	return result(pread(z->fd, memory(z, len), (size_t)len, tool_number(op->word[1])));
}

static bool zio_all_bytes(const unsigned char *p, int64_t len, int byte)
{
	for (int64_t i = 0; i < len; i++)
		if (p[i] != (unsigned char)byte)
			return false;
	return true;
}

static bool do_is(struct zio *z, const struct tool_op *op)
{
	int64_t off = tool_number(op->word[1]), len = tool_number(op->word[2]);
	unsigned char *mem = memory(z, len);

	/* what a short read leaves must not pass for the byte */
	memset(mem, byte_of(op->word[3]) ^ 0xff, (size_t)len);
	return pread(z->fd, mem, (size_t)len, off) == len &&
	       zio_all_bytes(mem, len, byte_of(op->word[3]));
}

static int64_t do_falloc(struct zio *z, const struct tool_op *op)
{
	static const struct {
		const char *name;
		int mode;
	} table[] = {
		{ "0", 0 },
		{ "keep", FALLOC_FL_KEEP_SIZE },
		{ "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE },
		{ "zero", FALLOC_FL_ZERO_RANGE },
		{ "zerokeep", FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE },
		{ "collapse", FALLOC_FL_COLLAPSE_RANGE },
		{ "insert", FALLOC_FL_INSERT_RANGE },
		{ "unshare", FALLOC_FL_UNSHARE_RANGE },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(table[i].name, op->word[1]))
			return result(fallocate(z->fd, table[i].mode, tool_number(op->word[2]),
						tool_number(op->word[3])));
	tool_die("unknown mode '%s'", op->word[1]);
}

static int64_t do_map(struct zio *z, const struct tool_op *op)
{
	int share = !strcmp(op->word[1], "shared") ? MAP_SHARED : MAP_PRIVATE;
	int prot = !strcmp(op->word[2], "rw") ? PROT_READ | PROT_WRITE : PROT_READ;
	void *p;

	z->map_len = (size_t)tool_number(op->word[3]);
	p = mmap(NULL, z->map_len, prot, share, z->fd, 0);
	if (p == MAP_FAILED)
		return -(int64_t)errno;
	z->map = p;
	return 0;
}

/* Maps another file, to write from it: the write then faults its pages in. */
static int64_t do_map_other(struct zio *z, const struct tool_op *op)
{
	int fd = open(op->word[2], O_RDONLY | O_CLOEXEC);
	void *p;

	z->map_len = (size_t)tool_number(op->word[1]);
	if (fd < 0)
		return -(int64_t)errno;
	p = mmap(NULL, z->map_len, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return -(int64_t)errno;
	z->map = p;
	return 0;
}

static unsigned char *mapped(struct zio *z, const struct tool_op *op)
{
	int64_t off = tool_number(op->word[1]), len = tool_number(op->word[2]);

	if (!z->map || off < 0 || len < 0 || (size_t)(off + len) > z->map_len)
		tool_die("nothing is mapped at %s", op->word[1]);
	return z->map + off;
}

static int64_t do_fiemap(struct zio *z)
{
	struct fiemap fm = { .fm_length = UINT64_MAX };

	return result(ioctl(z->fd, FS_IOC_FIEMAP, &fm));
}

static int64_t do_shell(const struct tool_op *op)
{
	int status = system(op->word[1]); /* NOLINT(cert-env33-c): the test gives the command */

	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static int64_t do_setfl(struct zio *z, const struct tool_op *op)
{
	int flags = fcntl(z->fd, F_GETFL);

	return result(
		fcntl(z->fd, F_SETFL, (flags & ~(O_APPEND | O_DIRECT)) | open_flags(op->word[1])));
}

static int64_t do_size(struct zio *z)
{
	struct stat st;

	return fstat(z->fd, &st) ? -(int64_t)errno : st.st_size;
}

static int64_t zio_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t do_sizes(struct zio *z, const struct tool_op *op)
{
	int64_t end = zio_now_ms() + tool_number(op->word[1]), size;

	do
		size = do_size(z);
	while (size >= 0 && zio_now_ms() < end);
	return size;
}

static void do_sleep(const struct tool_op *op)
{
	int64_t ms = tool_number(op->word[1]);
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static int64_t do_unmap(struct zio *z)
{
	int64_t ret = result(munmap(z->map, z->map_len));

	z->map = NULL;
	return ret;
}

/* False: the file could not be opened again, there is no point in going on. */
static bool zio_run(struct zio *z, const struct tool_op *op)
{
	const char *name = op->word[0];

	if (!strcmp(name, "write") || !strcmp(name, "pwrite") || !strcmp(name, "append") ||
	    !strcmp(name, "dsync"))
		zio_say(do_write(z, op));
	else if (!strcmp(name, "read") || !strcmp(name, "pread"))
		zio_say(do_read(z, op));
	else if (!strcmp(name, "is"))
		say_yes(do_is(z, op));
	else if (!strcmp(name, "shift"))
		z->shift = (size_t)tool_number(op->word[1]) % 4096;
	else if (!strcmp(name, "seek"))
		zio_say(result(lseek(z->fd, tool_number(op->word[1]), SEEK_SET)));
	else if (!strcmp(name, "data"))
		zio_say(result(lseek(z->fd, tool_number(op->word[1]), SEEK_DATA)));
	else if (!strcmp(name, "hole"))
		zio_say(result(lseek(z->fd, tool_number(op->word[1]), SEEK_HOLE)));
	else if (!strcmp(name, "size"))
		zio_say(do_size(z));
	else if (!strcmp(name, "sizes"))
		zio_say(do_sizes(z, op));
	else if (!strcmp(name, "trunc"))
		zio_say(result(ftruncate(z->fd, tool_number(op->word[1]))));
	else if (!strcmp(name, "fsync"))
		zio_say(result(fsync(z->fd)));
	else if (!strcmp(name, "fdatasync"))
		zio_say(result(fdatasync(z->fd)));
	else if (!strcmp(name, "falloc"))
		zio_say(do_falloc(z, op));
	else if (!strcmp(name, "setfl"))
		zio_say(do_setfl(z, op));
	else if (!strcmp(name, "map"))
		zio_say(do_map(z, op));
	else if (!strcmp(name, "ahead"))
		zio_say(result(readahead(z->fd, tool_number(op->word[1]),
					 (size_t)tool_number(op->word[2]))));
	else if (!strcmp(name, "mapof"))
		zio_say(do_map_other(z, op));
	else if (!strcmp(name, "wmap"))
		zio_say(result(pwrite(z->fd, z->map, z->map_len, tool_number(op->word[1]))));
	else if (!strcmp(name, "mis"))
		say_yes(zio_all_bytes(mapped(z, op), tool_number(op->word[2]),
				      byte_of(op->word[3])));
	else if (!strcmp(name, "mset"))
		memset(mapped(z, op), byte_of(op->word[3]), (size_t)tool_number(op->word[2]));
	else if (!strcmp(name, "msync"))
		zio_say(result(msync(z->map, z->map_len, MS_SYNC)));
	else if (!strcmp(name, "unmap"))
		zio_say(do_unmap(z));
	else if (!strcmp(name, "ioctl"))
		zio_say(result(ioctl(z->fd, _IO('z', 77), 0)));
	else if (!strcmp(name, "fiemap"))
		zio_say(do_fiemap(z));
	else if (!strcmp(name, "clone"))
		zio_say(result(ioctl(z->fd, FICLONE, z->fd)));
	else if (!strcmp(name, "close"))
		zio_say(result(close(z->fd)));
	else if (!strcmp(name, "use"))
		z->fd = z->opened[(unsigned)tool_number(op->word[1]) % z->nr_opened];
	else if (!strcmp(name, "open"))
		return zio_open_file(z, op->word[1]);
	else if (!strcmp(name, "sleep"))
		do_sleep(op);
	else if (!strcmp(name, "sh"))
		zio_say(do_shell(op));
	else
		tool_die("unknown operation '%s'", name);
	return true;
}

int main(int argc, char **argv)
{
	struct zio z = { .fd = -1 };
	bool usable;

	if (argc < 3)
		zio_usage();
	z.path = argv[1];
	z.mem = mmap(NULL, MEMORY + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	if (z.mem == MAP_FAILED)
		tool_die("out of memory");
	usable = zio_open_file(&z, argv[2]);
	for (int i = 3; usable && i < argc; i++) {
		struct tool_op op = tool_split(argv[i], strncmp(argv[i], "sh:", 3) ? 5 : 2);

		usable = zio_run(&z, &op);
		free(op.text);
	}
	putchar('\n');
	return 0;
}
