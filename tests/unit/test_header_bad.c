/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Broken headers, one fault each: every one is refused with the sentence that names the
 * field, its value and the bound.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "header_fixture.h"
#include "util/math.h"

enum base {
	PLAIN,	  /* fixture_params() */
	DATA,	  /* with the data file "d.raw": zoned data at 576, end at 632 */
	BACKING,  /* with "base.qcow2" (at 640) of format qcow2: zoned data at 576, end at 632 */
	SMALL,	  /* 512-byte clusters: zoned data at 120, end at 176 */
	LAYOUT48, /* zoned data at 560, end at 608 */
	ZSTD,
	NOT_ZONED, /* PLAIN without bit 5 and the extension; read as a backing file */
	VERSION2,  /* that as version 2; read as a backing file */
	NR_BASES,
};

#define RESIZE 0u /* as a width: the value is the file's new size */

struct poke {
	uint64_t off;
	unsigned bytes; /* 0: there are no more, unless value is set (RESIZE) */
	uint64_t value;
};

static const struct bad {
	enum base base;
	struct poke poke[5];
	int code;
	const char *msg; /* behind "disk.qcow2: " */
} bad[] = {
	{ PLAIN, { { 0, 4, 0 } }, -EMEDIUMTYPE, "not a qcow2 image (\"zqfs create\" makes one)" },
	{ PLAIN,
	  { { 0, 4, 0x51454400 } },
	  -EMEDIUMTYPE,
	  "not a qcow2 image (\"zqfs create\" makes one)" },
	{ PLAIN,
	  { { 1, RESIZE, 0 } },
	  -EMEDIUMTYPE,
	  "the file is empty, not a qcow2 image (\"zqfs create\" makes one)" },
	{ PLAIN,
	  { { 1, RESIZE, 71 } },
	  -EMEDIUMTYPE,
	  "not a qcow2 image (\"zqfs create\" makes one)" },
	{ PLAIN, { { 4, 4, 0 } }, -ENOTSUP, "qcow2 version 0 is not supported (2 or 3)" },
	{ PLAIN, { { 4, 4, 1 } }, -ENOTSUP, "qcow2 version 1 is not supported (2 or 3)" },
	{ PLAIN, { { 4, 4, 4 } }, -ENOTSUP, "qcow2 version 4 is not supported (2 or 3)" },
	{ PLAIN,
	  { { 4, 4, 0xffffffff } },
	  -ENOTSUP,
	  "qcow2 version 4294967295 is not supported (2 or 3)" },
	{ PLAIN,
	  { { 4, 4, 2 } },
	  -EMEDIUMTYPE,
	  "is a qcow2 image of version 2, which cannot carry zones; \"zqfs create\" makes zoned "
	  "ones" },
	{ PLAIN, { { 20, 4, 8 } }, -EINVAL, "cluster_bits 8 is not within 9 to 21" },
	{ PLAIN, { { 20, 4, 0 } }, -EINVAL, "cluster_bits 0 is not within 9 to 21" },
	{ PLAIN, { { 20, 4, 22 } }, -EINVAL, "cluster_bits 22 is not within 9 to 21" },
	{ PLAIN, { { 20, 4, 64 } }, -EINVAL, "cluster_bits 64 is not within 9 to 21" },
	{ PLAIN,
	  { { 20, 4, 0x80000010 } },
	  -EINVAL,
	  "cluster_bits 2147483664 is not within 9 to 21" },
	{ PLAIN, { { 100, 4, 72 } }, -EINVAL, "header_length 72 is smaller than 104" },
	{ PLAIN, { { 100, 4, 0 } }, -EINVAL, "header_length 0 is smaller than 104" },
	{ PLAIN, { { 100, 4, 105 } }, -EINVAL, "header_length 105 is not a multiple of 8" },
	{ PLAIN,
	  { { 100, 4, 0x10008 } },
	  -EINVAL,
	  "header_length 65544 is larger than the cluster size 65536" },
	{ PLAIN,
	  { { 100, 4, 0xfffffff8 } },
	  -EINVAL,
	  "header_length 4294967288 is larger than the cluster size 65536" },
	{ SMALL,
	  { { 100, 4, 520 } },
	  -EINVAL,
	  "header_length 520 is larger than the cluster size 512" },
	{ PLAIN,
	  { { 1, RESIZE, 104 } },
	  -EINVAL,
	  "header_length 112 is larger than the file, 104 bytes" },
	{ PLAIN, { { 32, 4, 1 } }, -ENOTSUP, "crypt_method 1: encryption (AES) is not supported" },
	{ PLAIN, { { 32, 4, 2 } }, -ENOTSUP, "crypt_method 2: encryption (LUKS) is not supported" },
	{ PLAIN, { { 32, 4, 3 } }, -EINVAL, "crypt_method 3 is unknown, at most 2" },
	{ PLAIN,
	  { { 32, 4, 0xffffffff } },
	  -EINVAL,
	  "crypt_method 4294967295 is unknown, at most 2" },
	{ PLAIN, { { 72, 8, 0xa0 } }, -ENOTSUP, "unknown incompatible feature bit 7" },
	{ PLAIN,
	  { { 72, 8, 0x60 }, { 120, 2, 0x0006 } },
	  -ENOTSUP,
	  "unknown incompatible feature bit 6 (\"dirty bit\")" },
	{ PLAIN,
	  { { 72, 8, 0xa0 }, { 121, 1, 7 }, { 122, 4, 0x410a1b42 } },
	  -ENOTSUP,
	  "unknown incompatible feature bit 7 (\"A??By bit\")" },
	{ PLAIN,
	  { { 72, 8, 0xa0 }, { 120, 1, 1 }, { 121, 1, 7 } },
	  -ENOTSUP,
	  "unknown incompatible feature bit 7" },
	{ PLAIN,
	  { { 72, 8, 0x80000000000000e0 }, { 121, 1, 63 }, { 169, 1, 6 } },
	  -ENOTSUP,
	  "unknown incompatible feature bits 6 (\"corrupt bit\"), 7, 63 (\"dirty bit\")" },
	{ PLAIN,
	  { { 72, 8, 0xffffffffffffffff } },
	  -ENOTSUP,
	  "unknown incompatible feature bits 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, "
	  "20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, "
	  "42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, "
	  "63" },
	{ PLAIN,
	  { { 72, 8, 0x100000020 }, { 116, 4, 0xffffffff } },
	  -ENOTSUP,
	  "unknown incompatible feature bit 32" },
	{ PLAIN,
	  { { 72, 8, 0x40 }, { 32, 4, 1 } },
	  -ENOTSUP,
	  "unknown incompatible feature bit 6" },
	{ PLAIN,
	  { { 72, 8, 0 } },
	  -EINVAL,
	  "zoned extension: present, but incompatible feature bit 5 (zoned format) is not set" },
	{ PLAIN,
	  { { 552, 4, 0x11111111 } },
	  -EINVAL,
	  "incompatible feature bit 5 (zoned format) is set, but the zoned extension is missing" },
	{ PLAIN,
	  { { 552, 4, 0 } },
	  -EINVAL,
	  "incompatible feature bit 5 (zoned format) is set, but the zoned extension is missing" },
	{ PLAIN,
	  { { 72, 8, 0 }, { 552, 4, 0x11111111 } },
	  -EMEDIUMTYPE,
	  "is a qcow2 image without zones; \"zqfs create NEW.qcow2 10M\" makes a zoned one of that "
	  "size" },
	{ PLAIN,
	  { { 72, 8, 0 }, { 552, 4, 0x11111111 }, { 24, 8, 10485761 } },
	  -EMEDIUMTYPE,
	  "is a qcow2 image without zones; \"zqfs create NEW.qcow2 10486272\" makes a zoned one of "
	  "that size" },
	{ PLAIN,
	  { { 72, 8, 0x28 } },
	  -EINVAL,
	  "compression_type 0 contradicts incompatible feature bit 3 (compression type), which "
	  "wants another than 0" },
	{ PLAIN,
	  { { 104, 1, 1 } },
	  -EINVAL,
	  "compression_type 1 needs incompatible feature bit 3 (compression type), which is not "
	  "set" },
	{ PLAIN,
	  { { 72, 8, 0x28 }, { 104, 1, 2 } },
	  -ENOTSUP,
	  "compression_type 2 is not supported (0 is zlib, 1 is zstd)" },
	{ PLAIN,
	  { { 104, 1, 255 } },
	  -ENOTSUP,
	  "compression_type 255 is not supported (0 is zlib, 1 is zstd)" },
	{ ZSTD,
	  { { 72, 8, 0x20 } },
	  -EINVAL,
	  "compression_type 1 needs incompatible feature bit 3 (compression type), which is not "
	  "set" },
	{ ZSTD,
	  { { 104, 1, 0 } },
	  -EINVAL,
	  "compression_type 0 contradicts incompatible feature bit 3 (compression type), which "
	  "wants another than 0" },
	{ SMALL,
	  { { 72, 8, 0x30 } },
	  -EINVAL,
	  "cluster_bits 9 is smaller than 14, which extended L2 entries need" },
	{ PLAIN,
	  { { 72, 8, 0x30 }, { 20, 4, 13 } },
	  -EINVAL,
	  "cluster_bits 13 is smaller than 14, which extended L2 entries need" },
	{ PLAIN,
	  { { 88, 8, 2 } },
	  -EINVAL,
	  "autoclear feature bit 1 (raw external data) is set without incompatible feature bit 2 "
	  "(external data file)" },
	{ BACKING,
	  { { 72, 8, 0x24 }, { 88, 8, 2 } },
	  -EINVAL,
	  "autoclear feature bit 1 (raw external data) excludes the backing file \"base.qcow2\"" },
	{ DATA,
	  { { 60, 4, 1 }, { 64, 8, 0x40000 } },
	  -EINVAL,
	  "nb_snapshots 1 with an external data file, which excludes internal snapshots" },
	{ PLAIN, { { 96, 4, 7 } }, -EINVAL, "refcount_order 7 is larger than 6" },
	{ PLAIN, { { 96, 4, 0xffffffff } }, -EINVAL, "refcount_order 4294967295 is larger than 6" },
	{ PLAIN,
	  { { 36, 4, 0 } },
	  -EINVAL,
	  "l1_size 0 is smaller than 1, which the size 10485760 needs" },
	{ SMALL,
	  { { 36, 4, 319 } },
	  -EINVAL,
	  "l1_size 319 is smaller than 320, which the size 10485760 needs" },
	{ PLAIN, { { 36, 4, 4194305 } }, -EINVAL, "l1_size 4194305 is larger than 4194304" },
	{ PLAIN, { { 36, 4, 0xffffffff } }, -EINVAL, "l1_size 4294967295 is larger than 4194304" },
	{ PLAIN,
	  { { 36, 4, 4194304 } },
	  -EINVAL,
	  "l1_table_offset 262144 with a table of 33554432 bytes passes the end of the file, "
	  "327680 bytes" },
	{ PLAIN,
	  { { 36, 4, 8193 } },
	  -EINVAL,
	  "l1_table_offset 262144 with a table of 65544 bytes passes the end of the file, 327680 "
	  "bytes" },
	{ PLAIN,
	  { { 40, 8, 0x40200 } },
	  -EINVAL,
	  "l1_table_offset 262656 is not a multiple of the cluster size 65536" },
	{ PLAIN,
	  { { 40, 8, 0x40001 } },
	  -EINVAL,
	  "l1_table_offset 262145 is not a multiple of the cluster size 65536" },
	{ PLAIN,
	  { { 40, 8, 0x50000 } },
	  -EINVAL,
	  "l1_table_offset 327680 with a table of 8 bytes passes the end of the file, 327680 "
	  "bytes" },
	{ PLAIN,
	  { { 40, 8, 0xffffffffffff0000 } },
	  -EINVAL,
	  "l1_table_offset 18446744073709486080 with a table of 8 bytes passes the end of the "
	  "file, 327680 bytes" },
	{ PLAIN,
	  { { 1, RESIZE, 262151 } },
	  -EINVAL,
	  "l1_table_offset 262144 with a table of 8 bytes passes the end of the file, 262151 "
	  "bytes" },
	{ PLAIN,
	  { { 40, 8, 0 } },
	  -EINVAL,
	  "the L1 table at 0 (65536 bytes) overlaps the header at 0 (65536 bytes)" },
	{ PLAIN,
	  { { 40, 8, 0x10000 } },
	  -EINVAL,
	  "the L1 table at 65536 (65536 bytes) overlaps the refcount table at 65536 (65536 "
	  "bytes)" },
	{ PLAIN,
	  { { 40, 8, 0x30000 } },
	  -EINVAL,
	  "the zonedmeta region at 196608 (65536 bytes) overlaps the L1 table at 196608 (65536 "
	  "bytes)" },
	{ PLAIN, { { 56, 4, 0 } }, -EINVAL, "refcount_table_clusters 0 is smaller than 1" },
	{ PLAIN, { { 56, 4, 129 } }, -EINVAL, "refcount_table_clusters 129 is larger than 128" },
	{ PLAIN,
	  { { 56, 4, 0xffffffff } },
	  -EINVAL,
	  "refcount_table_clusters 4294967295 is larger than 128" },
	{ PLAIN,
	  { { 56, 4, 128 } },
	  -EINVAL,
	  "refcount_table_offset 65536 with a table of 8323073 bytes passes the end of the file, "
	  "327680 bytes" },
	{ PLAIN,
	  { { 56, 4, 3 } },
	  -EINVAL,
	  "the zonedmeta region at 196608 (65536 bytes) overlaps the refcount table at 65536 "
	  "(196608 bytes)" },
	{ PLAIN,
	  { { 56, 4, 3 }, { 40, 8, 0x20000 }, { 608, 8, 0x40000 } },
	  -EINVAL,
	  "the L1 table at 131072 (65536 bytes) overlaps the refcount table at 65536 (196608 "
	  "bytes)" },
	{ PLAIN,
	  { { 48, 8, 0x10008 } },
	  -EINVAL,
	  "refcount_table_offset 65544 is not a multiple of the cluster size 65536" },
	{ PLAIN,
	  { { 48, 8, 0x50000 } },
	  -EINVAL,
	  "refcount_table_offset 327680 with a table of 1 bytes passes the end of the file, 327680 "
	  "bytes" },
	{ PLAIN,
	  { { 48, 8, 0xffffffffffff0000 } },
	  -EINVAL,
	  "refcount_table_offset 18446744073709486080 with a table of 1 bytes passes the end of "
	  "the file, 327680 bytes" },
	{ PLAIN,
	  { { 48, 8, 0 } },
	  -EINVAL,
	  "the refcount table at 0 (65536 bytes) overlaps the header at 0 (65536 bytes)" },
	{ PLAIN,
	  { { 48, 8, 0x30000 } },
	  -EINVAL,
	  "the zonedmeta region at 196608 (65536 bytes) overlaps the refcount table at 196608 "
	  "(65536 bytes)" },
	{ PLAIN, { { 60, 4, 65537 } }, -EINVAL, "nb_snapshots 65537 is larger than 65536" },
	{ PLAIN,
	  { { 60, 4, 0xffffffff } },
	  -EINVAL,
	  "nb_snapshots 4294967295 is larger than 65536" },
	{ PLAIN,
	  { { 60, 4, 1 }, { 64, 8, 0x50008 } },
	  -EINVAL,
	  "snapshots_offset 327688 is not a multiple of the cluster size 65536" },
	{ PLAIN,
	  { { 60, 4, 1 }, { 64, 8, 0x50000 } },
	  -EINVAL,
	  "snapshots_offset 327680 with a table of 40 bytes passes the end of the file, 327680 "
	  "bytes" },
	{ PLAIN,
	  { { 60, 4, 2000 }, { 64, 8, 0x40000 } },
	  -EINVAL,
	  "snapshots_offset 262144 with a table of 80000 bytes passes the end of the file, 327680 "
	  "bytes" },
	{ PLAIN,
	  { { 60, 4, 1 }, { 64, 8, 0xffffffffffff0000 } },
	  -EINVAL,
	  "snapshots_offset 18446744073709486080 with a table of 40 bytes passes the end of the "
	  "file, 327680 bytes" },
	{ PLAIN,
	  { { 60, 4, 1 }, { 64, 8, 0 } },
	  -EINVAL,
	  "the snapshot table at 0 (65536 bytes) overlaps the header at 0 (65536 bytes)" },
	{ PLAIN,
	  { { 60, 4, 1 }, { 64, 8, 0x10000 } },
	  -EINVAL,
	  "the snapshot table at 65536 (65536 bytes) overlaps the refcount table at 65536 (65536 "
	  "bytes)" },
	{ PLAIN,
	  { { 60, 4, 1 }, { 64, 8, 0x40000 } },
	  -EINVAL,
	  "the snapshot table at 262144 (65536 bytes) overlaps the L1 table at 262144 (65536 "
	  "bytes)" },
	{ PLAIN,
	  { { 60, 4, 1 }, { 64, 8, 0x30000 } },
	  -EINVAL,
	  "the zonedmeta region at 196608 (65536 bytes) overlaps the snapshot table at 196608 "
	  "(65536 bytes)" },
	{ BACKING, { { 16, 4, 1024 } }, -EINVAL, "backing_file_size 1024 is larger than 1023" },
	{ BACKING,
	  { { 16, 4, 0xffffffff } },
	  -EINVAL,
	  "backing_file_size 4294967295 is larger than 1023" },
	{ BACKING,
	  { { 8, 8, 8 } },
	  -EINVAL,
	  "backing_file_offset 8 lies within the header, which ends at 112" },
	{ BACKING,
	  { { 8, 8, 65530 } },
	  -EINVAL,
	  "backing_file_offset 65530 with backing_file_size 10 passes the end of the first "
	  "cluster, 65536" },
	{ BACKING,
	  { { 8, 8, 0xffffffffffffffff } },
	  -EINVAL,
	  "backing_file_offset 18446744073709551615 with backing_file_size 10 passes the end of "
	  "the first cluster, 65536" },
	{ BACKING,
	  { { 8, 8, 0x10000 } },
	  -EINVAL,
	  "backing_file_offset 65536 with backing_file_size 10 passes the end of the first "
	  "cluster, 65536" },
	{ BACKING, { { 644, 1, 0 } }, -EINVAL, "the backing file's name holds a zero byte" },
	{ BACKING,
	  { { 8, 8, 600 }, { 16, 4, 0 } },
	  -EINVAL,
	  "header extension 0x007a6264 of 56 bytes at 568 passes the end of the extensions, 600" },
	{ BACKING,
	  { { 8, 8, 572 }, { 16, 4, 0 } },
	  -EINVAL,
	  "header extension 0x00000000 of 0 bytes at 568 passes the end of the extensions, 572" },
	{ BACKING,
	  { { 8, 8, 0 }, { 116, 4, 1024 } },
	  -EINVAL,
	  "backing file format extension: length 1024 is larger than 1023" },
	{ BACKING,
	  { { 120, 1, 0 } },
	  -EINVAL,
	  "backing file format extension: the name holds a zero byte" },
	{ BACKING,
	  { { 568, 4, 0xe2792aca } },
	  -EINVAL,
	  "backing file format extension: present twice" },
	{ DATA,
	  { { 568, 4, 0x44415441 } },
	  -EINVAL,
	  "external data file extension: present twice" },
	{ DATA,
	  { { 116, 4, 4096 } },
	  -EINVAL,
	  "external data file extension: length 4096 is larger than 4095" },
	{ DATA,
	  { { 121, 1, 0 } },
	  -EINVAL,
	  "external data file extension: the name holds a zero byte" },
	{ PLAIN,
	  { { 616, 4, 0x6803f857 } },
	  -EINVAL,
	  "feature name table extension: present twice" },
	{ PLAIN,
	  { { 616, 4, 0x007a6264 }, { 620, 4, 56 }, { 624, 1, 1 } },
	  -EINVAL,
	  "zoned extension: present twice" },
	{ PLAIN,
	  { { 616, 4, 0x23852875 }, { 620, 4, 24 }, { 648, 4, 0x23852875 }, { 652, 4, 24 } },
	  -EINVAL,
	  "bitmaps extension: present twice" },
	{ PLAIN,
	  { { 616, 4, 0x0537be77 }, { 620, 4, 16 } },
	  -EINVAL,
	  "encryption header extension with crypt_method 0 (no encryption)" },
	{ PLAIN,
	  { { 616, 4, 0x11111111 }, { 620, 4, 0xffffffff } },
	  -EINVAL,
	  "header extension 0x11111111 of 4294967295 bytes at 616 passes the end of the "
	  "extensions, 65536" },
	{ PLAIN,
	  { { 116, 4, 65417 } },
	  -EINVAL,
	  "header extension 0x6803f857 of 65417 bytes at 112 passes the end of the extensions, "
	  "65536" },
	{ SMALL,
	  { { 176, 4, 0x11111111 }, { 180, 4, 329 } },
	  -EINVAL,
	  "header extension 0x11111111 of 329 bytes at 176 passes the end of the extensions, 512" },
	{ PLAIN,
	  { { 88, 8, 1 }, { 616, 4, 0x23852875 }, { 620, 4, 25 } },
	  -EINVAL,
	  "bitmaps extension: length 25 is not 24" },
	{ PLAIN,
	  { { 88, 8, 1 }, { 616, 4, 0x23852875 }, { 620, 4, 24 } },
	  -EINVAL,
	  "bitmaps extension: nb_bitmaps 0 is not within 1 to 65535" },
	{ PLAIN,
	  { { 88, 8, 1 }, { 616, 4, 0x23852875 }, { 620, 4, 24 }, { 624, 4, 65536 } },
	  -EINVAL,
	  "bitmaps extension: nb_bitmaps 65536 is not within 1 to 65535" },
	{ PLAIN,
	  { { 88, 8, 1 },
	    { 616, 4, 0x23852875 },
	    { 620, 4, 24 },
	    { 624, 4, 1 },
	    { 640, 8, 0x50008 } },
	  -EINVAL,
	  "bitmaps extension: bitmap_directory_offset 327688 with bitmap_directory_size 0 is not "
	  "cluster aligned within the file, 327680 bytes" },
	{ PLAIN,
	  { { 88, 8, 1 },
	    { 616, 8, 0x2385287500000018 },
	    { 624, 4, 1 },
	    { 632, 8, 0xffffffffffffffff },
	    { 640, 8, 0x40000 } },
	  -EINVAL,
	  "bitmaps extension: bitmap_directory_offset 262144 with bitmap_directory_size "
	  "18446744073709551615 is not cluster aligned within the file, 327680 bytes" },
	{ PLAIN,
	  { { 556, 4, 0 } },
	  -EINVAL,
	  "zoned extension: length 0 is that of no known layout (48, 56 or more)" },
	{ PLAIN,
	  { { 556, 4, 47 } },
	  -EINVAL,
	  "zoned extension: length 47 is that of no known layout (48, 56 or more)" },
	{ PLAIN,
	  { { 556, 4, 49 } },
	  -EINVAL,
	  "zoned extension: length 49 is that of no known layout (48, 56 or more)" },
	{ PLAIN,
	  { { 556, 4, 55 } },
	  -EINVAL,
	  "zoned extension: length 55 is that of no known layout (48, 56 or more)" },
	{ LAYOUT48,
	  { { 556, 4, 40 } },
	  -EINVAL,
	  "zoned extension: length 40 is that of no known layout (48, 56 or more)" },
	{ PLAIN,
	  { { 560, 1, 0 } },
	  -EINVAL,
	  "zoned extension: zoned 0 is not a known model (1 is host-managed); 0 says that the "
	  "image is not zoned" },
	{ PLAIN,
	  { { 560, 1, 2 } },
	  -EINVAL,
	  "zoned extension: zoned 2 is not a known model (1 is host-managed)" },
	{ PLAIN,
	  { { 560, 1, 255 } },
	  -EINVAL,
	  "zoned extension: zoned 255 is not a known model (1 is host-managed)" },
	{ PLAIN, { { 564, 8, 0 } }, -EINVAL, "zoned extension: zone_size 0 is not a power of two" },
	{ PLAIN,
	  { { 564, 8, 0x180000 } },
	  -EINVAL,
	  "zoned extension: zone_size 1572864 is not a power of two" },
	{ PLAIN,
	  { { 564, 8, 2048 } },
	  -EINVAL,
	  "zoned extension: zone_size 2048 is smaller than 4096" },
	{ PLAIN,
	  { { 564, 8, 0x80000 } },
	  -EINVAL,
	  "zoned extension: zone_capacity 786432 is larger than zone_size 524288" },
	{ PLAIN,
	  { { 564, 8, 0x200000 } },
	  -EINVAL,
	  "zoned extension: nr_zones 10 does not match size 10485760 and zone_size 2097152, which "
	  "make 5" },
	{ PLAIN,
	  { { 564, 8, 0x8000000000000000 } },
	  -EINVAL,
	  "zoned extension: size 10485760 in zones of 9223372036854775808 passes the largest write "
	  "pointer 576460752303423487" },
	{ PLAIN,
	  { { 572, 8, 0x100200 } },
	  -EINVAL,
	  "zoned extension: zone_capacity 1049088 is larger than zone_size 1048576" },
	{ PLAIN,
	  { { 572, 8, 0xffffffffffffffff } },
	  -EINVAL,
	  "zoned extension: zone_capacity 18446744073709551615 is larger than zone_size 1048576" },
	{ PLAIN,
	  { { 572, 8, 0 } },
	  -EINVAL,
	  "zoned extension: zone_capacity 0 is smaller than 512" },
	{ PLAIN,
	  { { 572, 8, 511 } },
	  -EINVAL,
	  "zoned extension: zone_capacity 511 is smaller than 512" },
	{ PLAIN,
	  { { 572, 8, 786433 } },
	  -EINVAL,
	  "zoned extension: zone_capacity 786433 is not a multiple of 512" },
	{ PLAIN,
	  { { 580, 4, 10 } },
	  -EINVAL,
	  "zoned extension: conventional_zones 10 is not smaller than nr_zones 10" },
	{ PLAIN,
	  { { 580, 4, 0xffffffff } },
	  -EINVAL,
	  "zoned extension: conventional_zones 4294967295 is not smaller than nr_zones 10" },
	{ PLAIN,
	  { { 584, 4, 9 } },
	  -EINVAL,
	  "zoned extension: nr_zones 9 does not match size 10485760 and zone_size 1048576, which "
	  "make 10" },
	{ PLAIN,
	  { { 584, 4, 11 } },
	  -EINVAL,
	  "zoned extension: nr_zones 11 does not match size 10485760 and zone_size 1048576, which "
	  "make 10" },
	{ PLAIN,
	  { { 584, 4, 0 } },
	  -EINVAL,
	  "zoned extension: nr_zones 0 does not match size 10485760 and zone_size 1048576, which "
	  "make 10" },
	{ PLAIN,
	  { { 584, 4, 0xffffffff } },
	  -EINVAL,
	  "zoned extension: nr_zones 4294967295 does not match size 10485760 and zone_size "
	  "1048576, which make 10" },
	{ PLAIN,
	  { { 588, 4, 11 } },
	  -EINVAL,
	  "zoned extension: max_active_zones 11 is larger than nr_zones 10" },
	{ PLAIN,
	  { { 592, 4, 9 } },
	  -EINVAL,
	  "zoned extension: max_open_zones 9 is larger than the number of sequential zones 8" },
	{ PLAIN,
	  { { 592, 4, 6 } },
	  -EINVAL,
	  "zoned extension: max_open_zones 6 is larger than max_active_zones 5" },
	{ PLAIN,
	  { { 596, 4, 513 } },
	  -EINVAL,
	  "zoned extension: max_append_bytes 513 is not a multiple of 512" },
	{ PLAIN,
	  { { 596, 4, 786944 } },
	  -EINVAL,
	  "zoned extension: max_append_bytes 786944 is larger than zone_capacity 786432" },
	{ PLAIN,
	  { { 600, 8, 72 } },
	  -EINVAL,
	  "zoned extension: zonedmeta_size 72 is not 80, 8 bytes for each of nr_zones 10" },
	{ PLAIN,
	  { { 600, 8, 81 } },
	  -EINVAL,
	  "zoned extension: zonedmeta_size 81 is not 80, 8 bytes for each of nr_zones 10" },
	{ PLAIN,
	  { { 600, 8, 0xffffffffffffffff } },
	  -EINVAL,
	  "zoned extension: zonedmeta_size 18446744073709551615 is not 80, 8 bytes for each of "
	  "nr_zones 10" },
	{ PLAIN,
	  { { 608, 8, 0 } },
	  -EINVAL,
	  "zoned extension: zonedmeta_offset 0 is that of the header" },
	{ PLAIN,
	  { { 608, 8, 0x30200 } },
	  -EINVAL,
	  "zoned extension: zonedmeta_offset 197120 is not a multiple of the cluster size 65536" },
	{ PLAIN,
	  { { 608, 8, 0x50000 } },
	  -EINVAL,
	  "zoned extension: zonedmeta_offset 327680 with a table of 80 bytes passes the end of the "
	  "file, 327680 bytes" },
	{ PLAIN,
	  { { 608, 8, 0xffffffffffff0000 } },
	  -EINVAL,
	  "zoned extension: zonedmeta_offset 18446744073709486080 with a table of 80 bytes passes "
	  "the end of the file, 327680 bytes" },
	{ PLAIN,
	  { { 608, 8, 0x10000 } },
	  -EINVAL,
	  "the zonedmeta region at 65536 (65536 bytes) overlaps the refcount table at 65536 (65536 "
	  "bytes)" },
	{ PLAIN,
	  { { 608, 8, 0x40000 } },
	  -EINVAL,
	  "the zonedmeta region at 262144 (65536 bytes) overlaps the L1 table at 262144 (65536 "
	  "bytes)" },
	{ PLAIN,
	  { { 608, 8, 0x50000 }, { 1, RESIZE, 327759 } },
	  -EINVAL,
	  "zoned extension: zonedmeta_offset 327680 with a table of 80 bytes passes the end of the "
	  "file, 327759 bytes" },
	{ PLAIN,
	  { { 24, 8, 0 } },
	  -EINVAL,
	  "zoned extension: size 0 holds no zone, at least 512 bytes are needed" },
	{ PLAIN,
	  { { 24, 8, 10485761 } },
	  -EINVAL,
	  "zoned extension: size 10485761 is not a multiple of 512" },
	{ PLAIN,
	  { { 24, 8, 0xfffffffffffffe00 } },
	  -EINVAL,
	  "zoned extension: size 18446744073709551104 in zones of 1048576 passes the largest write "
	  "pointer 576460752303423487" },
	{ PLAIN,
	  { { 24, 8, 0x40000000 }, { 584, 4, 1024 }, { 600, 8, 8192 } },
	  -EINVAL,
	  "l1_size 1 is smaller than 2, which the size 1073741824 needs" },
	{ PLAIN,
	  { { 24, 8, 0x100000000000 }, { 564, 8, 4096 }, { 572, 8, 4096 }, { 596, 4, 4096 } },
	  -EINVAL,
	  "zoned extension: zone_size 4096 makes 4294967296 zones of the size 17592186044416, more "
	  "than 4194304" },
	{ LAYOUT48,
	  { { 564, 4, 3 } },
	  -EINVAL,
	  "zoned extension: zone_size 3 is not a power of two" },
	{ LAYOUT48,
	  { { 568, 4, 0x200000 } },
	  -EINVAL,
	  "zoned extension: zone_capacity 2097152 is larger than zone_size 1048576" },
	{ LAYOUT48,
	  { { 572, 4, 10 } },
	  -EINVAL,
	  "zoned extension: conventional_zones 10 is not smaller than nr_zones 10" },
	{ LAYOUT48,
	  { { 600, 8, 0x40000 } },
	  -EINVAL,
	  "the zonedmeta region at 262144 (65536 bytes) overlaps the L1 table at 262144 (65536 "
	  "bytes)" },
	{ SMALL,
	  { { 168, 8, 0x200 } },
	  -EINVAL,
	  "the zonedmeta region at 512 (512 bytes) overlaps the refcount table at 512 (512 "
	  "bytes)" },
	{ NOT_ZONED,
	  { { 72, 8, 0x20 }, { 552, 4, 0x007a6264 } },
	  -EMEDIUMTYPE,
	  "is a zoned image, which cannot be a backing file" },
	{ NOT_ZONED,
	  { { 72, 8, 0x20 } },
	  -EINVAL,
	  "incompatible feature bit 5 (zoned format) is set, but the zoned extension is missing" },
	{ NOT_ZONED,
	  { { 552, 4, 0x007a6264 } },
	  -EINVAL,
	  "zoned extension: present, but incompatible feature bit 5 (zoned format) is not set" },
	{ NOT_ZONED,
	  { { 24, 8, 0x40000000 } },
	  -EINVAL,
	  "l1_size 1 is smaller than 2, which the size 1073741824 needs" },
	{ NOT_ZONED,
	  { { 24, 8, 0xffffffffffffffff } },
	  -EINVAL,
	  "l1_size 1 is smaller than 34359738368, which the size 18446744073709551615 needs" },
	{ VERSION2,
	  { { 72, 8, 0x007a626400000038 }, { 80, 1, 1 } },
	  -EINVAL,
	  "zoned extension: present, but incompatible feature bit 5 (zoned format) is not set" },
	{ VERSION2,
	  { { 8, 8, 71 }, { 16, 4, 5 } },
	  -EINVAL,
	  "backing_file_offset 71 lies within the header, which ends at 72" },
	{ VERSION2,
	  { { 72, 4, 0x11111111 }, { 76, 4, 0x10000 } },
	  -EINVAL,
	  "header extension 0x11111111 of 65536 bytes at 72 passes the end of the extensions, "
	  "65536" },
	{ VERSION2,
	  { { 32, 4, 1 } },
	  -ENOTSUP,
	  "crypt_method 1: encryption (AES) is not supported" },
};

static struct memio *base_image(enum base base)
{
	struct qcow2_create_params p = fixture_params();
	struct memio *m;

	if (base == DATA)
		p.data_file = "d.raw";
	if (base == BACKING) {
		p.backing_file = "base.qcow2";
		p.backing_format = "qcow2";
	}
	if (base == SMALL)
		p.cluster_bits = 9;
	if (base == LAYOUT48)
		p.layout = 48;
	if (base == ZSTD)
		p.compression_type = 1;
	m = fixture_create(&p);
	if (base == NOT_ZONED || base == VERSION2) {
		fixture_poke(m, 72, 8, 0);
		fixture_poke(m, 552, 4, 0x12345678);
	}
	if (base == VERSION2) {
		fixture_poke(m, 4, 4, 2);
		fixture_poke(m, 72, 8, 0); /* the extensions end at once */
	}
	return m;
}

static bool read_as_zoned(enum base base)
{
	return base != NOT_ZONED && base != VERSION2;
}

START_TEST(bases_are_accepted)
{
	struct memio *m = base_image((enum base)_i);
	struct qcow2_header h;
	struct zq_error err = { "" };

	ck_assert_msg(fixture_read(m, read_as_zoned((enum base)_i), &h, &err) == 0, "base %d: %s",
		      _i, err.msg);
	qcow2_header_free(&h);
	memio_free(m);
}
END_TEST

START_TEST(refused_with_its_sentence)
{
	const struct bad *b = &bad[_i];
	struct memio *m = base_image(b->base);
	struct qcow2_header h;
	struct zq_error err = { "" };
	char want[sizeof(err.msg)];
	int ret;

	for (size_t i = 0; i < ARRAY_SIZE(b->poke); i++) {
		const struct poke *p = &b->poke[i];

		if (p->bytes == RESIZE && p->off)
			memio_resize(m, p->value);
		else
			fixture_poke(m, p->off, p->bytes, p->value);
	}
	ret = fixture_read(m, read_as_zoned(b->base), &h, &err);
	snprintf(want, sizeof(want), "disk.qcow2: %s", b->msg);
	ck_assert_str_eq(err.msg, want);
	ck_assert_int_eq(ret, b->code);
	ck_assert_uint_eq(memio_open_count(m), 0);
	memio_free(m);
}
END_TEST

/* Any damage at all: never a crash, never a refusal without words. */
START_TEST(random_damage)
{
	struct memio *whole = base_image((enum base)(_i % NR_BASES));
	unsigned seed = 1000u + (unsigned)_i;

	for (int round = 0; round < 300; round++) {
		struct memio *m = memio_clone(whole);
		struct qcow2_header h;
		struct zq_error err = { "" };

		for (int n = rand_r(&seed) % 4; n >= 0; n--)
			fixture_poke(m, (uint64_t)rand_r(&seed) % 660, 1u << rand_r(&seed) % 3,
				     (uint64_t)rand_r(&seed) >> rand_r(&seed) % 31);
		if (fixture_read(m, read_as_zoned((enum base)(_i % NR_BASES)), &h, &err) == 0)
			qcow2_header_free(&h);
		else
			ck_assert_msg(!strncmp(err.msg, "disk.qcow2: ", 12), "seed %d: \"%s\"",
				      1000 + _i, err.msg);
		memio_free(m);
	}
	memio_free(whole);
}
END_TEST

/* Cut anywhere, an image is refused and not read past its end. */
START_TEST(cut_short)
{
	static const uint64_t sizes[] = { 1,	  4,	  71,	  72,	 104,	 111,
					  112,	  560,	  65536,  65537, 131072, 131073,
					  196608, 196687, 262144, 262151 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct memio *m = base_image(PLAIN);
		struct qcow2_header h;
		struct zq_error err = { "" };

		memio_resize(m, sizes[i]);
		ck_assert_msg(fixture_read(m, true, &h, &err) < 0, "accepted %lu bytes",
			      (unsigned long)sizes[i]);
		ck_assert_msg(strlen(err.msg) > 12, "%lu bytes", (unsigned long)sizes[i]);
		memio_free(m);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("header_bad");
	TCase *t = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, bases_are_accepted, 0, NR_BASES);
	tcase_add_loop_test(t, refused_with_its_sentence, 0, (int)ARRAY_SIZE(bad));
	tcase_add_loop_test(t, random_damage, 0, 2 * NR_BASES);
	tcase_add_test(t, cut_short);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
