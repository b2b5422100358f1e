/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The extension that carries an image's identity: bytes to struct and back. Each word is written
 * alone when it changes, and none crosses a border of 8 bytes.
 *
 *    0  u64  identity            8  u64  identity of a commit that has not ended, or 0
 */
#include "qcow2/format/identity.h"
#include "util/bytes.h"

void identity_parse(const uint8_t *data, uint32_t len, struct qcow2_identity *id)
{
	if (len != IDENTITY_BYTES)
		return;
	*id = (struct qcow2_identity){
		.present = true,
		.id = get_be64(data),
		.unfinished = get_be64(data + 8),
	};
}

void identity_encode(const struct qcow2_identity *id, uint8_t *data)
{
	put_be64(data, id->id);
	put_be64(data + 8, id->unfinished);
}
