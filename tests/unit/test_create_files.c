/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zq_create on real files: names, what is there already, what is left after a failure; and
 * the options as text. Each test works in a folder of its own.
 */
#include "check_main.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zqfs/create.h>
#include <zqfs/info.h>
#include <zqfs/io.h>

#include "io/io.h"
#include "offline/new_file.h"

static char dir[64];

static void create_files_setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/zqfs-create-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
}

/* Number of entries, hidden ones included. */
static unsigned entries(void)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	ck_assert_ptr_nonnull(d);
	for (struct dirent *e; (e = readdir(d));)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return n;
}

static void create_files_teardown(void)
{
	DIR *d = opendir(dir);

	for (struct dirent *e; d && (e = readdir(d));)
		unlink(e->d_name);
	if (d)
		closedir(d);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}

/* "key=value key=value ..." into *o. */
static void create_files_set(struct zq_create_opts *o, const char *list)
{
	char copy[512], *save = NULL;
	struct zq_error err = { "" };

	snprintf(copy, sizeof(copy), "%s", list);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		char *eq = strchr(w, '=');

		*eq = '\0';
		ck_assert_msg(zq_create_set(o, w, eq + 1, &err) == 0, "%s", err.msg);
	}
}

static int create_files_create(const char *path, uint64_t size, bool force, const char *list,
			       struct zq_error *err)
{
	struct zq_create_opts o = { .size = size, .force = force };
	int ret;

	err->msg[0] = '\0';
	create_files_set(&o, list);
	ret = zq_create(path, &o, err);
	zq_create_opts_free(&o);
	return ret;
}

#define CREATE_OK(path, size, force, list)                                                         \
	do {                                                                                       \
		struct zq_error e_;                                                                \
                                                                                                   \
		ck_assert_msg(create_files_create(path, size, force, list, &e_) == 0, "%s",        \
			      e_.msg);                                                             \
	} while (0)

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static bool file_is(const char *path, const char *text)
{
	char buf[256] = "";
	FILE *f = fopen(path, "r");

	if (!f)
		return false;
	buf[fread(buf, 1, sizeof(buf) - 1, f)] = '\0';
	fclose(f);
	return !strcmp(buf, text);
}

START_TEST(defaults)
{
	struct zq_image_info *i;
	struct zq_error err = { "" };
	struct stat st;

	umask(022);
	CREATE_OK("a.qcow2", UINT64_C(1) << 30, false, "");
	ck_assert_uint_eq(entries(), 1);
	ck_assert_int_eq(stat("a.qcow2", &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0644);
	ck_assert_msg(zq_get_image_info("a.qcow2", NULL, false, &i, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(i->geo.zone_size, 256 << 20);
	ck_assert_uint_eq(i->geo.zone_capacity, 256 << 20);
	ck_assert_uint_eq(i->geo.nr_zones, 4);
	ck_assert_uint_eq(i->geo.max_append, 0);
	ck_assert_uint_eq(i->geo.nr_conv + i->geo.max_open + i->geo.max_active, 0);
	ck_assert_str_eq(i->layout, "44");
	ck_assert(!i->wp_little_endian);
	ck_assert_uint_eq(i->corrupt_zones, 0);
	ck_assert_uint_eq(i->cluster_size, 65536);
	ck_assert_uint_eq(i->refcount_bits, 16);
	ck_assert_str_eq(i->compression, "zlib");
	zq_image_info_free(i);
}
END_TEST

START_TEST(all_options)
{
	struct zq_image_info *i;
	struct zq_error err = { "" };

	CREATE_OK("a.qcow2", 10 << 20, false,
		  "zone_size=1M zone_capacity=768K nr_conv_zones=2 max_open_zones=3 "
		  "max_active_zones=4 max_append_sectors=16 zone_model=1 zone.layout=48 "
		  "zone.wp_order=little cluster_size=16K refcount_bits=1 compression_type=zstd "
		  "extended_l2=on lazy_refcounts=on preallocation=metadata data_file=a.data "
		  "data_file_raw=on");
	ck_assert_uint_eq(entries(), 2);
	ck_assert_msg(zq_get_image_info("a.qcow2", NULL, false, &i, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(i->geo.zone_size, 1 << 20);
	ck_assert_uint_eq(i->geo.zone_capacity, 768 << 10);
	ck_assert_uint_eq(i->geo.nr_conv, 2);
	ck_assert_uint_eq(i->geo.max_open, 3);
	ck_assert_uint_eq(i->geo.max_active, 4);
	ck_assert_uint_eq(i->geo.max_append, 8192);
	ck_assert_str_eq(i->layout, "48");
	ck_assert(i->wp_little_endian && i->extended_l2 && i->lazy_refcounts && i->data_file_raw);
	ck_assert_uint_eq(i->cluster_size, 16384);
	ck_assert_uint_eq(i->refcount_bits, 1);
	ck_assert_str_eq(i->compression, "zstd");
	ck_assert_str_eq(i->data_file, "a.data");
	zq_image_info_free(i);
}
END_TEST

/* Below a capacity of 64K the default of max_append_bytes follows it. */
START_TEST(small_capacities)
{
	static const struct {
		const char *list;
		uint32_t append;
	} t[] = {
		{ "zone.size=64K", 65536 - 1024 },
		{ "zone.size=128K zone.capacity=66560", 65536 },
		{ "zone.size=4K", 4096 - 1024 },
		{ "zone.size=4K zone.capacity=2048", 1024 },
		{ "zone.size=4K zone.capacity=1536", 512 },
		{ "zone.size=4K zone.capacity=512", 512 },
	};

	for (size_t n = 0; n < sizeof(t) / sizeof(t[0]); n++) {
		struct zq_image_info *i;
		struct zq_error err = { "" };

		char list[80];

		snprintf(list, sizeof(list), "%s zone.layout=56", t[n].list);
		CREATE_OK("a.qcow2", 1 << 20, true, list);
		ck_assert_int_eq(zq_get_image_info("a.qcow2", NULL, false, &i, &err), 0);
		ck_assert_msg(i->geo.max_append == t[n].append, "%s: %u", t[n].list,
			      i->geo.max_append);
		zq_image_info_free(i);
	}
}
END_TEST

START_TEST(existing_file_stays)
{
	struct zq_error err;

	write_file("a.qcow2", "precious");
	ck_assert_int_eq(create_files_create("a.qcow2", 1 << 20, false, "", &err), -EEXIST);
	ck_assert_str_eq(err.msg, "a.qcow2: the image exists already");
	ck_assert(file_is("a.qcow2", "precious"));
	ck_assert_int_eq(create_files_create("b.qcow2", 1 << 20, false, "data_file=a.qcow2", &err),
			 -EEXIST);
	ck_assert(file_is("a.qcow2", "precious"));
	ck_assert_uint_eq(entries(), 1);
	/* with force too, when something else is wrong */
	ck_assert_int_eq(create_files_create("a.qcow2", 1000, true, "", &err), -EINVAL);
	ck_assert_int_eq(create_files_create("a.qcow2", 1 << 20, true,
					     "backing_file=no backing_fmt=raw", &err),
			 -ENOENT);
	ck_assert_str_eq(err.msg, "a.qcow2: backing file: no: No such file or directory");
	ck_assert(file_is("a.qcow2", "precious"));
	ck_assert_uint_eq(entries(), 1);
}
END_TEST

START_TEST(force_replaces)
{
	struct zq_image_info *i;
	struct zq_error err = { "" };
	struct stat st;

	write_file("a.qcow2", "old");
	write_file("a.data", "old data");
	ck_assert_int_eq(chmod("a.qcow2", 0600), 0);
	ck_assert_int_eq(symlink("a.qcow2", "link"), 0);
	CREATE_OK("link", 1 << 20, true, "zone.size=64K data_file=a.data");
	ck_assert_int_eq(lstat("link", &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	ck_assert_int_eq(stat("a.qcow2", &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(stat("a.data", &st), 0);
	ck_assert_int_eq(st.st_size, 1 << 20);
	ck_assert(file_is("a.data", "")); /* nothing of the old data */
	ck_assert_uint_eq(entries(), 3);
	ck_assert_int_eq(zq_get_image_info("a.qcow2", NULL, false, &i, &err), 0);
	zq_image_info_free(i);
}
END_TEST

START_TEST(file_in_use)
{
	struct zq_error err;
	struct zq_io *io;

	write_file("a.qcow2", "in use");
	write_file("a.data", "in use");
	ck_assert_int_eq(zq_io_open("a.qcow2", false, &io, &err), 0);
	ck_assert_int_eq(io->ops->lock(io, ZQ_LOCK_READ), 0);
	ck_assert_int_eq(create_files_create("a.qcow2", 1 << 20, true, "", &err), -EAGAIN);
	ck_assert_ptr_nonnull(strstr(err.msg, "a.qcow2: the image is in use by another process"));
	io->ops->close(io);
	ck_assert_int_eq(zq_io_open("a.data", false, &io, &err), 0);
	ck_assert_int_eq(io->ops->lock(io, ZQ_LOCK_READ), 0);
	ck_assert_int_eq(create_files_create("a.qcow2", 1 << 20, true, "data_file=a.data", &err),
			 -EAGAIN);
	io->ops->close(io);
	ck_assert(file_is("a.qcow2", "in use"));
	ck_assert(file_is("a.data", "in use"));
	ck_assert_uint_eq(entries(), 2);
}
END_TEST

/* What cannot be written whole is not there at all. */
START_TEST(no_room)
{
	struct rlimit limit = { 1 << 20, 1 << 20 };
	struct zq_error err;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(
		create_files_create("a.qcow2", 4 << 20, false, "preallocation=metadata", &err),
		-EFBIG);
	ck_assert_ptr_nonnull(strstr(err.msg, "a.qcow2: making the image file "));
	ck_assert_int_eq(create_files_create("a.qcow2", 4 << 20, false, "data_file=a.data", &err),
			 -EFBIG);
	ck_assert_ptr_nonnull(strstr(err.msg, "a.qcow2: making the data file 4194304 bytes long"));
	ck_assert_uint_eq(entries(), 0);
}
END_TEST

/* Of two files that belong together the second may fail to get its name. */
START_TEST(retract_gives_the_old_file_back)
{
	struct new_file f;

	write_file("old", "before");
	ck_assert_int_eq(new_file_begin(&f, "old", true, "it", NULL), 0);
	ck_assert_int_eq(io_write(f.io, "after", 5, 0), 0);
	ck_assert_int_eq(new_file_publish(&f, NULL), 0);
	ck_assert(file_is("old", "after"));
	new_file_retract(&f);
	ck_assert(file_is("old", "before"));
	new_file_end(&f);
	ck_assert(file_is("old", "before"));
	ck_assert_uint_eq(entries(), 1);

	ck_assert_int_eq(new_file_begin(&f, "old", true, "it", NULL), 0);
	ck_assert_int_eq(io_write(f.io, "after", 5, 0), 0);
	ck_assert_int_eq(new_file_publish(&f, NULL), 0);
	new_file_end(&f);
	ck_assert(file_is("old", "after"));
	ck_assert_uint_eq(entries(), 1);
}
END_TEST

START_TEST(backing_files)
{
	struct zq_error err;
	struct zq_image_info *i;

	write_file("base.raw", "data");
	CREATE_OK("a.qcow2", 1 << 20, false, "backing_file=base.raw backing_fmt=raw");
	ck_assert_int_eq(zq_get_image_info("a.qcow2", NULL, false, &i, &err), 0);
	ck_assert_str_eq(i->backing_file, "base.raw");
	ck_assert_str_eq(i->backing_fmt, "raw");
	zq_image_info_free(i);
	CREATE_OK("over.qcow2", 1 << 20, false, "backing_file=a.qcow2 backing_fmt=qcow2");
	ck_assert_int_eq(create_files_create("c.qcow2", 2 << 20, false,
					     "backing_file=a.qcow2 backing_fmt=qcow2", &err),
			 -EINVAL);
	ck_assert_str_eq(err.msg, "c.qcow2: backing file: size 2097152 is not that of the zoned "
				  "backing file, 1048576: an overlay has the zones of its base");
	ck_assert_int_eq(create_files_create("b.qcow2", 1 << 20, false,
					     "backing_file=base.raw backing_fmt=qcow2", &err),
			 -EMEDIUMTYPE);
	ck_assert_int_eq(
		create_files_create("b.qcow2", 1 << 20, false, "backing_file=base.raw", &err),
		-EINVAL);
	ck_assert_int_eq(create_files_create("b.qcow2", 1 << 20, false, "backing_fmt=raw", &err),
			 -EINVAL);
	ck_assert_int_eq(create_files_create("base.raw", 1 << 20, true,
					     "backing_file=./base.raw backing_fmt=raw", &err),
			 -ELOOP);
	ck_assert(file_is("base.raw", "data"));
	ck_assert_int_eq(create_files_create("b.qcow2", 1 << 20, false,
					     "backing_file=nbd:localhost backing_fmt=raw", &err),
			 -ENOTSUP);
	ck_assert_int_eq(
		create_files_create("b.qcow2", 1 << 20, false,
				    "backing_file=base.raw backing_fmt=raw preallocation=metadata",
				    &err),
		-EINVAL);
	CREATE_OK("b.qcow2", 1 << 20, false,
		  "backing_file=file:base.raw backing_fmt=raw preallocation=metadata "
		  "extended_l2=on");
	ck_assert_uint_eq(entries(), 4);
}
END_TEST

static const struct {
	uint64_t size;
	const char *list, *msg;
} refused[] = {
	{ 0, "", "a: zoned extension: size 0 holds no zone, at least 512 bytes are needed" },
	{ 1000, "", "a: zoned extension: size 1000 is not a multiple of 512" },
	{ 1 << 20, "zone.size=3M", "a: zoned extension: zone_size 3145728 is not a power of two" },
	{ 1 << 20, "zone.size=2K", "a: zoned extension: zone_size 2048 is smaller than 4096" },
	{ 1 << 20, "zone.size=64K zone.capacity=128K",
	  "a: zoned extension: zone_capacity 131072 is larger than zone_size 65536" },
	{ 1 << 20, "zone.size=64K zone.max_append_bytes=64K",
	  "a: max_append_bytes 65536 is larger than 64512, which a zone_capacity of 65536 allows" },
	{ 1 << 20, "zone.size=64K zone.max_append_bytes=1000",
	  "a: zoned extension: max_append_bytes 1000 is not a multiple of 512" },
	{ UINT64_C(1) << 40, "zone.size=16G zone.max_append_bytes=4G",
	  "a: max_append_bytes 4294967296 is larger than 4294966784" },
	{ UINT64_C(1) << 40, "zone.size=4G zone.layout=48",
	  "a: zone_size 4294967296 does not fit layout 48 (below 4 GiB)" },
	{ 1 << 20, "zone.size=64K zone.conventional_zones=16",
	  "a: zoned extension: conventional_zones 16 is not smaller than nr_zones 16" },
	{ 1 << 20, "cluster_size=256", "a: cluster_size 256 is not a power of two from 512 to 2M" },
	{ 1 << 20, "cluster_size=4M",
	  "a: cluster_size 4194304 is not a power of two from 512 to 2M" },
	{ 1 << 20, "cluster_size=8K extended_l2=on",
	  "a: extended_l2 needs a cluster_size of at least 16K, not 8192" },
	{ 1 << 20, "data_file_raw=on", "a: data_file_raw needs data_file" },
	{ 1 << 20, "data_file=a", "a: data_file a is the image itself" },
	{ 1 << 20, "data_file=d data_file_raw=on backing_file=b backing_fmt=raw",
	  "a: data_file_raw excludes backing_file" },
};

START_TEST(refused_combinations)
{
	struct zq_error err;

	ck_assert_int_lt(create_files_create("a", refused[_i].size, false, refused[_i].list, &err),
			 0);
	ck_assert_str_eq(err.msg, refused[_i].msg);
	ck_assert_uint_eq(entries(), 0);
}
END_TEST

static const struct {
	const char *name, *value, *msg;
} bad_values[] = {
	{ "zone.size", "big", "zone.size=big is not a size (write bytes, or 64K, 10M, 1G)" },
	{ "zone.size", "-1", "zone.size=-1 is not a size (write bytes, or 64K, 10M, 1G)" },
	{ "zone.size", "0", "zone.size=0 is not larger than 0" },
	{ "zone.size", "9E", "zone.size=9E does not fit into 63 bits" },
	{ "zone.max_open_zones", "4294967296",
	  "zone.max_open_zones=4294967296 is larger than 4294967295" },
	{ "zone.max_open_zones", "many", "zone.max_open_zones=many is not a number" },
	{ "max_append_sectors", "8388608", "max_append_sectors=8388608 is larger than 8388607" },
	{ "refcount_bits", "3", "refcount_bits=3 is not one of 1|2|4|8|16|32|64" },
	{ "zone.mode", "host-aware", "zone.mode=host-aware is not one of host-managed|1" },
	{ "zone_model", "2", "zone_model=2 is not one of host-managed|1" },
	{ "zone.layout", "64", "zone.layout=64 is not one of 44, 56, 48, 48b" },
	{ "zone.wp_order", "", "zone.wp_order= is not one of big|little" },
	{ "compression_type", "zst", "compression_type=zst is not one of zlib|zstd" },
	{ "preallocation", "full", "preallocation=full is not one of off|metadata" },
	{ "extended_l2", "yes", "extended_l2=yes is not one of off|on" },
	{ "backing_fmt", "vmdk", "backing_fmt=vmdk is not one of raw|qcow2" },
	{ "data_file", "", "data_file is empty" },
	{ "zone.siz", "1M", "unknown option \"zone.siz\"; did you mean zone.size?" },
	{ "frobnicate", "on", "unknown option \"frobnicate\"" },
};

START_TEST(refused_values)
{
	struct zq_create_opts o = { 0 }, zero = { 0 };
	struct zq_error err = { "" };

	ck_assert_int_eq(zq_create_set(&o, bad_values[_i].name, bad_values[_i].value, &err),
			 -EINVAL);
	ck_assert_str_eq(err.msg, bad_values[_i].msg);
	ck_assert_mem_eq(&o, &zero, sizeof(o));
}
END_TEST

/* Every option of the table can be set, has help, and has its name once. */
START_TEST(table)
{
	const struct zq_create_option *t = zq_create_options();
	unsigned n = 0;

	for (; t[n].name; n++) {
		ck_assert_ptr_nonnull(t[n].value);
		ck_assert_uint_gt(strlen(t[n].help), 0);
		ck_assert_ptr_null(strchr(t[n].help, '\n'));
		for (unsigned k = 0; k < n; k++)
			ck_assert_str_ne(t[k].name, t[n].name);
	}
	ck_assert_uint_eq(n, 31);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_WITH(defaults, create_files_setup, create_files_teardown),
		CHECK_WITH(all_options, create_files_setup, create_files_teardown),
		CHECK_WITH(small_capacities, create_files_setup, create_files_teardown),
		CHECK_WITH(existing_file_stays, create_files_setup, create_files_teardown),
		CHECK_WITH(force_replaces, create_files_setup, create_files_teardown),
		CHECK_WITH(file_in_use, create_files_setup, create_files_teardown),
		CHECK_WITH(retract_gives_the_old_file_back, create_files_setup,
			   create_files_teardown),
		CHECK_WITH(no_room, create_files_setup, create_files_teardown),
		CHECK_WITH(backing_files, create_files_setup, create_files_teardown),
		CHECK_LOOP_WITH(refused_combinations, ARRAY_SIZE(refused), create_files_setup,
				create_files_teardown),
		CHECK_LOOP(refused_values, ARRAY_SIZE(bad_values)),
		CHECK_TEST(table),
	};

	return check_main("create_files", tests, ARRAY_SIZE(tests));
}
