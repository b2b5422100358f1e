/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an overlay and its base know of each other while the one is written down into the other.
 */
#include "io/io.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/identity.h"
#include "util/bytes.h"

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

int qcow2_abandon_unfinished(struct qcow2_image *base)
{
	base->hdr.identity.unfinished = 0;
	return qcow2_begin_change(base); /* rebuilds the refcounts, and writes both words */
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
