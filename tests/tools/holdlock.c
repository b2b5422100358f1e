/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * holdlock FILE read|write|shared: takes the locks of that mode as libzqfs does, prints
 * "held" and keeps them until its standard input ends. Exit 3 when the file is in use.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/io.h"
#include "util/math.h"

static int mode_of(const char *name)
{
	static const char *const names[] = {
		[ZQ_LOCK_NONE] = "none",
		[ZQ_LOCK_READ] = "read",
		[ZQ_LOCK_WRITE] = "write",
		[ZQ_LOCK_SHARED] = "shared",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(names[i], name))
			return (int)i;
	return -1;
}

int main(int argc, char **argv)
{
	struct zq_error err = { "" };
	struct zq_io *io;
	int mode, ret;
	char c;

	mode = argc == 3 ? mode_of(argv[2]) : -1;
	if (mode < 0) {
		fputs("usage: holdlock FILE none|read|write|shared\n", stderr);
		return 2;
	}
	if (zq_io_open(argv[1], mode == ZQ_LOCK_WRITE, &io, &err)) {
		fprintf(stderr, "holdlock: %s\n", err.msg);
		return 1;
	}
	ret = io_lock(io, (unsigned)mode);
	if (ret) {
		fprintf(stderr, "holdlock: %s: %s\n", argv[1],
			ret == -EAGAIN ? "in use by another process" : strerror(-ret));
		io_close(io);
		return ret == -EAGAIN ? 3 : 1;
	}
	puts("held");
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	io_close(io);
	return 0;
}
