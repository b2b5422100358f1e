/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making what the host's page cache has of a file agree with what the disk has.
 */
#ifndef ZQ_IO_COLD_H
#define ZQ_IO_COLD_H

/*
 * After this, reads through fd give what is on stable storage, as long as nobody else writes to
 * the file. fd is open for reading and writing. -EIO and others: the host could
 * not even be made to write or to read.
 */
int cold_start(int fd);

#endif
