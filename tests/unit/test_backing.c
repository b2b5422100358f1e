/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The backing chain on real files: names, formats, chains, loops, ends.
 */
#include "check_main.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/io.h"
#include "qcow2/engine/backing.h"
#include "qcow2/engine/image.h"
#include "util/bytes.h"

#define SIZE 0x100000u

static char dir[64];
static struct zq_error err;

static void backing_setup(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%.40s/zqfs-back.XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	err.msg[0] = '\0';
}

static const char *backing_path_of(const char *name)
{
	static char path[4][128];
	static unsigned turn;
	char *p = path[turn++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void backing_teardown(void)
{
	ck_assert_int_eq(nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void make_raw(const char *name, uint64_t size, uint64_t data_at)
{
	struct zq_io *io;

	ck_assert_int_eq(zq_io_create(backing_path_of(name), &io, &err), 0);
	ck_assert_int_eq(io_truncate(io, size), 0);
	ck_assert_int_eq(io_write(io, "raw data", 8, data_at), 0);
	io_close(io);
}

/* A plain qcow2 image of 64 KiB clusters; with mark, its first cluster holds it. */
static void make_qcow2(const char *name, const char *backing, const char *format, const char *mark)
{
	struct qcow2_header h = { .version = 3,
				  .cluster_bits = 16,
				  .size = SIZE,
				  .l1_size = 1,
				  .l1_offset = 0x30000,
				  .reftable_offset = 0x10000,
				  .reftable_clusters = 1,
				  .refcount_order = 4,
				  .header_length = 112,
				  .backing_file = (char *)backing,
				  .backing_format = (char *)format };
	uint8_t *c = malloc(65536), word[8];
	struct zq_io *io;

	unlink(backing_path_of(name));
	ck_assert_int_eq(zq_io_create(backing_path_of(name), &io, &err), 0);
	ck_assert_int_eq(qcow2_header_encode(&h, c, &err), 0);
	ck_assert_int_eq(io_write(io, c, 65536, 0), 0);
	put_be64(word, 0x20000);
	ck_assert_int_eq(io_write(io, word, 8, 0x10000), 0);
	memset(c, 0, 65536);
	for (unsigned i = 0; i < 6; i++)
		put_be16(c + 2 * i, 1);
	ck_assert_int_eq(io_write(io, c, 65536, 0x20000), 0);
	ck_assert_int_eq(io_truncate(io, 0x60000), 0);
	if (mark) {
		put_be64(word, 0x40000 | QCOW2_COPIED);
		ck_assert_int_eq(io_write(io, word, 8, 0x30000), 0);
		put_be64(word, 0x50000 | QCOW2_COPIED);
		ck_assert_int_eq(io_write(io, word, 8, 0x40000), 0);
		ck_assert_int_eq(io_write(io, mark, strlen(mark) + 1, 0x50000), 0);
	}
	io_close(io);
	free(c);
}

static int backing_open_image(const char *name, enum zq_lock lock, struct qcow2_image **img)
{
	struct qcow2_open_opts opts = { .lock = lock };
	struct zq_io *io;
	int ret = zq_io_open(backing_path_of(name), false, &io, &err);

	ck_assert_msg(ret == 0, "%s", err.msg);
	return qcow2_open(io, &opts, img, &err);
}

static void assert_refused(const char *name, int code, const char *text)
{
	struct qcow2_image *img;
	int ret = backing_open_image(name, ZQ_LOCK_READ, &img);

	ck_assert_msg(ret == code, "%s: %d: %s", name, ret, err.msg);
	ck_assert_msg(strstr(err.msg, text), "no '%s' in: %s", text, err.msg);
	ck_assert_msg(strstr(err.msg, backing_path_of(name)), "does not name the image: %s",
		      err.msg);
}

START_TEST(raw_file)
{
	uint8_t buf[64];
	struct qcow2_image *img;
	bool data;
	uint64_t run;

	backing_setup();
	make_raw("base.raw", 0x80000, 0x70000);
	make_qcow2("top", "base.raw", "raw", "top");
	ck_assert_msg(backing_open_image("top", ZQ_LOCK_READ, &img) == 0, "%s", err.msg);
	ck_assert_int_eq(qcow2_read(img, 0, buf, 4), 0);
	ck_assert_str_eq((char *)buf, "top");
	ck_assert_int_eq(qcow2_read(img, 0x70000, buf, 8), 0);
	ck_assert_int_eq(memcmp(buf, "raw data", 8), 0);
	/* over the end of the file, and behind it */
	memset(buf, 0xff, sizeof(buf));
	ck_assert_int_eq(qcow2_read(img, 0x80000 - 8, buf, 64), 0);
	for (unsigned i = 0; i < 64; i++)
		ck_assert_int_eq(buf[i], 0);
	memset(buf, 0xff, sizeof(buf));
	ck_assert_int_eq(backing_read(img->backing, UINT64_MAX - 100, buf, 64), 0);
	ck_assert_int_eq(buf[63], 0);
	ck_assert_int_eq(backing_status(img->backing, 0x80000, 100, &data, &run), 0);
	ck_assert(!data && run == 100);
	ck_assert_int_eq(backing_status(img->backing, 0x70000, 0x90000, &data, &run), 0);
	ck_assert(data && run >= 512 && run <= 0x10000);
	ck_assert_int_eq(backing_status(img->backing, 0, 0x90000, &data, &run), 0);
	ck_assert(run >= 1 && run <= 0x80000);
	qcow2_close(img);
	backing_teardown();
}
END_TEST

START_TEST(chain)
{
	struct qcow2_image *img;
	char buf[8];
	bool data;
	uint64_t run;

	backing_setup();
	make_qcow2("bottom", NULL, NULL, "bottom");
	make_qcow2("middle", "file:bottom", "qcow2", NULL);
	make_qcow2("top", backing_path_of("middle"), "qcow2", NULL);
	ck_assert_msg(backing_open_image("top", ZQ_LOCK_READ, &img) == 0, "%s", err.msg);
	ck_assert_int_eq(qcow2_read(img, 0, buf, 8), 0);
	ck_assert_str_eq(buf, "bottom");
	qcow2_close(img);
	ck_assert_msg(backing_open_image("middle", ZQ_LOCK_READ, &img) == 0, "%s", err.msg);
	ck_assert_int_eq(backing_status(img->backing, 0, SIZE, &data, &run), 0);
	ck_assert(data && run == 0x10000);
	ck_assert_int_eq(backing_status(img->backing, 0x10000, SIZE, &data, &run), 0);
	ck_assert(!data && run == SIZE - 0x10000);
	qcow2_close(img);
	backing_teardown();
}
END_TEST

/* Without a format the magic decides. */
START_TEST(probed)
{
	struct qcow2_image *img;
	char buf[8];

	backing_setup();
	make_qcow2("base", NULL, NULL, "base");
	make_qcow2("top", "base", NULL, NULL);
	ck_assert_int_eq(backing_open_image("top", ZQ_LOCK_READ, &img), 0);
	ck_assert_int_eq(qcow2_read(img, 0, buf, 8), 0);
	ck_assert_str_eq(buf, "base");
	qcow2_close(img);
	/* told to be raw, it is what its bytes are */
	make_qcow2("top", "base", "raw", NULL);
	ck_assert_int_eq(backing_open_image("top", ZQ_LOCK_READ, &img), 0);
	ck_assert_int_eq(qcow2_read(img, 0, buf, 8), 0);
	ck_assert_int_eq(memcmp(buf, "QFI\xfb", 4), 0);
	qcow2_close(img);
	backing_teardown();
}
END_TEST

START_TEST(refused)
{
	backing_setup();
	make_raw("base.raw", 4096, 0);
	make_qcow2("top", "missing", "raw", NULL);
	assert_refused("top", -ENOENT, "missing");
	make_qcow2("top", "base.raw", "vmdk", NULL);
	assert_refused("top", -ENOTSUP, "format 'vmdk'");
	make_qcow2("top", "nbd://host/export", "raw", NULL);
	assert_refused("top", -ENOTSUP, "protocol 'nbd'");
	make_qcow2("top", "json:{\"driver\":\"null-co\"}", "raw", NULL);
	assert_refused("top", -ENOTSUP, "protocol 'json'");
	make_qcow2("top", "file:", "raw", NULL);
	assert_refused("top", -EINVAL, "the name is empty");
	make_qcow2("top", "base.raw", "qcow2", NULL);
	assert_refused("top", -EMEDIUMTYPE, "base.raw");
	make_qcow2("top", ".", "raw", NULL);
	assert_refused("top", -EISDIR, "backing file");
	backing_teardown();
}
END_TEST

START_TEST(loops)
{
	backing_setup();
	make_qcow2("self", "self", "qcow2", NULL);
	assert_refused("self", -ELOOP, "loops");
	make_qcow2("a", "b", "qcow2", NULL);
	make_qcow2("b", "c", "qcow2", NULL);
	make_qcow2("c", "./a", "qcow2", NULL);
	assert_refused("a", -ELOOP, "the chain of backing files loops");
	ck_assert_int_eq(symlink("l", backing_path_of("link")), 0);
	make_qcow2("l", "link", NULL, NULL);
	assert_refused("l", -ELOOP, "loops");
	backing_teardown();
}
END_TEST

START_TEST(depth)
{
	struct qcow2_image *img;
	char name[16], below[16], buf[8];

	backing_setup();
	make_qcow2("i0", NULL, NULL, "deep");
	for (unsigned i = 1; i <= QCOW2_MAX_CHAIN + 1; i++) {
		snprintf(name, sizeof(name), "i%u", i);
		snprintf(below, sizeof(below), "i%u", i - 1);
		make_qcow2(name, below, "qcow2", NULL);
	}
	snprintf(name, sizeof(name), "i%u", QCOW2_MAX_CHAIN);
	ck_assert_msg(backing_open_image(name, ZQ_LOCK_READ, &img) == 0, "%s", err.msg);
	ck_assert_int_eq(qcow2_read(img, 0, buf, 8), 0);
	ck_assert_str_eq(buf, "deep");
	qcow2_close(img);
	snprintf(name, sizeof(name), "i%u", QCOW2_MAX_CHAIN + 1);
	assert_refused(name, -ELOOP, "deeper than 64");
	backing_teardown();
}
END_TEST

/* A backing file is locked for reading: nobody may write to it, unless the opener shares. */
START_TEST(locks)
{
	struct qcow2_image *img;
	struct zq_io *io;

	backing_setup();
	make_raw("base.raw", SIZE, 0);
	make_qcow2("top", "base.raw", "raw", NULL);
	ck_assert_int_eq(zq_io_open(backing_path_of("base.raw"), true, &io, &err), 0);
	ck_assert_int_eq(backing_open_image("top", ZQ_LOCK_READ, &img), 0);
	ck_assert_int_eq(io_lock(io, ZQ_LOCK_WRITE), -EAGAIN);
	qcow2_close(img);
	ck_assert_int_eq(io_lock(io, ZQ_LOCK_WRITE), 0);
	assert_refused("top", -EAGAIN, "in use by another process");
	ck_assert_int_eq(backing_open_image("top", ZQ_LOCK_SHARED, &img), 0);
	qcow2_close(img);
	io_close(io);
	backing_teardown();
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(raw_file), CHECK_TEST(chain), CHECK_TEST(probed), CHECK_TEST(refused),
		CHECK_TEST(loops),    CHECK_TEST(depth), CHECK_TEST(locks),
	};

	return check_main("qcow2/backing", tests, ARRAY_SIZE(tests));
}
