/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qimage.h"
#include "util/math.h"

static void qimage_keep_line(void *data, const char *line)
{
	struct qimage *q = data;

	q->nr_logged++;
	snprintf(q->logged, sizeof(q->logged), "%s", line);
}

void qimage_init(struct qimage *q)
{
	memset(q, 0, sizeof(*q));
	q->name = "mem";
	q->p = image_params();
}

void qimage_create(struct qimage *q)
{
	q->m = image_file_make(&q->p, q->name, NULL);
	qimage_open(q);
}

void qimage_open(struct qimage *q)
{
	struct qcow2_open_opts o = {
		.writable = true,
		.zoned = true,
		.lock = ZQ_LOCK_WRITE,
		.cache_bytes = q->cache_bytes,
		.data_file = q->data_file,
		.log = qimage_keep_line,
		.log_data = q,
	};
	struct zq_error err = { "" };
	int rc = qcow2_open(memio_open(q->m, q->name, true), &o, &q->img, &err);

	ck_assert_msg(rc == 0, "open: %s", err.msg);
}

void qimage_close(struct qimage *q)
{
	qcow2_close(q->img);
	q->img = NULL;
}

void qimage_reopen(struct qimage *q)
{
	qimage_commit(q);
	qimage_close(q);
	qimage_open(q);
}

void qimage_free(struct qimage *q)
{
	qcow2_close(q->img);
	memio_free(q->m);
}

/* ---- guest bytes ------------------------------------------------------------------------- */

int qimage_write_to(struct qimage *q, uint64_t off, int fill, size_t len, uint64_t zero_end)
{
	uint8_t *buf = malloc(len);
	struct qcow2_write w = { .off = off, .buf = buf, .len = len, .zero_end = zero_end };
	int rc;

	w.stream = (uint32_t)(off / q->p.geo.zone_size);
	memset(buf, fill, len);
	rc = qcow2_write(q->img, &w);
	free(buf);
	return rc;
}

int qimage_write(struct qimage *q, uint64_t off, int fill, size_t len)
{
	return qimage_write_to(q, off, fill, len, off + len);
}

int qimage_append(struct qimage *q, uint32_t zone, int fill, size_t len)
{
	uint8_t *buf = malloc(len);
	uint64_t off = qcow2_wp_now(q->img, zone);
	struct qcow2_write w = {
		.off = off,
		.buf = buf,
		.len = len,
		.zero_end = zq_zone_start(&q->p.geo, zone) + zq_zone_len(&q->p.geo, zone),
		.stream = zone,
		.move_wp = true,
		.zone = zone,
		.wp = off + len,
	};
	int rc;

	memset(buf, fill, len);
	rc = qcow2_write(q->img, &w);
	free(buf);
	return rc;
}

void qimage_expect(struct qimage *q, uint64_t off, size_t len, int fill)
{
	uint8_t *buf = malloc(len);
	size_t good = 0;

	memset(buf, ~fill, len);
	ck_assert_int_eq(qcow2_read(q->img, off, buf, len), 0);
	/* one assertion: each is a message to the process that runs the test */
	while (good < len && buf[good] == (uint8_t)fill)
		good++;
	ck_assert_msg(good == len, "guest byte %llu is %#x, not %#x",
		      (unsigned long long)(off + good), good < len ? buf[good] : 0, (uint8_t)fill);
	free(buf);
}

void qimage_reset(struct qimage *q, uint32_t zone)
{
	qcow2_wp_back(q->img, zone);
	ck_assert_int_eq(qcow2_zero(q->img, zq_zone_start(&q->p.geo, zone), q->p.geo.zone_size), 0);
}

void qimage_grow_table(struct qimage *q)
{
	uint64_t was;

	qimage_init(q);
	q->p.cluster_bits = 9;
	q->p.refcount_order = 6;
	q->p.geo.size = 4 << 20;
	q->p.geo.nr_zones = 64;
	qimage_create(q);
	was = q->img->reftable.offset;
	for (uint32_t zone = 2; zone < 64 && q->img->reftable.offset == was; zone++) {
		qimage_commit(q);
		memio_log_start(q->m);
		ck_assert_int_eq(qimage_append(q, zone, 'x', 65536), 0);
	}
	ck_assert_uint_ne(q->img->reftable.offset, was);
}

void qimage_commit(struct qimage *q)
{
	ck_assert_int_eq(qcow2_commit(q->img), 0);
}

/* ---- the file ---------------------------------------------------------------------------- */

uint64_t qimage_check_file(struct memio *m, const char *what)
{
	struct image_findings f;
	struct zq_error err = { "" };

	ck_assert_msg(image_file_check(m, "mem", ZQ_REPAIR_NONE, &f, &err) == 0, "%s: %s", what,
		      err.msg);
	ck_assert_msg(f.res.corruptions == 0, "%s: %s", what, f.lines);
	return f.res.leaks;
}

uint64_t qimage_check(struct qimage *q)
{
	return qimage_check_file(q->m, "check");
}

uint64_t qimage_disk_entry(struct qimage *q, uint64_t guest, uint64_t *bitmap)
{
	uint64_t place = image_l2_place(q->m, guest);

	if (bitmap)
		*bitmap = place && q->p.extended_l2 ? image_get(q->m, place + 8, 8) : 0;
	return place ? image_get(q->m, place, 8) : 0;
}

void qimage_poke_entry(struct qimage *q, uint64_t guest, uint64_t desc, uint64_t bitmap)
{
	uint64_t place = image_l2_place(q->m, guest);

	ck_assert_uint_ne(place, 0);
	image_put(q->m, place, 8, desc);
	if (q->p.extended_l2)
		image_put(q->m, place + 8, 8, bitmap);
}

unsigned qimage_disk_count(struct qimage *q, uint64_t cluster)
{
	uint64_t place = image_count_place(q->m, cluster);

	ck_assert_uint_eq(q->p.refcount_order, 4);
	return place ? (unsigned)image_get(q->m, place, 2) : 0;
}

void qimage_poke_count(struct qimage *q, uint64_t cluster, unsigned count)
{
	uint64_t place = image_count_place(q->m, cluster);

	ck_assert_uint_ne(place, 0);
	image_put(q->m, place, 2, count);
}

uint64_t qimage_disk_wp(struct qimage *q, uint32_t zone)
{
	return image_get(q->m, q->img->hdr.zoned.meta_offset + (uint64_t)zone * 8, 8);
}
