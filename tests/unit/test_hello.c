/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The answer to INIT gets only what the kernel offers.
 */
#include <linux/fuse.h>
#include <string.h>
#include <unistd.h>

#include "check_main.h"

#include "fs/hello.c" // NOLINT(bugprone-suspicious-include)
#include "fs/rings_kernel.h"

#define BIT(n) (UINT64_C(1) << (n))

struct talk {
	struct {
		struct fuse_in_header head;
		struct fuse_init_in in;
	} request;
	struct fuse_out_header head;
	struct fuse_init_out out;
	struct iovec iov[2];
};

static void talk_begin(struct talk *t, uint64_t offer)
{
	memset(t, 0, sizeof(*t));
	t->request.in.flags = (uint32_t)offer;
	t->request.in.flags2 = (uint32_t)(offer >> 32);
	t->out.flags = 1;
	t->iov[0] = (struct iovec){ &t->head, sizeof(t->head) };
	t->iov[1] = (struct iovec){ &t->out, sizeof(t->out) };
}

static void talk_end(struct talk *t, uint64_t flags)
{
	hello_complete(&t->request, sizeof(t->request), t->iov, 2, flags);
}

START_TEST(only_what_is_offered)
{
	struct talk t;

	talk_begin(&t, BIT(28) | BIT(27));
	talk_end(&t, BIT(28) | BIT(26));
	ck_assert_uint_eq(t.out.flags, 1 | BIT(28));
	ck_assert_uint_eq(t.out.flags2, 0);
}
END_TEST

START_TEST(the_upper_half)
{
	struct talk t;

	talk_begin(&t, BIT(30) | BIT(36));
	talk_end(&t, BIT(36) | BIT(41));
	ck_assert_uint_eq(t.out.flags, 1 | BIT(30));
	ck_assert_uint_eq(t.out.flags2, BIT(4));
	/* a kernel that does not know the upper half has something else there */
	talk_begin(&t, BIT(36));
	talk_end(&t, BIT(36));
	ck_assert_uint_eq(t.out.flags, 1);
	ck_assert_uint_eq(t.out.flags2, 0);
}
END_TEST

static uint64_t talk_of_rings(struct talk *t, uint64_t offer)
{
	talk_begin(t, offer);
	return hello_complete(&t->request, sizeof(t->request), t->iov, 2, RINGS_HELLO | BIT(28));
}

/* Before Linux 6.14, or where root has not let mounts use io_uring. */
START_TEST(rings_where_they_are_offered)
{
	struct talk t;

	ck_assert(talk_of_rings(&t, BIT(30) | BIT(28) | RINGS_HELLO) & RINGS_HELLO);
	ck_assert_uint_eq(t.out.flags2, (uint32_t)(RINGS_HELLO >> 32));
	ck_assert_uint_eq(talk_of_rings(&t, BIT(30) | BIT(28)), BIT(28));
	ck_assert_uint_eq(t.out.flags2, 0);
	/* of a kernel that does not know the upper half, and of a libfuse that does not */
	ck_assert_uint_eq(talk_of_rings(&t, BIT(28) | RINGS_HELLO), BIT(28));
	talk_begin(&t, BIT(30) | RINGS_HELLO);
	t.iov[1].iov_len = offsetof(struct fuse_init_out, flags2);
	ck_assert_uint_eq(hello_complete(&t.request, sizeof(t.request), t.iov, 2, RINGS_HELLO), 0);
}
END_TEST

START_TEST(other_forms_stay)
{
	struct talk t;

	talk_begin(&t, BIT(28));
	t.head.error = -71;
	talk_end(&t, BIT(28));
	ck_assert_uint_eq(t.out.flags, 1);
	/* answers and requests of old kernels are shorter */
	talk_begin(&t, BIT(28) | BIT(30) | BIT(36));
	t.iov[1].iov_len = 24;
	talk_end(&t, BIT(28) | BIT(36));
	ck_assert_uint_eq(t.out.flags, 1 | BIT(28));
	ck_assert_uint_eq(t.out.flags2, 0);
	t.iov[1].iov_len = 8;
	talk_end(&t, BIT(30));
	ck_assert_uint_eq(t.out.flags, 1 | BIT(28));
	talk_begin(&t, BIT(28));
	hello_complete(&t.request, sizeof(t.request.head) + 8, t.iov, 2, BIT(28));
	ck_assert_uint_eq(t.out.flags, 1);
	hello_complete(&t.request, 8, t.iov, 2, BIT(28));
	ck_assert_uint_eq(t.out.flags, 1);
}
END_TEST

/* The answer says how much data may come with a request, and older ones say it with less. */
START_TEST(room_of_a_request)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct talk t;

	talk_begin(&t, 0);
	t.out.max_write = 1 << 20;
	t.out.max_pages = 512;
	ck_assert_uint_eq(hello_room(t.iov, 2), 1 << 20);
	t.out.flags |= FUSE_MAX_PAGES;
	ck_assert_uint_eq(hello_room(t.iov, 2), 512 * page);
	t.out.flags = t.out.max_write = 0;
	ck_assert_uint_eq(hello_room(t.iov, 2), 32 * page);
	t.iov[1].iov_len = 8;
	ck_assert_uint_eq(hello_room(t.iov, 2), FUSE_MIN_READ_BUFFER);
}
END_TEST

START_TEST(several_writers)
{
	struct fuse_out_header head = { .len = sizeof(head) };
	struct fuse_open_out out = { .open_flags = FOPEN_KEEP_CACHE };
	struct iovec iov[2] = { { &head, sizeof(head) }, { &out, sizeof(out) } };

	hello_complete_open(iov, 2);
	ck_assert_uint_eq(out.open_flags, FOPEN_KEEP_CACHE);
	out.open_flags = FOPEN_DIRECT_IO;
	hello_complete_open(iov, 1);
	head.error = -1;
	hello_complete_open(iov, 2);
	ck_assert_uint_eq(out.open_flags, FOPEN_DIRECT_IO);
	head.error = 0;
	hello_complete_open(iov, 2);
	ck_assert_uint_eq(out.open_flags, FOPEN_DIRECT_IO | BIT(6));
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(only_what_is_offered),
		CHECK_TEST(the_upper_half),
		CHECK_TEST(rings_where_they_are_offered),
		CHECK_TEST(other_forms_stay),
		CHECK_TEST(room_of_a_request),
		CHECK_TEST(several_writers),
	};

	return check_main("fs/hello", tests, ARRAY_SIZE(tests));
}
