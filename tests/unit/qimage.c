/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2/check/check.h"
#include "qcow2/tables/header_read.h"
#include "qimage.h"
#include "util/bytes.h"
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
	q->p = (struct qcow2_create_params){
		.geo = { .size = 8 << 16,
			 .zone_size = 1 << 16,
			 .zone_capacity = 1 << 16,
			 .nr_zones = 8,
			 .nr_conv = 2,
			 .max_append = 4096 },
		.layout = zoned_layout_named("56"),
		.cluster_bits = 12,
		.refcount_order = 4,
	};
}

void qimage_create(struct qimage *q)
{
	struct zq_error err = { "" };
	struct zq_io *io;

	q->m = memio_new();
	io = memio_open(q->m, q->name, true);
	ck_assert_msg(qcow2_create(io, &q->p, &err) == 0, "create: %s", err.msg);
	io->ops->close(io);
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
	uint64_t off = qcow2_wp_get(q->img, zone, NULL);
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

struct findings {
	char first[256];
};

static void qimage_found(void *data, enum zq_finding_kind kind, bool fixed, const char *line)
{
	struct findings *f = data;

	(void)fixed;
	if (kind == ZQ_FOUND_CORRUPTION && !f->first[0])
		snprintf(f->first, sizeof(f->first), "%s", line);
}

uint64_t qimage_check_file(struct memio *m, const char *what)
{
	struct findings f = { "" };
	struct zq_check_opts o = { .found = qimage_found, .data = &f };
	struct zq_io *io = memio_open(m, "mem", false);
	struct zq_check_result res;
	struct qcow2_header hdr;
	struct zq_error err = { "" };

	ck_assert_msg(qcow2_header_read(io, HEADER_ZONED, &hdr, &err) == 0, "%s: %s", what, err.msg);
	ck_assert_msg(qcow2_check(io, &hdr, &o, &res, &err) == 0, "%s: %s", what, err.msg);
	qcow2_header_free(&hdr);
	io->ops->close(io);
	ck_assert_msg(res.corruptions == 0, "%s: %s", what, f.first);
	return res.leaks;
}

uint64_t qimage_check(struct qimage *q)
{
	return qimage_check_file(q->m, "check");
}

uint64_t qimage_be64(struct qimage *q, uint64_t off)
{
	uint8_t b[8];

	memio_peek(q->m, off, b, sizeof(b));
	return get_be64(b);
}

uint32_t qimage_be32(struct qimage *q, uint64_t off)
{
	uint8_t b[4];

	memio_peek(q->m, off, b, sizeof(b));
	return get_be32(b);
}

void qimage_poke_be64(struct qimage *q, uint64_t off, uint64_t value)
{
	uint8_t b[8];

	put_be64(b, value);
	memio_poke(q->m, off, b, sizeof(b));
}

/* Where the entry of a guest offset is in the file, 0 without a table. */
static uint64_t qimage_entry_place(struct qimage *q, uint64_t guest)
{
	uint64_t size = q->p.extended_l2 ? 16 : 8;
	uint64_t per_table = (UINT64_C(1) << q->p.cluster_bits) / size;
	uint64_t cluster = guest >> q->p.cluster_bits;
	uint64_t l1 = qimage_be64(q, QCOW2_H_L1_OFFSET);
	uint64_t table = qimage_be64(q, l1 + cluster / per_table * 8) & QCOW2_OFFSET_MASK;

	return table ? table + cluster % per_table * size : 0;
}

uint64_t qimage_disk_entry(struct qimage *q, uint64_t guest, uint64_t *bitmap)
{
	uint64_t place = qimage_entry_place(q, guest);

	if (bitmap)
		*bitmap = place && q->p.extended_l2 ? qimage_be64(q, place + 8) : 0;
	return place ? qimage_be64(q, place) : 0;
}

void qimage_poke_entry(struct qimage *q, uint64_t guest, uint64_t desc, uint64_t bitmap)
{
	uint64_t place = qimage_entry_place(q, guest);

	ck_assert_uint_ne(place, 0);
	qimage_poke_be64(q, place, desc);
	if (q->p.extended_l2)
		qimage_poke_be64(q, place + 8, bitmap);
}

static uint64_t count_place(struct qimage *q, uint64_t cluster)
{
	uint64_t per_block = (UINT64_C(1) << q->p.cluster_bits) / 2;
	uint64_t table = qimage_be64(q, QCOW2_H_REFTABLE_OFFSET), block;

	ck_assert_uint_eq(q->p.refcount_order, 4);
	if (cluster / per_block >=
	    (uint64_t)qimage_be32(q, QCOW2_H_REFTABLE_CLUSTERS) << q->p.cluster_bits >> 3)
		return 0;
	block = qimage_be64(q, table + cluster / per_block * 8);
	return block ? block + cluster % per_block * 2 : 0;
}

unsigned qimage_disk_count(struct qimage *q, uint64_t cluster)
{
	uint64_t place = count_place(q, cluster);
	uint8_t b[2] = { 0 };

	if (place)
		memio_peek(q->m, place, b, sizeof(b));
	return get_be16(b);
}

void qimage_poke_count(struct qimage *q, uint64_t cluster, unsigned count)
{
	uint64_t place = count_place(q, cluster);
	uint8_t b[2];

	ck_assert_uint_ne(place, 0);
	put_be16(b, (uint16_t)count);
	memio_poke(q->m, place, b, sizeof(b));
}

uint64_t qimage_disk_wp(struct qimage *q, uint32_t zone)
{
	return qimage_be64(q, q->img->hdr.zoned.meta_offset + (uint64_t)zone * 8);
}
