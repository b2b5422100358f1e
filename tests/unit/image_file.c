/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "image_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/check/check.h"
#include "qcow2/format/format.h"
#include "qcow2/tables/header_read.h"

struct qcow2_create_params image_params(void)
{
	return (struct qcow2_create_params){
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

struct qcow2_create_params image_params_header(void)
{
	struct qcow2_create_params p = image_params();

	p.geo = (struct zq_geometry){
		.size = UINT64_C(10) << 20,
		.zone_size = UINT64_C(1) << 20,
		.zone_capacity = UINT64_C(768) << 10,
		.nr_zones = 10,
		.nr_conv = 2,
		.max_open = 3,
		.max_active = 5,
		.max_append = 65536,
	};
	p.cluster_bits = 16;
	return p;
}

struct memio *image_file_make(const struct qcow2_create_params *params, const char *name,
			      struct memio **data)
{
	struct qcow2_create_params p = *params;
	struct memio *m = memio_new(), *second = memio_new();
	struct zq_io *io = memio_open(m, name, true), *data_io = memio_open(second, "data", true);
	struct zq_error err = { "" };

	if (p.data_file && !p.data_io)
		p.data_io = data_io;
	if (qcow2_create(io, &p, &err)) {
		fprintf(stderr, "image_file: %s\n", err.msg);
		abort();
	}
	io_close(io);
	io_close(data_io);
	if (data)
		*data = second;
	else
		memio_free(second);
	return m;
}

int image_file_header(struct memio *m, const char *name, bool zoned, struct qcow2_header *h,
		      struct zq_error *err)
{
	struct zq_io *io = memio_open(m, name, false);
	int rc = qcow2_header_read(io, zoned ? HEADER_ZONED : HEADER_PLAIN, h, err);

	io_close(io);
	return rc;
}

static void image_finding(void *data, enum zq_finding_kind kind, bool fixed, const char *line)
{
	static const char *const name[] = { "note", "leak", "corruption" };
	struct image_findings *f = data;
	size_t len = strlen(f->lines);

	snprintf(f->lines + len, sizeof(f->lines) - len, "%s%s: %s\n", name[kind],
		 fixed ? " fixed" : "", line);
}

int image_file_check(struct memio *m, const char *name, enum zq_repair repair,
		     struct image_findings *f, struct zq_error *err)
{
	struct zq_check_opts opts = { .repair = repair, .found = image_finding, .data = f };
	struct zq_io *io = memio_open(m, name, repair != ZQ_REPAIR_NONE);
	struct qcow2_header hdr;
	int rc = qcow2_header_read(io, HEADER_ZONED, &hdr, err);

	f->lines[0] = '\0';
	if (!rc) {
		rc = qcow2_check(io, &hdr, &opts, &f->res, err);
		qcow2_header_free(&hdr);
	}
	io_close(io);
	return rc;
}

/* ---- fields -------------------------------------------------------------------------------- */

uint64_t image_get(struct memio *m, uint64_t off, unsigned bytes)
{
	uint8_t b[8];
	uint64_t value = 0;

	memio_peek(m, off, b, bytes);
	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | b[i];
	return value;
}

void image_put(struct memio *m, uint64_t off, unsigned bytes, uint64_t value)
{
	uint8_t b[8];

	for (unsigned i = 0; i < bytes; i++)
		b[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
	memio_poke(m, off, b, bytes);
}

uint64_t image_cluster(struct memio *m)
{
	return UINT64_C(1) << image_get(m, QCOW2_H_CLUSTER_BITS, 4);
}

uint64_t image_l2_place(struct memio *m, uint64_t guest)
{
	uint64_t size = image_get(m, QCOW2_H_INCOMPAT, 8) & QCOW2_INCOMPAT_EXTL2 ? 16 : 8;
	uint64_t per_table = image_cluster(m) / size, cluster = guest / image_cluster(m);
	uint64_t l1 = image_get(m, QCOW2_H_L1_OFFSET, 8);
	uint64_t table = image_get(m, l1 + cluster / per_table * 8, 8) & QCOW2_OFFSET_MASK;

	return table ? table + cluster % per_table * size : 0;
}

uint64_t image_count_place(struct memio *m, uint64_t cluster)
{
	uint64_t bytes = image_cluster(m), per_block = bytes / 2, nr = cluster / per_block;
	uint64_t table = image_get(m, QCOW2_H_REFTABLE_OFFSET, 8), block;

	if (nr >= image_get(m, QCOW2_H_REFTABLE_CLUSTERS, 4) * bytes / 8)
		return 0;
	block = image_get(m, table + nr * 8, 8);
	return block ? block + cluster % per_block * 2 : 0;
}
