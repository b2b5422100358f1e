/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The smallest program on libzqfs: lists the sequential zones of an image with what they hold,
 * and appends a line to one of them when it is told to. Builds with
 *
 *     cc report.c $(pkg-config --cflags --libs libzqfs) -o report
 *
 * and runs as: report IMAGE, or report IMAGE ZONE TEXT.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zqfs/device.h>

static int report_list(struct zq_device *dev)
{
	const struct zq_geometry *geo = zq_device_geometry(dev);

	for (uint32_t zone = geo->nr_conv; zone < geo->nr_zones; zone++) {
		struct zq_zone_info info;
		int ret = zq_report(dev, zone, 1, &info);

		if (ret < 0)
			return ret;
		printf("%" PRIu32 " %s %" PRIu64 " of %" PRIu64 "\n", zone,
		       zq_state_name(info.state), info.written, info.capacity);
	}
	return 0;
}

/* A text need not fill a block: the library pads it when the writer is done. */
static int report_append(struct zq_device *dev, const char *zone, const char *text)
{
	uint64_t where;
	ssize_t n = zq_append(dev, (uint32_t)strtoul(zone, NULL, 10), NULL, 0, text, strlen(text),
			      ZQ_WRITE_APPEND | ZQ_WRITE_SYNC, &where);

	if (n < 0)
		return (int)n;
	printf("%zd bytes at %" PRIu64 "\n", n, where);
	return 0;
}

int main(int argc, char **argv)
{
	struct zq_open_opts opts = { .readonly = argc == 2 };
	struct zq_error err = { "" };
	struct zq_device *dev;
	int ret, closed;

	if (argc != 2 && argc != 4) {
		fprintf(stderr, "usage: report IMAGE [ZONE TEXT]\n");
		return 2;
	}
	if (zq_open_device(argv[1], &opts, &dev, &err)) {
		fprintf(stderr, "report: %s\n", err.msg);
		return 1;
	}
	ret = argc == 4 ? report_append(dev, argv[2], argv[3]) : report_list(dev);
	/* Only now is everything in the image. */
	closed = zq_close_device(dev);
	if (ret || closed)
		fprintf(stderr, "report: %s: %s\n", argv[1], strerror(ret ? -ret : -closed));
	return ret || closed;
}
