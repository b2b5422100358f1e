/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Appends to and reads from a zone through the library, without FUSE, for callgrind and perf:
 * driver IMAGE append|read BLOCK COUNT. Resets the zone before appending. One thread,
 * no committer: what is counted is the call itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zqfs/device.h>

static int driver_run(struct zq_device *dev, uint32_t zone, bool append, char *buf, size_t block,
		      unsigned long count)
{
	struct zq_writer w = { 0 };

	if (append && zq_zone_reset(dev, zone))
		return 1;
	for (unsigned long i = 0; i < count; i++) {
		ssize_t n = append ? zq_append(dev, zone, &w, i * block, buf, block,
					       ZQ_WRITE_DIRECT, NULL)
				   : zq_read(dev, zone, i * block, buf, block);

		if (n != (ssize_t)block) {
			fprintf(stderr, "driver: call %lu gave %zd\n", i, n);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct zq_open_opts opts = { .require_rw = true };
	struct zq_error err = { 0 };
	struct zq_device *dev;
	char *buf;
	size_t block;
	int rc;

	if (argc != 5) {
		fputs("usage: driver IMAGE append|read BLOCK COUNT\n", stderr);
		return 2;
	}
	block = strtoul(argv[3], NULL, 0);
	buf = calloc(1, block);
	if (!buf || zq_open_device(argv[1], &opts, &dev, &err)) {
		fprintf(stderr, "driver: %s\n", err.msg);
		free(buf);
		return 1;
	}
	rc = driver_run(dev, zq_device_geometry(dev)->nr_conv, !strcmp(argv[2], "append"), buf,
			block, strtoul(argv[4], NULL, 0));
	if (zq_close_device(dev))
		rc = 1;
	free(buf);
	return rc;
}
