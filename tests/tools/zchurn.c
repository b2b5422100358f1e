/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zchurn DIR TIMES: opens zones 0 and 1 of DIR/seq in turn for writing and closes each again at
 * once. Prints how many opens gave EBUSY and how often the counter nr_write_open was not 0
 * after a close: on a mount with explicit-open and a limit of one both are 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	long times = argc > 2 ? atol(argv[2]) : 0, busy = 0, wrong = 0;
	char path[4096], value[32];

	if (times <= 0) {
		fprintf(stderr, "usage: zchurn DIR TIMES\n");
		return 2;
	}
	for (long i = 0; i < times; i++) {
		ssize_t n;
		int fd;

		snprintf(path, sizeof(path), "%s/seq/%ld", argv[1], i % 2);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 && errno != EBUSY) {
			perror(path);
			return 1;
		}
		if (fd < 0)
			busy++;
		else
			close(fd);
		if (i % 4)
			continue; /* to ask each time would give the daemon the time it needs */
		n = getxattr(argv[1], "user.zone.nr_write_open", value, sizeof(value) - 1);
		if (n < 0) {
			perror(argv[1]);
			return 1;
		}
		value[n] = '\0';
		wrong += strcmp(value, "0") != 0;
	}
	printf("%ld %ld\n", busy, wrong);
	return 0;
}
