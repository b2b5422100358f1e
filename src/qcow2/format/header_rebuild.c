/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rebuilding the first cluster of an image that exists: the list of extensions is copied record
 * by record, and the records that change are encoded anew. Pure.
 */
#include <errno.h>
#include <string.h>

#include "qcow2/format/format.h"
#include "qcow2/format/header_out.h"
#include "qcow2/format/header_parts.h"
#include "qcow2/format/header_rebuild.h"
#include "util/bytes.h"
#include "util/math.h"

static void append_bytes(struct header_out *r, uint32_t type, const void *data, size_t len)
{
	uint8_t *p = header_out_ext(r, type, (uint32_t)len);

	if (p && len)
		memcpy(p, data, len);
}

static int append_zoned(struct header_out *r, const struct qcow2_zoned_ext *zoned,
			struct zq_error *err)
{
	uint8_t *p = header_out_ext(r, QCOW2_EXT_ZONED, zoned->layout->len);

	return p ? qcow2_zoned_ext_encode(zoned, p, err) : 0;
}

static struct header_area area_of(const uint8_t *cluster, const struct qcow2_header *h)
{
	struct header_area a = { cluster, h->header_length, qcow2_header_cluster_size(h) };

	if (h->backing_offset >= a.start && h->backing_offset < a.end)
		a.end = h->backing_offset;
	return a;
}

/* Is an extension copied as it is? The format of the backing file has been written before. */
static bool stays(const struct qcow2_header *h, uint32_t type, bool feature_names)
{
	if (type == QCOW2_EXT_BASE_ID)
		return h->base_id.present;
	return type == QCOW2_EXT_FEATURE_NAMES ? feature_names : type != QCOW2_EXT_BACKING_FORMAT;
}

/* Records of ours that the old header does not have. */
static void append_new(struct header_out *r, const struct qcow2_header *old,
		       const struct qcow2_header *h)
{
	uint8_t *p = NULL;

	if (h->base_id.present && !old->base_id.present)
		p = header_out_ext(r, QCOW2_EXT_BASE_ID, BASE_ID_BYTES);
	if (p)
		base_id_encode(&h->base_id, p);
	p = NULL;
	if (h->identity.present && !old->identity.present)
		p = header_out_ext(r, QCOW2_EXT_IDENTITY, IDENTITY_BYTES);
	if (p)
		identity_encode(&h->identity, p);
}

static int append_extensions(struct header_out *r, const struct header_area *old,
			     const struct qcow2_header *old_h, const struct qcow2_header *h,
			     bool feature_names, struct zq_error *err)
{
	uint64_t pos = old->start;
	struct header_ext e;
	int ret = 0;

	if (h->backing_format)
		append_bytes(r, QCOW2_EXT_BACKING_FORMAT, h->backing_format,
			     strlen(h->backing_format));
	while (!ret && header_next_ext(old, &pos, &e) > 0) {
		if (e.type == QCOW2_EXT_ZONED)
			ret = append_zoned(r, &h->zoned, err);
		else if (stays(h, e.type, feature_names))
			append_bytes(r, e.type, e.data, e.len);
	}
	append_new(r, old_h, h);
	header_out_ext(r, QCOW2_EXT_END, 0);
	return ret;
}

static void put_changed_fields(const struct qcow2_header *h, uint64_t start, uint64_t backing,
			       uint8_t *b)
{
	put_be64(b + QCOW2_H_BACKING_OFFSET, backing);
	put_be32(b + QCOW2_H_BACKING_SIZE, backing ? (uint32_t)strlen(h->backing_file) : 0);
	put_be64(b + QCOW2_H_SIZE, h->size);
	put_be32(b + QCOW2_H_L1_SIZE, h->l1_size);
	put_be64(b + QCOW2_H_L1_OFFSET, h->l1_offset);
	put_be64(b + QCOW2_H_INCOMPAT, h->incompat);
	put_be64(b + QCOW2_H_COMPAT, h->compat);
	put_be32(b + QCOW2_H_LENGTH, (uint32_t)start);
	if (start > QCOW2_H_COMPRESSION)
		b[QCOW2_H_COMPRESSION] = h->compression_type;
}

struct header_place header_place_of(const uint8_t *cluster, const struct qcow2_header *h)
{
	struct header_place p = { h->header_length, h->ext_end };

	if (h->backing_offset)
		p.end = max_u64(p.end,
				h->backing_offset + get_be32(cluster + QCOW2_H_BACKING_SIZE));
	return p;
}

uint32_t header_fields_length(const struct qcow2_header *h)
{
	uint32_t known = QCOW2_H_COMPRESSION + 8; /* with its padding */

	return h->header_length < known ? known : h->header_length;
}

int header_rebuild(const uint8_t *old, const struct qcow2_header *old_h,
		   const struct qcow2_header *h, bool feature_names, struct header_place *place,
		   uint8_t *out, struct zq_error *err)
{
	struct header_out r = { out, place->start, qcow2_header_cluster_size(old_h), false };
	struct header_area area = area_of(old, old_h);
	uint64_t backing = 0;
	int ret;

	memcpy(out, old, (size_t)r.size);
	/* fields that the old header is too short for are absent, which means 0 */
	if (old_h->header_length < header_fields_length(h))
		memset(out + old_h->header_length, 0,
		       header_fields_length(h) - old_h->header_length);
	ret = append_extensions(&r, &area, old_h, h, feature_names, err);
	if (!ret && h->backing_file) {
		uint8_t *p;

		backing = r.pos;
		p = header_out_room(&r, strlen(h->backing_file));
		if (p)
			memcpy(p, h->backing_file, strlen(h->backing_file));
	}
	if (r.full)
		return -E2BIG;
	put_changed_fields(h, place->start, backing, out);
	place->end = r.pos;
	return ret;
}
