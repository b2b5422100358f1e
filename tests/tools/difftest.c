/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * difftest [-s SEED] [-n OPS] IMAGE MODEL: random operations on a zoned image through
 * the qcow2 layer and on a plain array of bytes, compared after each reopening and at the end.
 *
 * MODEL is a raw file with what the image holds; it is rewritten with what it should hold
 * afterwards, so that "qemu-img convert" of the image can be compared with it by the caller.
 * Conventional zones get random writes and zeroing; sequential ones are reset when first
 * touched, then appended to, reset and finished. A seed gives the same run again.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qcow2/qcow2.h"
#include "util/math.h"

struct run {
	const char *path;
	struct qcow2_image *img;
	struct zq_geometry geo;
	uint8_t *model; /* geo.size bytes */
	uint64_t *wp;	/* absolute, per zone; UINT64_MAX: not touched yet */
	uint64_t rng;
	unsigned long step;
};

static uint64_t difftest_rnd(struct run *r, uint64_t below)
{
	r->rng ^= r->rng << 13;
	r->rng ^= r->rng >> 7;
	r->rng ^= r->rng << 17;
	return below ? r->rng * UINT64_C(0x2545f4914f6cdd1d) % below : 0;
}

static void fail(const struct run *r, const char *what, uint64_t off, int rc)
{
	fprintf(stderr, "difftest: step %lu: %s at 0x%" PRIx64 ": %s\n", r->step, what, off,
		rc < 0 ? strerror(-rc) : "differs from the model");
	exit(1);
}

static void must(const struct run *r, const char *what, uint64_t off, int rc)
{
	if (rc < 0)
		fail(r, what, off, rc);
}

static void difftest_log_line(void *data, const char *line)
{
	(void)data;
	fprintf(stderr, "difftest: log: %s\n", line);
}

static void difftest_open_image(struct run *r)
{
	struct qcow2_open_opts o = { .writable = true,
				     .zoned = true,
				     .lock = ZQ_LOCK_WRITE,
				     .cache_bytes = 1 << 18,
				     .log = difftest_log_line };
	struct zq_error err = { "" };
	struct zq_io *io;

	if (zq_io_open(r->path, true, &io, &err) < 0 || qcow2_open(io, &o, &r->img, &err) < 0) {
		fprintf(stderr, "difftest: %s\n", err.msg);
		exit(1);
	}
}

/* Reads a range through the library and compares it. */
static void difftest_compare(struct run *r, uint64_t off, uint64_t len)
{
	uint8_t *buf = malloc(len ? len : 1);

	must(r, "read", off, qcow2_read(r->img, off, buf, len));
	for (uint64_t i = 0; i < len; i++)
		if (buf[i] != r->model[off + i])
			fail(r, "read", off + i, 0);
	free(buf);
}

static void compare_all(struct run *r)
{
	for (uint64_t off = 0; off < r->geo.size; off += 1 << 20)
		difftest_compare(r, off, min_u64(1 << 20, r->geo.size - off));
}

static void difftest_commit(struct run *r)
{
	for (int i = 0; i < 4 && (i == 0 || qcow2_dirty(r->img)); i++)
		must(r, "commit", 0, qcow2_commit(r->img));
	if (qcow2_dirty(r->img))
		fail(r, "still dirty after commits", 0, -EIO);
}

/* Random bytes, or one byte repeated, or zeros. */
static void difftest_fill(struct run *r, uint8_t *p, size_t len)
{
	uint64_t kind = difftest_rnd(r, 4);

	if (kind == 0) {
		memset(p, (int)difftest_rnd(r, 256), len);
		return;
	}
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(difftest_rnd(r, 255) + 1);
}

static void difftest_write_at(struct run *r, struct qcow2_write *w)
{
	uint8_t *buf = malloc(w->len);

	difftest_fill(r, buf, w->len);
	w->buf = buf;
	must(r, "write", w->off, qcow2_write(r->img, w));
	memcpy(r->model + w->off, buf, w->len);
	memset(r->model + w->off + w->len, 0, w->pad);
	free(buf);
}

static void difftest_op_conventional(struct run *r)
{
	uint64_t end = (uint64_t)r->geo.nr_conv * r->geo.zone_size;
	uint64_t off = difftest_rnd(r, end),
		 len = 1 + difftest_rnd(r, min_u64(end - off, difftest_rnd(r, 4) ? 9000 : 300000));
	struct qcow2_write w = { .off = off, .len = len, .zero_end = off + len };

	if (difftest_rnd(r, 4)) {
		w.stream = (uint32_t)(off / r->geo.zone_size);
		difftest_write_at(r, &w);
	} else {
		must(r, "zero", off, qcow2_zero(r->img, off, len));
		memset(r->model + off, 0, len);
	}
}

static void difftest_reset(struct run *r, uint32_t zone)
{
	uint64_t start = zq_zone_start(&r->geo, zone), len = zq_zone_len(&r->geo, zone);

	qcow2_wp_back(r->img, zone);
	if (qcow2_zero_in_place(r->img, start, len))
		must(r, "settle", start, qcow2_wp_settle(r->img));
	must(r, "reset", start, qcow2_zero(r->img, start, len));
	memset(r->model + start, 0, len);
	r->wp[zone] = start;
}

static void difftest_finish(struct run *r, uint32_t zone)
{
	uint64_t start = zq_zone_start(&r->geo, zone), end = start + zq_zone_len(&r->geo, zone);

	if (qcow2_zero_in_place(r->img, r->wp[zone], end - r->wp[zone]))
		must(r, "settle", start, qcow2_wp_settle(r->img));
	must(r, "finish", start, qcow2_zero(r->img, r->wp[zone], end - r->wp[zone]));
	r->wp[zone] = end;
	qcow2_wp_forward(r->img, zone, start + r->geo.zone_size);
}

static void op_sequential(struct run *r)
{
	uint32_t zone =
		r->geo.nr_conv + (uint32_t)difftest_rnd(r, r->geo.nr_zones - r->geo.nr_conv);
	uint64_t cap = zq_zone_start(&r->geo, zone) + zq_zone_cap(&r->geo, zone), room;
	struct qcow2_write w = { .stream = zone, .zone = zone, .move_wp = true };

	if (r->wp[zone] == UINT64_MAX || (r->wp[zone] >= cap && difftest_rnd(r, 2)) ||
	    difftest_rnd(r, 12) == 0) {
		difftest_reset(r, zone);
		return;
	}
	if (r->wp[zone] >= cap)
		return;
	if (difftest_rnd(r, 15) == 0) {
		difftest_finish(r, zone);
		return;
	}
	room = cap - r->wp[zone];
	w.off = r->wp[zone];
	w.len = min_u64(room, 1 + difftest_rnd(r, difftest_rnd(r, 4) ? 9000 : 300000));
	w.pad = align_up(w.off + w.len, ZQ_BLOCK) - w.off - w.len;
	w.wp = w.off + w.len + w.pad;
	w.zero_end = zq_zone_start(&r->geo, zone) + zq_zone_len(&r->geo, zone);
	difftest_write_at(r, &w);
	r->wp[zone] = w.wp;
}

static void difftest_step(struct run *r)
{
	uint64_t off;

	switch (difftest_rnd(r, 32)) {
	case 0:
		difftest_commit(r);
		break;
	case 1:
		difftest_commit(r);
		qcow2_close(r->img);
		difftest_open_image(r);
		compare_all(r);
		break;
	case 2:
	case 3:
		off = difftest_rnd(r, r->geo.size);
		difftest_compare(r, off, min_u64(r->geo.size - off, difftest_rnd(r, 500000)));
		break;
	default:
		if (r->geo.nr_conv && difftest_rnd(r, 2))
			difftest_op_conventional(r);
		else
			op_sequential(r);
	}
}

static void load_model(struct run *r, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t got = 0;

	r->model = calloc(1, r->geo.size);
	if (fd < 0 || !r->model) {
		perror(path);
		exit(1);
	}
	while (got < r->geo.size) {
		ssize_t n = read(fd, r->model + got, r->geo.size - got);

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	close(fd);
}

static void save_model(const struct run *r, const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f || fwrite(r->model, 1, r->geo.size, f) != r->geo.size || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct run r = { 0 };
	uint64_t seed = 1, ops = 1000;
	int opt;

	while ((opt = getopt(argc, argv, "s:n:")) != -1) {
		if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (opt == 'n')
			ops = strtoull(optarg, NULL, 0);
		else
			return 2;
	}
	if (argc - optind != 2) {
		fprintf(stderr, "usage: difftest [-s SEED] [-n OPS] IMAGE MODEL\n");
		return 2;
	}
	r.path = argv[optind];
	r.rng = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	difftest_open_image(&r);
	r.geo = qcow2_zoned(r.img)->geo;
	load_model(&r, argv[optind + 1]);
	r.wp = malloc(r.geo.nr_zones * sizeof(*r.wp));
	for (uint32_t z = 0; z < r.geo.nr_zones; z++)
		r.wp[z] = UINT64_MAX;
	compare_all(&r);
	for (r.step = 1; r.step <= ops; r.step++)
		difftest_step(&r);
	compare_all(&r);
	difftest_commit(&r);
	qcow2_close(r.img);
	difftest_open_image(&r);
	compare_all(&r);
	qcow2_close(r.img);
	save_model(&r, argv[optind + 1]);
	printf("difftest: seed %" PRIu64 ": %" PRIu64 " operations, image and model agree\n", seed,
	       ops);
	free(r.model);
	free(r.wp);
	return 0;
}
