/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first cluster of a new image, as bytes: header, extensions, backing file name.
 * Never used on an existing image, whose header is patched in place. Pure.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "qcow2/format/format.h"
#include "qcow2/format/header_out.h"
#include "qcow2/format/header_parts.h"
#include "util/bytes.h"
#include "util/math.h"

#define NEW_HEADER_LENGTH 112u /* compression_type and its padding included */

static const struct feature_name names[] = {
	{ 0, 0, "dirty bit" },		 { 0, 1, "corrupt bit" },
	{ 0, 2, "external data file" },	 { 0, 3, "compression type" },
	{ 0, 4, "extended L2 entries" }, { 0, 5, "zoned format" },
	{ 1, 0, "lazy refcounts" },	 { 2, 0, "bitmaps" },
	{ 2, 1, "raw external data" },
};

static void add_string(struct header_out *o, uint32_t type, const char *s)
{
	uint8_t *p = s ? header_out_ext(o, type, (uint32_t)strlen(s)) : NULL;

	if (p)
		memcpy(p, s, strlen(s));
}

static void add_feature_names(struct header_out *o)
{
	uint8_t *p =
		header_out_ext(o, QCOW2_EXT_FEATURE_NAMES, ARRAY_SIZE(names) * FEATURE_NAME_BYTES);

	for (size_t i = 0; p && i < ARRAY_SIZE(names); i++, p += FEATURE_NAME_BYTES) {
		p[0] = names[i].type;
		p[1] = names[i].bit;
		memcpy(p + 2, names[i].name, strlen(names[i].name));
	}
}

static void put_fields(const struct qcow2_header *h, uint8_t *b, uint64_t backing_offset)
{
	put_be32(b + QCOW2_H_MAGIC, QCOW2_MAGIC);
	put_be32(b + QCOW2_H_VERSION, 3);
	put_be64(b + QCOW2_H_BACKING_OFFSET, backing_offset);
	put_be32(b + QCOW2_H_BACKING_SIZE, backing_offset ? (uint32_t)strlen(h->backing_file) : 0);
	put_be32(b + QCOW2_H_CLUSTER_BITS, h->cluster_bits);
	put_be64(b + QCOW2_H_SIZE, h->size);
	put_be32(b + QCOW2_H_L1_SIZE, h->l1_size);
	put_be64(b + QCOW2_H_L1_OFFSET, h->l1_offset);
	put_be64(b + QCOW2_H_REFTABLE_OFFSET, h->reftable_offset);
	put_be32(b + QCOW2_H_REFTABLE_CLUSTERS, h->reftable_clusters);
	put_be64(b + QCOW2_H_INCOMPAT, h->incompat);
	put_be64(b + QCOW2_H_COMPAT, h->compat);
	put_be64(b + QCOW2_H_AUTOCLEAR, h->autoclear);
	put_be32(b + QCOW2_H_REFCOUNT_ORDER, h->refcount_order);
	put_be32(b + QCOW2_H_LENGTH, NEW_HEADER_LENGTH);
	b[QCOW2_H_COMPRESSION] = h->compression_type;
}

/* -E2BIG when it does not fit into the cluster, -ERANGE when a size does not fit the layout. */
static int encode(const struct qcow2_header *h, bool with_names, uint8_t *buf, struct zq_error *err)
{
	struct header_out o = { .buf = buf, .size = qcow2_header_cluster_size(h) };
	uint64_t backing_offset = 0;
	uint8_t *p;
	int ret = 0;

	memset(buf, 0, (size_t)o.size);
	o.pos = NEW_HEADER_LENGTH;
	add_string(&o, QCOW2_EXT_BACKING_FORMAT, h->backing_format);
	add_string(&o, QCOW2_EXT_DATA_FILE, h->data_file);
	if (with_names)
		add_feature_names(&o);
	if (h->zoned.present) {
		p = header_out_ext(&o, QCOW2_EXT_ZONED, h->zoned.layout->len);
		if (p)
			ret = qcow2_zoned_ext_encode(&h->zoned, p, err);
	}
	if (h->base_id.present) {
		p = header_out_ext(&o, QCOW2_EXT_BASE_ID, BASE_ID_BYTES);
		if (p)
			base_id_encode(&h->base_id, p);
	}
	if (h->identity.present) {
		p = header_out_ext(&o, QCOW2_EXT_IDENTITY, IDENTITY_BYTES);
		if (p)
			identity_encode(&h->identity, p);
	}
	header_out_ext(&o, QCOW2_EXT_END, 0);
	if (h->backing_file) {
		backing_offset = o.pos;
		p = header_out_room(&o, strlen(h->backing_file));
		if (p)
			memcpy(p, h->backing_file, strlen(h->backing_file));
	}
	put_fields(h, buf, backing_offset);
	return o.full ? -E2BIG : ret;
}

int qcow2_header_encode(const struct qcow2_header *h, uint8_t *buf, struct zq_error *err)
{
	struct qcow2_header bare = *h;
	int ret;

	if (h->backing_file && strlen(h->backing_file) > QCOW2_MAX_BACKING_NAME)
		return zq_fail(err, -E2BIG, "backing_file: %zu bytes are more than %u",
			       strlen(h->backing_file), QCOW2_MAX_BACKING_NAME);
	/* The names are a courtesy: they go when there is no room for them, and then the identity,
	 * without which overlays notice less. */
	ret = encode(h, true, buf, err);
	if (ret == -E2BIG)
		ret = encode(h, false, buf, err);
	if (ret == -E2BIG) {
		bare.identity.present = false;
		bare.autoclear &= ~QCOW2_AUTOCLEAR_IDENTITY;
		ret = encode(&bare, false, buf, err);
	}
	if (ret != -E2BIG)
		return ret;
	return zq_fail(err, -E2BIG,
		       "the header and the names of other files do not fit into a cluster of "
		       "%" PRIu64 " bytes",
		       qcow2_header_cluster_size(h));
}
