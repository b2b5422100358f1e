/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tells one content of an image from another: a number in a header extension of zqfs's own,
 * which whoever changes the image replaces before the first change. A program that does not
 * know it clears an autoclear bit instead when it opens the image for writing, as the format
 * demands, and the number is no longer valid. FORMAT section "Overlays".
 */
#ifndef ZQ_QCOW2_FORMAT_IDENTITY_H
#define ZQ_QCOW2_FORMAT_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#define IDENTITY_BYTES 16u

struct qcow2_identity {
	bool present;
	uint64_t id;	     /* valid while the autoclear bit is set; never 0 then */
	uint64_t unfinished; /* id of the commit of an overlay that has not ended; 0: none */
	uint64_t at;	     /* of the data in the file; 0: not read from one */
};

/* Of an extension of another length nothing is believed: it counts as absent. */
void identity_parse(const uint8_t *data, uint32_t len, struct qcow2_identity *id);
/* Writes IDENTITY_BYTES bytes. */
void identity_encode(const struct qcow2_identity *id, uint8_t *data);

#endif
