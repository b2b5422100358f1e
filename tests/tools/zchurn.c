/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zchurn DIR TIMES: closes a file of DIR/seq and at once asks for what a close that is not done
 * yet would stand in the way of, on a mount with explicit-open and a limit of one open zone:
 * to open, to open a zone by a command, to finish one, and how many writers there are. Prints
 * how many of those gave EBUSY and how many answers were wrong: both are to be 0.
 *
 * zchurn DIR TIMES dups: closes one of two descriptors so often, and asks for an attribute each
 * time. Prints "quick" when that takes hardly longer than asking alone: no close is waited for
 * that is not coming.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define STATE "user.zone.state"

static long busy, wrong;
static char zone[2][4096];
static long capacity; /* of zone 1 */

static void fatal(const char *what)
{
	perror(what);
	exit(1);
}

/* True when it was done; only EBUSY is counted, all else ends the test. */
static bool zchurn_done(int ret, const char *what)
{
	if (ret >= 0)
		return true;
	if (errno != EBUSY)
		fatal(what);
	busy++;
	return false;
}

static void open_and_close(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (zchurn_done(fd, path))
		close(fd);
}

static bool zchurn_tell(const char *path, const char *word)
{
	return zchurn_done(setxattr(path, "user.zone.command", word, strlen(word), 0), path);
}

static void zchurn_get(const char *path, const char *name, char value[32])
{
	ssize_t n = getxattr(path, name, value, 31);

	if (n < 0)
		fatal(path);
	value[n] = '\0';
}

static void zchurn_expect(const char *path, const char *name, const char *want)
{
	char value[32];

	zchurn_get(path, name, value);
	wrong += strcmp(value, want) != 0;
}

static void turn(const char *dir, long i)
{
	open_and_close(zone[0]);
	switch (i % 4) {
	case 0:
		zchurn_expect(dir, "user.zone.nr_write_open", "0");
		break;
	case 1: /* of another zone: needs the slot */
		if (zchurn_tell(zone[1], "open"))
			zchurn_tell(zone[1], "close");
		break;
	case 2: /* of this zone: the close must not come after it */
		if (zchurn_tell(zone[0], "open")) {
			zchurn_expect(zone[0], STATE, "explicit-open");
			zchurn_tell(zone[0], "close");
		}
		break;
	default:
		if (zchurn_done(truncate(zone[1], capacity), zone[1]) && truncate(zone[1], 0))
			fatal(zone[1]);
	}
	open_and_close(zone[1]);
}

static double asking_ms(const char *dir, int fd, long times)
{
	struct timespec from, to;
	char value[32];

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (long i = 0; i < times; i++) {
		if (fd >= 0)
			close(dup(fd));
		zchurn_get(dir, "user.zone.nr_write_open", value);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	return (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
}

static void ask_between_dups(const char *dir, long times)
{
	int fd = open(zone[0], O_WRONLY | O_APPEND | O_CLOEXEC);
	double alone, dups;

	if (fd < 0)
		fatal(zone[0]);
	alone = asking_ms(dir, -1, times);
	dups = asking_ms(dir, fd, times);
	if (dups < 4 * alone + (double)times)
		puts("quick");
	else
		printf("%ld times: %.1f ms alone, %.1f ms between dups\n", times, alone, dups);
	close(fd);
}

int main(int argc, char **argv)
{
	long times = argc > 2 ? strtol(argv[2], NULL, 10) : 0;
	char value[32];

	if (times <= 0) {
		fprintf(stderr, "usage: zchurn DIR TIMES [dups]\n");
		return 2;
	}
	for (int i = 0; i < 2; i++)
		snprintf(zone[i], sizeof(zone[i]), "%s/seq/%d", argv[1], i);
	zchurn_get(zone[1], "user.zone.capacity", value);
	capacity = strtol(value, NULL, 10);
	if (argc > 3) {
		ask_between_dups(argv[1], times);
		return 0;
	}
	for (long i = 0; i < times; i++)
		turn(argv[1], i);
	printf("%ld %ld\n", busy, wrong);
	return 0;
}
