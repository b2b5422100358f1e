/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The identity of an image that is changed, and what two images know of each other while the
 * upper one is written down into the lower one. All of it is words of the header, each
 * written within 8 bytes, so that none is ever torn.
 */
#include <errno.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/engine/backing.h"
#include "qcow2/engine/change.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/identity.h"
#include "util/bytes.h"

static int identity_put(struct qcow2_image *img)
{
	uint8_t data[IDENTITY_BYTES];

	identity_encode(&img->hdr.identity, data);
	return image_write_meta(img, data, sizeof(data), img->hdr.identity.at);
}

int identity_renew(struct qcow2_image *img)
{
	int rc;

	if (!img->hdr.identity.present)
		return 0;
	img->hdr.identity.id = img->next_identity;
	rc = identity_put(img);
	/* before the bit, which may be clear, makes an older one valid again */
	return rc ? rc : io_flush(img->file);
}

void qcow2_tell_base(struct qcow2_image *base, struct qcow2_base_id *id)
{
	const struct zq_geometry *g = &qcow2_zoned(base)->geo;

	*id = (struct qcow2_base_id){
		.present = true,
		.geo = *g,
		.pointers = BASE_ID_HASH_START,
		.identity = qcow2_header_identity(&base->hdr),
		.tables = base_id_hash(BASE_ID_HASH_START, base->hdr.file_size),
	};
	for (uint32_t zone = 0; zone < g->nr_zones; zone++)
		id->pointers = base_id_hash(id->pointers, qcow2_wp_written(base, zone));
	for (uint64_t i = 0; i < base->l1.nr; i++)
		id->tables = base_id_hash(id->tables, base->l1.word[i]);
}

struct zq_io *qcow2_file(struct qcow2_image *img)
{
	return img->file;
}

struct zq_io *qcow2_data_file(struct qcow2_image *img)
{
	return img->data == img->file ? NULL : img->data;
}

/* ---- writing an overlay down ----------------------------------------------------------- */

/* All of what the overlay remembers but for the commit, whose word comes alone. */
static int put_base_id(struct qcow2_image *over, const struct qcow2_base_id *id)
{
	uint8_t data[BASE_ID_BYTES];
	int rc;

	base_id_encode(id, data);
	rc = image_write_meta(over, data, BASE_ID_COMMIT, over->hdr.base_id.at);
	if (rc == 0)
		rc = io_flush(over->file);
	if (rc == 0)
		rc = image_write_meta(over, data + BASE_ID_COMMIT, 8,
				      over->hdr.base_id.at + BASE_ID_COMMIT);
	if (rc == 0)
		rc = io_flush(over->file);
	if (rc == 0)
		over->hdr.base_id = *id;
	return rc;
}

int qcow2_remember_base(struct qcow2_image *over, uint64_t commit)
{
	uint64_t at = over->hdr.base_id.at;
	struct qcow2_base_id id;

	qcow2_tell_base(qcow2_base(over), &id);
	id.at = at;
	id.commit = commit;
	return put_base_id(over, &id);
}

static int put_dirty(struct qcow2_image *img, bool dirty)
{
	uint64_t incompat = img->hdr.incompat & ~QCOW2_INCOMPAT_DIRTY;
	uint8_t word[8];
	int rc;

	if (dirty)
		incompat |= QCOW2_INCOMPAT_DIRTY;
	put_be64(word, incompat);
	rc = image_write_meta(img, word, sizeof(word), QCOW2_H_INCOMPAT);
	if (rc == 0)
		img->hdr.incompat = incompat;
	return rc;
}

int qcow2_begin_unfinished(struct qcow2_image *base, uint64_t commit)
{
	int rc;

	base->next_identity = base->hdr.identity.unfinished = commit;
	rc = qcow2_begin_change(base); /* writes both */
	if (rc == 0)
		rc = put_dirty(base, true);
	return rc ? rc : io_flush(base->file);
}

int qcow2_end_unfinished(struct qcow2_image *base)
{
	int rc;

	base->hdr.identity.unfinished = 0;
	rc = identity_put(base);
	if (rc == 0)
		rc = put_dirty(base, false);
	return rc ? rc : io_flush(base->file);
}
