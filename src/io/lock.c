/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lock protocol that QEMU's programs keep among each other on an image file, so that
 * neither side ever opens an image that the other one writes to.
 *
 * Every permission has a number. Who uses it holds a shared lock on byte 100 + number, who
 * does not let others use it holds one on byte 200 + number. Shared locks never
 * refuse each other, so each party first takes its own bytes and then asks whether an
 * exclusive lock on the opposite bytes would be refused: of two that come at the same
 * time at least one sees the other. Nothing ever takes an exclusive lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

#include "io/lock.h"

enum {
	PERM_READ = 1 << 0, /* consistent read */
	PERM_WRITE = 1 << 1,
	PERM_WRITE_UNCHANGED = 1 << 2, /* writes of what is there already */
	PERM_RESIZE = 1 << 3,
	NR_PERMS = 4,
	PERM_ALL = (1 << NR_PERMS) - 1,

	USED_BASE = 100,
	UNSHARED_BASE = 200,
};

struct lock_set {
	unsigned used;	   /* permissions that we use */
	unsigned unshared; /* permissions that others must not use */
};

static struct lock_set lock_set_of(enum zq_lock mode)
{
	switch (mode) {
	case ZQ_LOCK_READ:
		return (struct lock_set){ PERM_READ, PERM_WRITE | PERM_RESIZE };
	case ZQ_LOCK_WRITE:
		return (struct lock_set){ PERM_READ | PERM_WRITE | PERM_RESIZE,
					  PERM_WRITE | PERM_RESIZE };
	case ZQ_LOCK_SHARED:
		return (struct lock_set){ PERM_READ, 0 };
	case ZQ_LOCK_NONE:
		break;
	}
	return (struct lock_set){ 0, 0 };
}

/* F_OFD_* want l_pid to be 0. */
static struct flock one_byte(short type, int byte)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
}

static int set_byte(int fd, short type, int byte)
{
	struct flock fl = one_byte(type, byte);

	while (fcntl(fd, F_OFD_SETLK, &fl) < 0) {
		if (errno == EACCES)
			return -EAGAIN;
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/* Takes (F_RDLCK) or drops (F_UNLCK) the bytes of a set. */
static int set_bytes(int fd, short type, struct lock_set set)
{
	int result = 0;

	for (int i = 0; i < NR_PERMS; i++) {
		int ret = 0;

		if (set.used & (1u << i))
			ret = set_byte(fd, type, USED_BASE + i);
		if (!ret && set.unshared & (1u << i))
			ret = set_byte(fd, type, UNSHARED_BASE + i);
		if (ret && type != F_UNLCK)
			return ret;
		if (ret)
			result = ret;
	}
	return result;
}

/* -EAGAIN when another open file description holds a lock on the byte. */
static int test_byte(int fd, int byte)
{
	struct flock fl = one_byte(F_WRLCK, byte);

	while (fcntl(fd, F_OFD_GETLK, &fl) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return fl.l_type == F_UNLCK ? 0 : -EAGAIN;
}

/* Does somebody use what we do not share, or not share what we use? */
static int test_bytes(int fd, struct lock_set set)
{
	for (int i = 0; i < NR_PERMS; i++) {
		int ret = 0;

		if (set.used & (1u << i))
			ret = test_byte(fd, UNSHARED_BASE + i);
		if (!ret && set.unshared & (1u << i))
			ret = test_byte(fd, USED_BASE + i);
		if (ret)
			return ret;
	}
	return 0;
}

/* What is in a and not in b. */
static struct lock_set lock_set_minus(struct lock_set a, struct lock_set b)
{
	return (struct lock_set){ a.used & ~b.used, a.unshared & ~b.unshared };
}

int lock_change(int fd, enum zq_lock from, enum zq_lock to)
{
	struct lock_set had = lock_set_of(from), want = lock_set_of(to);
	struct lock_set more = lock_set_minus(want, had);
	int ret;

	ret = set_bytes(fd, F_RDLCK, more);
	if (!ret)
		ret = test_bytes(fd, want);
	if (ret) {
		set_bytes(fd, F_UNLCK, more);
		return ret;
	}
	return set_bytes(fd, F_UNLCK, lock_set_minus(had, want));
}
