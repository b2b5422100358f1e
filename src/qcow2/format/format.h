/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers of the on-disk format: docs/interop/qcow2 of QEMU and the zoned extension.
 * Only constants; the code that reads and writes them is in header.c, l2.c, refcount.c ...
 */
#ifndef ZQ_QCOW2_FORMAT_FORMAT_H
#define ZQ_QCOW2_FORMAT_FORMAT_H

#include <stdint.h>

#define QCOW2_MAGIC 0x514649fbu /* "QFI\xfb" */

/* Byte offsets of header fields (section "Header"). */
enum {
	QCOW2_H_MAGIC = 0,
	QCOW2_H_VERSION = 4,
	QCOW2_H_BACKING_OFFSET = 8,
	QCOW2_H_BACKING_SIZE = 16,
	QCOW2_H_CLUSTER_BITS = 20,
	QCOW2_H_SIZE = 24,
	QCOW2_H_CRYPT = 32,
	QCOW2_H_L1_SIZE = 36,
	QCOW2_H_L1_OFFSET = 40,
	QCOW2_H_REFTABLE_OFFSET = 48,
	QCOW2_H_REFTABLE_CLUSTERS = 56,
	QCOW2_H_NB_SNAPSHOTS = 60,
	QCOW2_H_SNAPSHOTS_OFFSET = 64,
	QCOW2_H_INCOMPAT = 72,
	QCOW2_H_COMPAT = 80,
	QCOW2_H_AUTOCLEAR = 88,
	QCOW2_H_REFCOUNT_ORDER = 96,
	QCOW2_H_LENGTH = 100,
	QCOW2_H_COMPRESSION = 104,
	QCOW2_H_V2_SIZE = 72,
	QCOW2_H_V3_MIN = 104,
};

/* Feature bits. */
#define QCOW2_INCOMPAT_DIRTY	   (UINT64_C(1) << 0)
#define QCOW2_INCOMPAT_CORRUPT	   (UINT64_C(1) << 1)
#define QCOW2_INCOMPAT_DATA_FILE   (UINT64_C(1) << 2)
#define QCOW2_INCOMPAT_COMPRESSION (UINT64_C(1) << 3)
#define QCOW2_INCOMPAT_EXTL2	   (UINT64_C(1) << 4)
#define QCOW2_INCOMPAT_ZONED	   (UINT64_C(1) << 5)
#define QCOW2_INCOMPAT_KNOWN	   (UINT64_C(0x3f))
#define QCOW2_COMPAT_LAZY	   (UINT64_C(1) << 0)
#define QCOW2_AUTOCLEAR_BITMAPS	   (UINT64_C(1) << 0)
#define QCOW2_AUTOCLEAR_DATA_RAW   (UINT64_C(1) << 1)
#define QCOW2_AUTOCLEAR_IDENTITY   (UINT64_C(1) << 63) /* ours: the identity is valid */

/* Header extension types. */
#define QCOW2_EXT_END		 0x00000000u
#define QCOW2_EXT_BACKING_FORMAT 0xe2792acau
#define QCOW2_EXT_FEATURE_NAMES	 0x6803f857u
#define QCOW2_EXT_BITMAPS	 0x23852875u
#define QCOW2_EXT_CRYPTO	 0x0537be77u
#define QCOW2_EXT_DATA_FILE	 0x44415441u
#define QCOW2_EXT_ZONED		 0x007a6264u
#define QCOW2_EXT_BASE_ID	 0x7a716261u /* "zqba", ours */
#define QCOW2_EXT_IDENTITY	 0x7a716964u /* "zqid", ours */

/* Limits of QEMU's implementation, which bound ours. */
#define QCOW2_MIN_CLUSTER_BITS	     9u
#define QCOW2_MAX_CLUSTER_BITS	     21u
#define QCOW2_MAX_L1_BYTES	     (UINT64_C(32) << 20)
#define QCOW2_MAX_REFTABLE_BYTES     (UINT64_C(8) << 20)
#define QCOW2_MAX_SNAPSHOTS	     65536u
#define QCOW2_MAX_BACKING_NAME	     1023u
#define QCOW2_MAX_CHAIN		     64u
#define QCOW2_EXTL2_MIN_CLUSTER_BITS 14u

/* L1 and L2 entries (section "Cluster mapping"). */
#define QCOW2_OFFSET_MASK	UINT64_C(0x00fffffffffffe00)
#define QCOW2_COPIED		(UINT64_C(1) << 63)
#define QCOW2_COMPRESSED	(UINT64_C(1) << 62)
#define QCOW2_ZERO		(UINT64_C(1) << 0)
#define QCOW2_L1_RESERVED	UINT64_C(0x7f000000000001ff)
#define QCOW2_L2_RESERVED	UINT64_C(0x3f000000000001fe)
#define QCOW2_REFTABLE_RESERVED UINT64_C(0x1ff)
#define QCOW2_SUBCLUSTERS	32u

#endif
