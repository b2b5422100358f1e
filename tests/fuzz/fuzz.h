/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzz targets share. A target is a file fuzz_NAME.c with one function,
 * LLVMFuzzerTestOneInput: its input is an image file, byte for byte. Linked with libFuzzer it
 * is fed with mutated images; linked with main.c it replays files, or reads one from its
 * standard input, which is also what AFL++ wants.
 *
 * Nothing an input says may reach files of the host: the image is in memory, backing files
 * are looked for in an empty folder, and an external data file is replaced by a scratch one.
 */
#ifndef ZQ_TESTS_FUZZ_H
#define ZQ_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <zqfs/check.h>
#include <zqfs/device.h>

#include "memio.h"
#include "qcow2/qcow2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program when a promise is broken, with the text of it. */
#define FUZZ_ASSERT(cond)                                                                          \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #cond);         \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* The input as a file in memory; NULL when there is no use in trying it. memio_free(). */
struct memio *fuzz_image(const uint8_t *data, size_t size);

/* Opens it as a device without a thread. NULL: it was refused, with a sentence. */
struct zq_device *fuzz_device(struct memio *m, bool readonly);

/* Opens it as a plain or zoned image. NULL likewise. */
struct qcow2_image *fuzz_qcow2(struct memio *m, bool zoned, bool writable);

/*
 * Checks it. False: it could not be checked, with a sentence. Holds the rules that
 * all results keep: nothing is mended that was not found.
 */
bool fuzz_check(struct memio *m, enum zq_repair repair, struct zq_check_result *res);

/* A number made from the input, so that one input always does the same. */
uint32_t fuzz_hash(const uint8_t *data, size_t size);

/*
 * Reads up to FUZZ_READ_MAX guest bytes into a buffer, in steps of FUZZ_STEP; *ok has a byte for
 * each step that tells whether the read succeeded. The caller frees both. False: the image
 * does not open.
 */
#define FUZZ_READ_MAX (UINT64_C(256) << 10)
#define FUZZ_STEP     512u
struct fuzz_guest {
	uint8_t *data, *ok;
	size_t size;
};
bool fuzz_read_guest(struct memio *m, struct fuzz_guest *g);
void fuzz_free_guest(struct fuzz_guest *g);

#endif
