/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The header extensions of an image: a list of typed records behind the header. Works on
 * the first cluster in memory; does no I/O. What is not known is skipped, never changed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2/format/format.h"
#include "qcow2/format/header_parts.h"
#include "util/bytes.h"
#include "util/math.h"

#define EXT_HEAD     8u /* type and length */
#define BITMAPS_LEN  24u
#define MAX_BITMAPS  65535u
#define MAX_NAME_LEN 4095u /* of an external data file: what a path can be */

int header_next_ext(const struct header_area *a, uint64_t *pos, struct header_ext *e)
{
	const uint8_t *head = a->cluster + *pos;

	/* An end marker may be missing when the area is full. */
	if (*pos >= a->end)
		return 0;
	if (!range_within(*pos, EXT_HEAD, a->end)) {
		*e = (struct header_ext){ 0 };
		return -EINVAL;
	}
	*e = (struct header_ext){ get_be32(head), get_be32(head + 4), head + EXT_HEAD };
	*pos += EXT_HEAD;
	if (e->type == QCOW2_EXT_END)
		return 0;
	if (!range_within(*pos, e->len, a->end))
		return -EINVAL;
	*pos += align_up(e->len, 8);
	return 1;
}

/* ---- feature names -------------------------------------------------------------------- */

/* Looks for the name of an incompatible feature bit; name holds 47 bytes. False: none. */
static bool find_name(const struct header_area *a, unsigned bit, char *name)
{
	uint64_t pos = a->start;
	struct header_ext e;

	while (header_next_ext(a, &pos, &e) > 0) {
		if (e.type != QCOW2_EXT_FEATURE_NAMES)
			continue;
		for (uint32_t at = 0; e.len - at >= FEATURE_NAME_BYTES; at += FEATURE_NAME_BYTES) {
			const uint8_t *entry = e.data + at;
			unsigned i;

			if (entry[0] != 0 || entry[1] != bit || !entry[2])
				continue;
			for (i = 0; i < FEATURE_NAME_BYTES - 2 && entry[2 + i]; i++) {
				char c = (char)entry[2 + i];

				name[i] = c;
				if (c < ' ' || c > '~')
					name[i] = '?';
			}
			name[i] = '\0';
			return true;
		}
	}
	return false;
}

int header_check_incompat(const struct qcow2_header *h, const struct header_area *area,
			  struct zq_error *err)
{
	uint64_t unknown = h->incompat & ~QCOW2_INCOMPAT_KNOWN;
	char list[320] = "";
	char name[FEATURE_NAME_BYTES];
	size_t used = 0;

	if (!unknown)
		return 0;
	for (unsigned bit = 0; bit < 64; bit++) {
		int n;

		if (!(unknown >> bit & 1))
			continue;
		if (find_name(area, bit, name))
			n = snprintf(list + used, sizeof(list) - used, "%s%u (\"%s\")",
				     used ? ", " : "", bit, name);
		else
			n = snprintf(list + used, sizeof(list) - used, "%s%u", used ? ", " : "",
				     bit);
		if (n < 0 || (size_t)n >= sizeof(list) - used) {
			snprintf(list + used, sizeof(list) - used, "...");
			break;
		}
		used += (size_t)n;
		/* leaves room for the dots */
		if (used > sizeof(list) - 8)
			break;
	}
	return zq_fail(err, -ENOTSUP, "unknown incompatible feature bit%s %s",
		       is_pow2(unknown) ? "" : "s", list);
}

/* ---- the known extensions ----------------------------------------------------------------- */

static int read_string(const struct header_ext *e, const char *what, uint32_t max, char **out,
		       struct zq_error *err)
{
	if (e->len > max)
		return zq_fail(err, -EINVAL,
			       "%s extension: length %" PRIu32 " is larger than %" PRIu32, what,
			       e->len, max);
	if (memchr(e->data, 0, e->len))
		return zq_fail(err, -EINVAL, "%s extension: the name holds a zero byte", what);
	if (!e->len)
		return 0;
	*out = strndup((const char *)e->data, e->len);
	return *out ? 0 : zq_fail(err, -ENOMEM, "out of memory");
}

/*
 * Bitmaps are not maintained here; the list is only remembered for "info" and "check". While
 * the autoclear bit is not set its content means nothing, and is not judged.
 */
static int read_bitmaps(const struct header_ext *e, struct qcow2_header *h, struct zq_error *err)
{
	bool valid = h->autoclear & QCOW2_AUTOCLEAR_BITMAPS;
	uint64_t offset, size;
	uint32_t nr;

	if (e->len != BITMAPS_LEN)
		return !valid ? 0
			      : zq_fail(err, -EINVAL,
					"bitmaps extension: length %" PRIu32 " is not %u", e->len,
					BITMAPS_LEN);
	nr = get_be32(e->data);
	size = get_be64(e->data + 8);
	offset = get_be64(e->data + 16);
	if (!nr || nr > MAX_BITMAPS)
		return !valid ? 0
			      : zq_fail(err, -EINVAL,
					"bitmaps extension: nb_bitmaps %" PRIu32
					" is not within 1 to %u",
					nr, MAX_BITMAPS);
	if (!offset || !is_aligned(offset, qcow2_header_cluster_size(h)) ||
	    !range_within(offset, size, h->file_size))
		return !valid ? 0
			      : zq_fail(err, -EINVAL,
					"bitmaps extension: bitmap_directory_offset %" PRIu64
					" with bitmap_directory_size %" PRIu64
					" is not cluster aligned within the file, %" PRIu64
					" bytes",
					offset, size, h->file_size);
	h->nb_bitmaps = nr;
	h->bitmap_dir_size = size;
	h->bitmap_dir_offset = offset;
	return 0;
}

static int read_zoned(const struct header_ext *e, struct qcow2_header *h, struct zq_error *err)
{
	if (h->incompat & QCOW2_INCOMPAT_ZONED)
		return qcow2_zoned_ext_parse(e->data, e->len, h, err);
	return zq_fail(err, -EINVAL,
		       "zoned extension: present, but incompatible feature bit 5 (zoned format) is "
		       "not set");
}

/* Each known extension has a bit in *seen, so that a second one is noticed. */
static int read_known(const struct header_ext *e, struct qcow2_header *h, struct zq_error *err)
{
	switch (e->type) {
	case QCOW2_EXT_BACKING_FORMAT:
		return read_string(e, "backing file format", QCOW2_MAX_BACKING_NAME,
				   &h->backing_format, err);
	case QCOW2_EXT_DATA_FILE:
		return read_string(e, "external data file", MAX_NAME_LEN, &h->data_file, err);
	case QCOW2_EXT_BITMAPS:
		return read_bitmaps(e, h, err);
	case QCOW2_EXT_CRYPTO:
		return zq_fail(err, -EINVAL,
			       "encryption header extension with crypt_method 0 (no encryption)");
	case QCOW2_EXT_ZONED:
		return read_zoned(e, h, err);
	case QCOW2_EXT_BASE_ID:
		return base_id_parse(e->data, e->len, &h->base_id, err);
	case QCOW2_EXT_IDENTITY:
		identity_parse(e->data, e->len, &h->identity);
		return 0;
	}
	return 0;
}

/* Where what is changed in place lies in the file. */
static void note_place(struct qcow2_header *h, const struct header_ext *e, uint64_t at)
{
	if (e->type == QCOW2_EXT_BASE_ID)
		h->base_id.at = at;
	if (e->type == QCOW2_EXT_IDENTITY)
		h->identity.at = at;
	if (e->type == QCOW2_EXT_ZONED)
		h->zoned.at = at;
}

static const struct {
	uint32_t type;
	const char *name;
} known[] = {
	{ QCOW2_EXT_BACKING_FORMAT, "backing file format" },
	{ QCOW2_EXT_FEATURE_NAMES, "feature name table" },
	{ QCOW2_EXT_BITMAPS, "bitmaps" },
	{ QCOW2_EXT_CRYPTO, "encryption header" },
	{ QCOW2_EXT_DATA_FILE, "external data file" },
	{ QCOW2_EXT_ZONED, "zoned" },
	{ QCOW2_EXT_BASE_ID, "base" },
	{ QCOW2_EXT_IDENTITY, "identity" },
};

int header_read_extensions(struct qcow2_header *h, const struct header_area *area,
			   struct zq_error *err)
{
	uint64_t pos = area->start, at = pos;
	unsigned seen = 0;
	struct header_ext e;
	int ret;

	while ((ret = header_next_ext(area, &pos, &e)) > 0) {
		at = pos;
		for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
			if (e.type != known[i].type)
				continue;
			if (seen & 1u << i)
				return zq_fail(err, -EINVAL, "%s extension: present twice",
					       known[i].name);
			seen |= 1u << i;
		}
		ret = read_known(&e, h, err);
		if (ret)
			return ret;
		note_place(h, &e, (uint64_t)(e.data - area->cluster));
	}
	h->ext_end = pos;
	if (ret)
		return zq_fail(err, -EINVAL,
			       "header extension 0x%08" PRIx32 " of %" PRIu32 " bytes at %" PRIu64
			       " passes the end of the extensions, %" PRIu64,
			       e.type, e.len, at, area->end);
	return 0;
}
