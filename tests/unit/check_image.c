/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes the image that the tests of check and repair damage, with the engine itself.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "check_image.h"
#include "qcow2/format/format.h"
#include "qimage.h"

void check_image_make(struct check_image *t, void (*change)(struct qcow2_create_params *p))
{
	struct zq_error err = { "" };
	struct qimage q;

	memset(t, 0, sizeof(*t));
	qimage_init(&q);
	q.p.geo.size = 16 << 16;
	q.p.geo.nr_zones = 16;
	if (change)
		change(&q.p);
	qimage_create(&q);
	ck_assert_int_eq(qimage_write_to(&q, 0, 0x01, 16384, 65536), 0);
	ck_assert_int_eq(qimage_append(&q, 2, 0x21, 20480), 0);
	ck_assert_int_eq(qimage_append(&q, 3, 0x31, 65536), 0);
	ck_assert_int_eq(qimage_append(&q, 4, 0x41, 12288), 0);
	qimage_commit(&q);
	qimage_close(&q);

	t->m = q.m;
	ck_assert_msg(image_file_header(t->m, "image", true, &t->hdr, &err) == 0, "%s", err.msg);
	t->cluster = UINT64_C(1) << q.p.cluster_bits;
	t->l1 = t->hdr.l1_offset;
	t->l2 = image_get(t->m, t->l1, 8) & QCOW2_OFFSET_MASK;
	t->table = t->hdr.reftable_offset;
	t->block = image_get(t->m, t->table, 8);
	t->wps = t->hdr.zoned.meta_offset;
}

void check_image_free(struct check_image *t)
{
	qcow2_header_free(&t->hdr);
	memio_free(t->m);
}

int check_image_check(struct check_image *t, enum zq_repair repair)
{
	struct zq_error err = { "" };

	return image_file_check(t->m, "image", repair, &t->f, &err);
}

void check_image_expect(struct check_image *t, uint64_t corruptions, uint64_t leaks,
			const char *text)
{
	ck_assert_int_eq(check_image_check(t, ZQ_REPAIR_NONE), 0);
	ck_assert_msg(t->f.res.corruptions == corruptions && t->f.res.leaks == leaks,
		      "%llu corruptions and %llu leaks, expected %llu and %llu:\n%s",
		      (unsigned long long)t->f.res.corruptions, (unsigned long long)t->f.res.leaks,
		      (unsigned long long)corruptions, (unsigned long long)leaks, t->f.lines);
	ck_assert_msg(!text || strstr(t->f.lines, text), "no '%s' in:\n%s", text, t->f.lines);
	ck_assert_msg(!strstr(t->f.lines, "fixed"), "claims a repair:\n%s", t->f.lines);
}

void check_image_mends(struct check_image *t, enum zq_repair repair)
{
	ck_assert_int_eq(check_image_check(t, repair), 0);
	ck_assert_msg(t->f.res.corruptions == t->f.res.corruptions_fixed &&
			      t->f.res.leaks == t->f.res.leaks_fixed,
		      "not all is mended:\n%s", t->f.lines);
	check_image_expect(t, 0, 0, NULL);
}

unsigned check_image_count(struct check_image *t, uint64_t cluster)
{
	return (unsigned)image_get(t->m, t->block + cluster * 2, 2);
}

void check_image_set_count(struct check_image *t, uint64_t cluster, unsigned count)
{
	image_put(t->m, t->block + cluster * 2, 2, count);
}

uint64_t check_image_entry(struct check_image *t, uint64_t guest)
{
	return t->l2 + guest / t->cluster * (t->hdr.incompat & QCOW2_INCOMPAT_EXTL2 ? 16 : 8);
}

uint64_t check_image_host(struct check_image *t, uint64_t guest)
{
	return image_get(t->m, check_image_entry(t, guest), 8) & QCOW2_OFFSET_MASK;
}

uint8_t *check_image_guest(struct memio *m, uint64_t size)
{
	struct qcow2_open_opts opts = { .zoned = true, .lock = ZQ_LOCK_SHARED };
	struct qcow2_image *img = NULL;
	struct zq_error err = { "" };
	uint8_t *buf;

	if (qcow2_open(memio_open(m, "image", false), &opts, &img, &err))
		return NULL;
	buf = malloc(size);
	if (qcow2_read(img, 0, buf, size)) {
		free(buf);
		buf = NULL;
	}
	qcow2_close(img);
	return buf;
}
