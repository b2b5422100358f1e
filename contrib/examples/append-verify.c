/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Four threads append records to the zones of an image, all of them to all zones, and remember
 * where each record landed. At the end every record is read back from there. Builds with
 *
 *     cc append-verify.c $(pkg-config --cflags --libs libzqfs) -pthread -o append-verify
 *
 * and runs as: append-verify IMAGE. The image is filled as far as it has room.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <zqfs/device.h>

#define THREADS	    4
#define RECORDS	    500 /* of each thread */
#define RECORD_SIZE 700 /* need not be whole blocks */

struct worker {
	pthread_t thread;
	struct zq_device *dev;
	unsigned number;
	unsigned nr; /* records that have been written */
	struct {
		uint32_t zone;
		uint64_t where;
	} place[RECORDS];
	int ret;
};

static void make_record(const struct worker *w, unsigned i, char *buf)
{
	memset(buf, 'a' + (int)(w->number * 7 + i) % 26, RECORD_SIZE);
	snprintf(buf, RECORD_SIZE, "thread %u record %u", w->number, i);
}

/* A zone that is full, or that no slot can be had for, is no reason to stop: the next one. */
static int append_record(struct worker *w, unsigned i, const char *buf)
{
	const struct zq_geometry *geo = zq_device_geometry(w->dev);
	uint32_t nr = geo->nr_zones - geo->nr_conv;

	for (uint32_t n = 0; n < nr; n++) {
		uint32_t zone = geo->nr_conv + (w->number + i + n) % nr;
		ssize_t done = zq_append(w->dev, zone, NULL, 0, buf, RECORD_SIZE, ZQ_WRITE_APPEND,
					 &w->place[i].where);

		w->place[i].zone = zone;
		if (done == RECORD_SIZE)
			return 0;
		/* the end of a zone may have taken a part: the record goes elsewhere */
		if (done < 0 && done != -EFBIG && done != -EBUSY)
			return (int)done;
	}
	return -ENOSPC;
}

static void *append_records_of(void *arg)
{
	struct worker *w = arg;
	char buf[RECORD_SIZE];

	for (; w->nr < RECORDS; w->nr++) {
		make_record(w, w->nr, buf);
		w->ret = append_record(w, w->nr, buf);
		if (w->ret)
			break;
	}
	if (w->ret && w->ret != -ENOSPC) {
		struct zq_error err;

		zq_last_error(w->dev, &err); /* of this thread */
		fprintf(stderr, "append-verify: %s\n", err.msg);
	}
	return NULL;
}

static int verify_records_of(const struct worker *w)
{
	char want[RECORD_SIZE], got[RECORD_SIZE];

	for (unsigned i = 0; i < w->nr; i++) {
		ssize_t n = zq_read(w->dev, w->place[i].zone, w->place[i].where, got, RECORD_SIZE);

		make_record(w, i, want);
		if (n != RECORD_SIZE || memcmp(got, want, RECORD_SIZE) != 0) {
			fprintf(stderr,
				"append-verify: record %u of thread %u is not in zone %" PRIu32
				" at %" PRIu64 "\n",
				i, w->number, w->place[i].zone, w->place[i].where);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct worker workers[THREADS];
	struct zq_open_opts opts = { .require_rw = true, .committer = true };
	struct zq_error err = { "" };
	struct zq_device *dev;
	unsigned nr = 0;
	int ret = 0, closed;

	if (argc != 2) {
		fprintf(stderr, "usage: append-verify IMAGE\n");
		return 2;
	}
	if (zq_open_device(argv[1], &opts, &dev, &err)) {
		fprintf(stderr, "append-verify: %s\n", err.msg);
		return 1;
	}
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].dev = dev;
		workers[i].number = i;
		if (pthread_create(&workers[i].thread, NULL, append_records_of, &workers[i]) != 0)
			return 1;
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		ret |= workers[i].ret != 0 && workers[i].ret != -ENOSPC;
	}
	for (unsigned i = 0; i < THREADS; i++) {
		ret |= verify_records_of(&workers[i]);
		nr += workers[i].nr;
	}
	closed = zq_close_device(dev);
	if (closed)
		fprintf(stderr, "append-verify: %s: %s\n", argv[1], strerror(-closed));
	printf("%u records written and read back\n", nr);
	return ret || closed;
}
