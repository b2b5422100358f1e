/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small images in memory for the tests of headers. Owns nothing that outlives a call but the
 * memio it returns.
 */
#include <check.h>

#include "header_fixture.h"
#include "io/io.h"
#include "qcow2/tables/header_read.h"

struct qcow2_create_params fixture_params(void)
{
	return (struct qcow2_create_params){
		.geo = {
			.size = UINT64_C(10) << 20,
			.zone_size = UINT64_C(1) << 20,
			.zone_capacity = UINT64_C(768) << 10,
			.nr_zones = 10,
			.nr_conv = 2,
			.max_open = 3,
			.max_active = 5,
			.max_append = 65536,
		},
		.layout = zoned_layout_named("56"),
		.cluster_bits = 16,
		.refcount_order = 4,
	};
}

struct memio *fixture_create(const struct qcow2_create_params *params)
{
	struct qcow2_create_params p = *params;
	struct memio *m = memio_new(), *data = memio_new();
	struct zq_io *io = memio_open(m, "disk.qcow2", true);
	struct zq_io *data_io = memio_open(data, "disk.data", true);
	struct zq_error err = { "" };

	if (p.data_file && !p.data_io)
		p.data_io = data_io;
	ck_assert_msg(qcow2_create(io, &p, &err) == 0, "%s", err.msg);
	io_close(io);
	io_close(data_io);
	memio_free(data);
	return m;
}

int fixture_read(struct memio *m, bool want_zoned, struct qcow2_header *h, struct zq_error *err)
{
	struct zq_io *io = memio_open(m, "disk.qcow2", false);
	int ret = qcow2_header_read(io, want_zoned ? HEADER_ZONED : HEADER_PLAIN, h, err);

	io_close(io);
	return ret;
}

void fixture_poke(struct memio *m, uint64_t off, unsigned bytes, uint64_t value)
{
	uint8_t b[8];

	for (unsigned i = 0; i < bytes; i++)
		b[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
	memio_poke(m, off, b, bytes);
}

uint64_t fixture_peek(struct memio *m, uint64_t off, unsigned bytes)
{
	uint8_t b[8];
	uint64_t value = 0;

	memio_peek(m, off, b, bytes);
	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | b[i];
	return value;
}
