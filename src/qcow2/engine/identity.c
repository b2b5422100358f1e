/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The identity of an image that is changed, and what an overlay of it remembers. Words of the
 * header, each written within 8 bytes, so that none is ever torn.
 */
#include "io/io.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/identity.h"
#include "util/bytes.h"

int identity_put(struct qcow2_image *img)
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
