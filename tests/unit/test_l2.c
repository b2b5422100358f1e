/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What L2 entries mean, standard and extended, which ones are damaged, and that tables are
 * made, copied and found as they should.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "qcow2/engine/l2.h"
#include "qimage.h"

#define HOST UINT64_C(0xf0000)

static struct qimage q;

static void l2_create(bool extended)
{
	qimage_init(&q);
	q.p.extended_l2 = extended;
	q.p.cluster_bits = extended ? 16 : 12;
	qimage_create(&q);
	q.img->file_end = 16 << 16; /* so that HOST lies in the file */
}

struct entry_case {
	const char *name;
	uint64_t desc, bitmap;
	enum l2_kind kind; /* of subcluster 3 */
};

static void check_cases(const struct entry_case *c, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct l2_entry e = { c[i].desc, c[i].bitmap };

		ck_assert_msg(l2_kind(q.img, 0, e, q.p.extended_l2 ? 3 : 0) == c[i].kind, "%s",
			      c[i].name);
	}
}

START_TEST(standard_entries)
{
	static const struct entry_case cases[] = {
		{ "nothing", 0, 0, L2_UNALLOCATED },
		{ "data", QCOW2_COPIED | HOST, 0, L2_DATA },
		{ "shared data", HOST, 0, L2_DATA },
		{ "zero", QCOW2_ZERO, 0, L2_ZERO },
		{ "zero, allocated", QCOW2_COPIED | HOST | QCOW2_ZERO, 0, L2_ZERO_ALLOCATED },
		{ "compressed", QCOW2_COMPRESSED | HOST, 0, L2_COMPRESSED },
		{ "compressed and copied", QCOW2_COMPRESSED | QCOW2_COPIED | HOST, 0,
		  L2_COMPRESSED },
		{ "compressed, in the header", QCOW2_COMPRESSED | 100, 0, L2_BAD },
		{ "compressed, behind the end", QCOW2_COMPRESSED | 0x200000, 0, L2_BAD },
		{ "reserved bit 1", QCOW2_COPIED | HOST | 2, 0, L2_BAD },
		{ "reserved bit 8", QCOW2_COPIED | HOST | 0x100, 0, L2_BAD },
		{ "reserved bit 56", QCOW2_COPIED | HOST | UINT64_C(1) << 56, 0, L2_BAD },
		{ "reserved bit 61", UINT64_C(1) << 61, 0, L2_BAD },
		{ "not aligned", QCOW2_COPIED | (HOST + 512), 0, L2_BAD },
		{ "behind the end", QCOW2_COPIED | 0x200000, 0, L2_BAD },
		{ "far behind the end", QCOW2_COPIED | QCOW2_OFFSET_MASK >> 12 << 12, 0, L2_BAD },
	};
	struct l2_entry on_pointers;

	l2_create(false);
	check_cases(cases, ARRAY_SIZE(cases));
	on_pointers = (struct l2_entry){ QCOW2_COPIED | q.img->hdr.zoned.meta_offset, 0 };
	ck_assert_int_eq(l2_kind(q.img, 0, on_pointers, 0), L2_BAD);
	on_pointers.desc = QCOW2_COPIED | q.img->l1.offset;
	ck_assert_int_eq(l2_kind(q.img, 0, on_pointers, 0), L2_BAD);
	on_pointers.desc = QCOW2_COPIED | q.img->reftable.offset;
	ck_assert_int_eq(l2_kind(q.img, 0, on_pointers, 0), L2_BAD);
	qimage_free(&q);
}
END_TEST

/* What was sound a moment ago is looked at again when a table has changed. */
START_TEST(known_until_a_table_changes)
{
	struct l2_entry e = { QCOW2_COPIED | HOST, 0 };
	struct l2_ref ref;
	uint64_t table;

	l2_create(false);
	ck_assert_int_eq(l2_kind(q.img, 0, e, 0), L2_DATA);
	ck_assert_int_eq(l2_kind(q.img, 0, e, 0), L2_DATA);
	table_set(&q.img->l1, 1, QCOW2_COPIED | HOST, false);
	ck_assert_int_eq(l2_kind(q.img, 0, e, 0), L2_BAD);
	table_set(&q.img->l1, 1, 0, false);
	image_lock(q.img);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(l2_pin(q.img, 0, true, &ref), 0);
		l2_unpin(q.img, &ref);
	}
	table = q.img->l1.word[0] & QCOW2_OFFSET_MASK;
	table_set(&q.img->reftable, q.img->reftable.nr - 1, table, false);
	ck_assert_int_eq(l2_pin(q.img, 0, true, &ref), -EUCLEAN);
	ck_assert_int_eq(l2_pin(q.img, 0, false, &ref), -EUCLEAN);
	/* two entries with one table: reading does no harm */
	table_set(&q.img->reftable, q.img->reftable.nr - 1, 0, false);
	table_set(&q.img->l1, 1, QCOW2_COPIED | table, false);
	ck_assert_int_eq(l2_pin(q.img, 0, false, &ref), 0);
	l2_unpin(q.img, &ref);
	ck_assert_int_eq(l2_pin(q.img, 0, true, &ref), -EUCLEAN);
	image_unlock(q.img);
	qimage_free(&q);
}
END_TEST

#define ALLOC(s) (UINT64_C(1) << (s))
#define ZERO(s)	 (UINT64_C(1) << (32 + (s)))

START_TEST(extended_entries)
{
	static const struct entry_case cases[] = {
		{ "nothing", 0, 0, L2_UNALLOCATED },
		{ "this one", QCOW2_COPIED | HOST, ALLOC(3), L2_DATA },
		{ "all", QCOW2_COPIED | HOST, UINT32_MAX, L2_DATA },
		{ "others only", QCOW2_COPIED | HOST, ALLOC(2) | ALLOC(4), L2_UNALLOCATED },
		{ "zero without a cluster", 0, ZERO(3), L2_ZERO },
		{ "zero in a cluster", QCOW2_COPIED | HOST, ZERO(3) | ALLOC(4), L2_ZERO_ALLOCATED },
		{ "both bits", QCOW2_COPIED | HOST, ZERO(3) | ALLOC(3), L2_BAD },
		{ "allocated without a cluster", 0, ALLOC(3), L2_BAD },
		{ "bit 0, which means nothing here", QCOW2_COPIED | HOST | 1, ALLOC(3), L2_BAD },
		{ "not aligned", QCOW2_COPIED | (HOST + 4096), ALLOC(3), L2_BAD },
	};

	l2_create(true);
	check_cases(cases, ARRAY_SIZE(cases));
	qimage_free(&q);
}
END_TEST

START_TEST(table_is_made_for_writing_only)
{
	struct l2_ref ref;

	l2_create(false);
	image_lock(q.img);
	ck_assert_int_eq(l2_pin(q.img, 5 << 12, false, &ref), 0);
	ck_assert_ptr_null(ref.slice);
	ck_assert_uint_eq(ref.count, 512 - 5);
	ck_assert_uint_eq(l2_get(q.img, &ref, ref.index).desc, 0);
	l2_unpin(q.img, &ref);
	ck_assert_int_eq(l2_pin(q.img, 5 << 12, true, &ref), 0);
	ck_assert_ptr_nonnull(ref.slice);
	ck_assert_uint_eq(ref.index, 5);
	l2_set(q.img, &ref, 5, (struct l2_entry){ QCOW2_COPIED | HOST, 0 });
	ck_assert_uint_eq(l2_get(q.img, &ref, 5).desc, QCOW2_COPIED | HOST);
	ck_assert(ref.slice->dirty);
	l2_unpin(q.img, &ref);
	ck_assert(q.img->l1.word[0] & QCOW2_COPIED);
	image_unlock(q.img);
	qimage_free(&q);
}
END_TEST

START_TEST(damaged_l1_entry_is_an_error)
{
	static const uint64_t bad[] = {
		QCOW2_COPIED | 0x3001,	     QCOW2_COPIED | 0x3200, QCOW2_COPIED | 0x40000000,
		UINT64_C(1) << 60 | 0x30000, QCOW2_COPIED | 0x800,
	};
	uint8_t buf[16];

	l2_create(false);
	q.img->l1.word[0] = bad[_i];
	ck_assert_int_eq(qcow2_read(q.img, 0, buf, sizeof(buf)), -EIO);
	ck_assert_ptr_nonnull(strstr(q.logged, "L1 entry 0 is damaged"));
	ck_assert_int_eq(qimage_write(&q, 0, 'x', 16), -EUCLEAN);
	qimage_free(&q);
}
END_TEST

START_TEST(shared_table_is_copied)
{
	uint64_t l1, table, entry;

	l2_create(false);
	ck_assert_int_eq(qimage_write(&q, 0, 'a', 8192), 0);
	qimage_commit(&q);
	l1 = image_get(q.m, QCOW2_H_L1_OFFSET, 8);
	table = image_get(q.m, l1, 8) & QCOW2_OFFSET_MASK;
	entry = image_get(q.m, table + 8, 8);
	qimage_close(&q);
	image_put(q.m, l1, 8, table);
	qimage_poke_count(&q, table >> 12, 2);
	qimage_open(&q);
	ck_assert_int_eq(qimage_write(&q, 0, 'b', 100), 0);
	ck_assert_int_eq(qimage_write(&q, 64 << 12, 'b', 100), 0);
	qimage_reopen(&q);
	ck_assert_uint_ne(image_get(q.m, l1, 8) & QCOW2_OFFSET_MASK, table);
	ck_assert(image_get(q.m, l1, 8) & QCOW2_COPIED);
	ck_assert_uint_eq(image_get(q.m, table + 64 * 8, 8), 0); /* the old one is as it was */
	ck_assert_uint_eq(image_get(q.m, table + 8, 8), entry);
	qimage_expect(&q, 100, 8092, 'a');
	qimage_expect(&q, 64 << 12, 100, 'b');
	qimage_free(&q);
}
END_TEST

/* A new table of many slices takes a cluster that held data, on a host without holes. */
START_TEST(new_table_holds_nothing_of_before)
{
	qimage_init(&q);
	q.p.cluster_bits = 16; /* a table maps 512 MiB in 16 slices */
	q.p.geo.size = UINT64_C(1) << 30;
	q.p.geo.zone_size = q.p.geo.zone_capacity = 16 << 20;
	q.p.geo.nr_zones = 64;
	qimage_create(&q);
	ck_assert_int_eq(qimage_write(&q, 0, 0x5a, 4 << 20), 0);
	qimage_commit(&q);
	memio_set_no_punch(q.m, true);
	ck_assert_int_eq(qcow2_zero(q.img, 0, 4 << 20), 0);
	qimage_commit(&q);
	qimage_reopen(&q);
	for (unsigned i = 0; i < 20; i++) /* past what was free before */
		ck_assert_int_eq(qimage_write(&q, (uint64_t)i << 16, 'x', 1 << 16), 0);
	ck_assert_int_eq(qimage_write(&q, UINT64_C(600) << 20, 'n', 512), 0);
	qimage_reopen(&q);
	qimage_expect(&q, UINT64_C(600) << 20, 512, 'n');
	qimage_expect(&q, UINT64_C(700) << 20, 1 << 20, 0);
	qimage_check(&q);
	qimage_free(&q);
}
END_TEST

START_TEST(references_that_go)
{
	l2_create(false);
	l2_let_go(q.img, (struct l2_entry){ 0, 0 });
	l2_let_go(q.img, (struct l2_entry){ QCOW2_ZERO, 0 });
	ck_assert_uint_eq(q.img->let_go.nr, 0);
	l2_let_go(q.img, (struct l2_entry){ QCOW2_COPIED | HOST, 0 });
	l2_let_go(q.img, (struct l2_entry){ HOST + 4096, 0 });
	ck_assert_uint_eq(q.img->let_go.nr, 1); /* neighbours are one run */
	ck_assert_uint_eq(q.img->let_go.run[0].start, HOST >> 12);
	ck_assert_uint_eq(q.img->let_go.run[0].count, 2);
	/* compressed data counts for each cluster that it touches; x = 62 - (12 - 8) = 58 */
	l2_let_go(q.img, (struct l2_entry){ QCOW2_COMPRESSED | UINT64_C(1) << 58 | 0x40f00, 0 });
	ck_assert_uint_eq(q.img->let_go.nr, 2);
	ck_assert_uint_eq(q.img->let_go.run[1].start, 0x40);
	ck_assert_uint_eq(q.img->let_go.run[1].count, 2);
	qimage_free(&q);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(standard_entries),
		CHECK_TEST(known_until_a_table_changes),
		CHECK_TEST(extended_entries),
		CHECK_TEST(table_is_made_for_writing_only),
		CHECK_LOOP(damaged_l1_entry_is_an_error, 5),
		CHECK_TEST(shared_table_is_copied),
		CHECK_TEST(new_table_holds_nothing_of_before),
		CHECK_TEST(references_that_go),
	};

	return check_main("qcow2/l2", tests, ARRAY_SIZE(tests));
}
