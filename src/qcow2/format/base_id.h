/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an overlay remembers of its zoned base: a header extension of zqfs's own, which other
 * programs skip. An overlay whose base is another than it was is refused, as it would show a disk
 * that never was. FORMAT section "Overlays".
 */
#ifndef ZQ_QCOW2_FORMAT_BASE_ID_H
#define ZQ_QCOW2_FORMAT_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>

#include <zqfs/error.h>
#include <zqfs/geometry.h>

#define BASE_ID_BYTES  72u
#define BASE_ID_COMMIT 64u /* where "commit" lies in them */

struct qcow2_base_id {
	bool present;
	struct zq_geometry geo; /* size, zone_size, zone_capacity, nr_zones, nr_conv alone */
	uint64_t pointers;	/* base_id_hash() over all zones */
	uint64_t identity;	/* the base's, or 0: it has none */
	uint64_t tables;	/* base_id_hash() over the length of its file and its L1 table */
	uint64_t commit;	/* the identity that a base gets into which this overlay is being
				 * written down; 0: it is not */
	uint64_t at;		/* of the data in the overlay's file; 0: not read from one */
};

#define BASE_ID_HASH_START UINT64_C(0xcbf29ce484222325)

/* Takes one number more into a hash. Of a zone: bytes that are written, from its start, at most
 * its capacity, so that the hash does not depend on the layout of the pointers. */
static inline uint64_t base_id_hash(uint64_t hash, uint64_t number)
{
	for (int i = 0; i < 8; i++)
		hash = (hash ^ (number >> (8 * i) & 0xff)) * UINT64_C(0x100000001b3);
	return hash;
}

/* Parses the extension's data. -EINVAL for another length or version. */
int base_id_parse(const uint8_t *data, uint32_t len, struct qcow2_base_id *id,
		  struct zq_error *err);
/* Writes BASE_ID_BYTES bytes. */
void base_id_encode(const struct qcow2_base_id *id, uint8_t *data);

/* Is now what the overlay remembers, or what a commit of the overlay has made of it? -ESTALE
 * with a clause that says what differs. */
int base_id_compare(const struct qcow2_base_id *remembered, const struct qcow2_base_id *now,
		    struct zq_error *err);

#endif
