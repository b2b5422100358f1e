/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks any qcow2 image, zoned or not, so that the check can be held against qemu-img's on
 * plain images, which zqfs itself does not open.
 *
 *     qcheck none|leaks|all|rebuild IMAGE
 *
 * Exit status as "zqfs check": 0 clean, 1 failed, 2 corruption left, 3 only leaks left.
 */
#include <stdio.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/check/check.h"
#include "qcow2/tables/header_read.h"

static void qcheck_found(void *data, enum zq_finding_kind kind, bool fixed, const char *line)
{
	static const char *const name[] = { "note", "leak", "corruption" };

	(void)data;
	printf("%s%s: %s\n", fixed ? "fixed " : "", name[kind], line);
}

static int report(const struct zq_check_result *r)
{
	printf("corruptions %llu fixed %llu leaks %llu fixed %llu allocated %llu of %llu "
	       "compressed %llu end %llu\n",
	       (unsigned long long)r->corruptions, (unsigned long long)r->corruptions_fixed,
	       (unsigned long long)r->leaks, (unsigned long long)r->leaks_fixed,
	       (unsigned long long)r->allocated_clusters, (unsigned long long)r->total_clusters,
	       (unsigned long long)r->compressed_clusters, (unsigned long long)r->image_end);
	if (r->corruptions > r->corruptions_fixed)
		return 2;
	return r->leaks > r->leaks_fixed ? 3 : 0;
}

int main(int argc, char **argv)
{
	struct zq_check_opts opts = { .found = qcheck_found };
	struct zq_check_result res = { 0 };
	struct zq_error err = { "" };
	struct qcow2_header hdr;
	struct zq_io *io;
	bool opened;
	int ret;

	if (argc != 3) {
		fprintf(stderr, "usage: qcheck none|leaks|all|rebuild IMAGE\n");
		return 1;
	}
	if (!strcmp(argv[1], "leaks"))
		opts.repair = ZQ_REPAIR_LEAKS;
	if (!strcmp(argv[1], "all"))
		opts.repair = ZQ_REPAIR_ALL;
	ret = zq_io_open(argv[2], strcmp(argv[1], "none") != 0, &io, &err);
	if (!ret) {
		if (qcow2_header_read(io, HEADER_ZONED, &hdr, &err))
			ret = qcow2_header_read(io, HEADER_PLAIN, &hdr, &err);
		opened = !ret;
		if (!ret && !strcmp(argv[1], "rebuild"))
			ret = check_rebuild_refcounts(io, &hdr, &err);
		else if (!ret)
			ret = qcow2_check(io, &hdr, &opts, &res, &err);
		if (!ret)
			ret = report(&res);
		if (opened)
			qcow2_header_free(&hdr);
		io_close(io);
	}
	if (ret < 0) {
		fprintf(stderr, "qcheck: %s\n", err.msg);
		return 1;
	}
	return ret;
}
