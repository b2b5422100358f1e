/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dgram PATH [COUNT]: a datagram socket at PATH that stands in for systemd's or syslog's. Prints
 * "listening", then COUNT datagrams (1), each ended by a line "--", and gives up after 30 seconds.
 */
#include "tool.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[4096];

	if (argc < 2 || strlen(argv[1]) >= sizeof(at.sun_path))
		tool_die("usage: dgram PATH [COUNT]");
	memcpy(at.sun_path, argv[1], strlen(argv[1]) + 1);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)))
		tool_die("dgram: %s: %s", argv[1], strerror(errno));
	puts("listening");
	fflush(stdout);
	for (int64_t left = argc > 2 ? tool_number(argv[2]) : 1; left > 0; left--) {
		ssize_t n = poll(&p, 1, 30000) > 0 ? read(fd, buf, sizeof(buf)) : -1;

		if (n < 0) {
			fputs("dgram: nothing came\n", stderr);
			return 1;
		}
		printf("%.*s\n--\n", (int)n, buf);
		fflush(stdout);
	}
	return 0;
}
