/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzz targets share, see fuzz.h. The folder that backing files are looked for in is
 * made once for a process and removed at its end.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "io/io.h"
#include "qcow2/check/check.h"
#include "qcow2/format/format.h"
#include "qcow2/tables/header_read.h"
#include "util/bytes.h"
#include "util/math.h"

#define MAX_INPUT (UINT64_C(4) << 20)
#define CACHE	  (UINT64_C(256) << 10) /* a small one: clearing it costs time */

static struct scratch {
	char dir[64];
	char image[80], data[80];
} scratch;

static void scratch_remove(void)
{
	unlink(scratch.data);
	rmdir(scratch.dir);
}

static void scratch_make(void)
{
	int fd;

	if (scratch.dir[0])
		return;
	snprintf(scratch.dir, sizeof(scratch.dir), "/tmp/zqfs-fuzz.XXXXXX");
	FUZZ_ASSERT(mkdtemp(scratch.dir));
	snprintf(scratch.image, sizeof(scratch.image), "%s/image", scratch.dir);
	snprintf(scratch.data, sizeof(scratch.data), "%s/data", scratch.dir);
	fd = open(scratch.data, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FUZZ_ASSERT(fd >= 0 && !close(fd));
	atexit(scratch_remove);
}

uint32_t fuzz_hash(const uint8_t *data, size_t size)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < size; i++)
		h = (h ^ data[i]) * 16777619u;
	return h ^ h >> 15;
}

struct memio *fuzz_image(const uint8_t *data, size_t size)
{
	static const uint8_t here = '_';
	struct memio *m;
	uint64_t name;

	scratch_make();
	if (size < QCOW2_H_V2_SIZE || size > MAX_INPUT)
		return NULL;
	FUZZ_ASSERT(!truncate(scratch.data, 0));
	m = memio_new();
	memio_poke(m, 0, data, size);
	/* A path of its own choice would open any file of this machine. */
	name = get_be64(data + QCOW2_H_BACKING_OFFSET);
	if (name < size && (data[name] == '/' || data[name] == '.'))
		memio_poke(m, name, &here, 1);
	return m;
}

struct zq_device *fuzz_device(struct memio *m, bool readonly)
{
	struct zq_open_opts opts = { .readonly = readonly,
				     .data_file = scratch.data,
				     .cache_bytes = CACHE };
	struct zq_device *dev = NULL;
	struct zq_error err = { "" };
	int ret = zq_open_device_io(memio_open(m, scratch.image, !readonly), &opts, &dev, &err);

	if (!ret)
		return dev;
	FUZZ_ASSERT(ret < 0 && err.msg[0] && !strchr(err.msg, '\n'));
	FUZZ_ASSERT(!memio_open_count(m));
	return NULL;
}

struct qcow2_image *fuzz_qcow2(struct memio *m, bool zoned, bool writable)
{
	struct qcow2_open_opts opts = { .writable = writable,
					.zoned = zoned,
					.lock = writable ? ZQ_LOCK_WRITE : ZQ_LOCK_READ,
					.data_file = scratch.data,
					.cache_bytes = CACHE };
	struct qcow2_image *img = NULL;
	struct zq_error err = { "" };

	if (!qcow2_open(memio_open(m, scratch.image, writable), &opts, &img, &err))
		return img;
	FUZZ_ASSERT(err.msg[0] && !strchr(err.msg, '\n'));
	FUZZ_ASSERT(!memio_open_count(m));
	return NULL;
}

static void harness_found(void *data, enum zq_finding_kind kind, bool fixed, const char *line)
{
	(void)data;
	FUZZ_ASSERT(line[0] && !strchr(line, '\n'));
	FUZZ_ASSERT(kind != ZQ_FOUND_NOTE || !fixed);
	if (getenv("FUZZ_VERBOSE"))
		fprintf(stderr, "%d%s %s\n", (int)kind, fixed ? " fixed" : "", line);
}

bool fuzz_check(struct memio *m, enum zq_repair repair, struct zq_check_result *res)
{
	struct zq_check_opts opts = { .repair = repair, .found = harness_found };
	struct zq_io *io = memio_open(m, scratch.image, repair != ZQ_REPAIR_NONE);
	struct zq_error err = { "" };
	struct qcow2_header hdr;
	int ret = qcow2_header_read(io, HEADER_ZONED, &hdr, &err);

	memset(res, 0, sizeof(*res));
	if (!ret) {
		ret = qcow2_check(io, &hdr, &opts, res, &err);
		qcow2_header_free(&hdr);
	}
	io_close(io);
	FUZZ_ASSERT(!ret || err.msg[0]);
	FUZZ_ASSERT(res->corruptions_fixed <= res->corruptions && res->leaks_fixed <= res->leaks);
	FUZZ_ASSERT(repair != ZQ_REPAIR_NONE || (!res->corruptions_fixed && !res->leaks_fixed));
	return !ret;
}

bool fuzz_read_guest(struct memio *m, struct fuzz_guest *g)
{
	struct qcow2_image *img = fuzz_qcow2(m, true, false);

	if (!img)
		return false;
	g->size = (size_t)min_u64(qcow2_size(img), FUZZ_READ_MAX);
	g->data = calloc(1, g->size);
	g->ok = calloc(1, g->size / FUZZ_STEP + 1);
	FUZZ_ASSERT(g->data && g->ok);
	for (size_t at = 0; at < g->size; at += FUZZ_STEP)
		g->ok[at / FUZZ_STEP] = !qcow2_read(img, at, g->data + at,
						    (size_t)min_u64(FUZZ_STEP, g->size - at));
	qcow2_close(img);
	return true;
}

void fuzz_free_guest(struct fuzz_guest *g)
{
	free(g->data);
	free(g->ok);
}
