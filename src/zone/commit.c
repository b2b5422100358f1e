/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One commit of the image: its failure, the memory that it may need, and what must be committed
 * before bytes are overwritten. When commits happen is in committer.c.
 */
#include <errno.h>
#include <sys/mman.h>

#include "util/cleanup.h"
#include "zone/zone.h"

/* Enough for what a commit of one change allocates. The pages are never touched, so they cost no
 * memory. */
#define RESERVE_BYTES ((size_t)4 << 20)

/* A disk that stays broken is told of once. */
static bool is_news(struct zq_device *dev, int rc)
{
	SCOPE_LOCK(&dev->committer.lock);
	if (rc == dev->committer.logged)
		return false;
	dev->committer.logged = rc;
	return true;
}

int commit_failed(struct zq_device *dev, int rc)
{
	if (is_news(dev, rc))
		commit_fault(dev, rc);
	return host_error(dev, rc);
}

int device_reserve(struct zq_device *dev, bool sync)
{
	void *none = NULL, *p;

	if ((!sync && !dev->opts.sync) || atomic_load(&dev->committer.reserve))
		return 0;
	/* not malloc(): any arena of it can make use of this when it is given back */
	p = mmap(NULL, RESERVE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	if (!atomic_compare_exchange_strong(&dev->committer.reserve, &none, p))
		munmap(p, RESERVE_BYTES);
	return 0;
}

bool device_drop_reserve(struct zq_device *dev)
{
	void *p = atomic_exchange(&dev->committer.reserve, NULL);

	if (p)
		munmap(p, RESERVE_BYTES);
	return p != NULL;
}

int device_commit(struct zq_device *dev)
{
	int rc;

	atomic_fetch_add(&dev->committer.underway, 1);
	rc = qcow2_commit(dev->img);
	if (rc == -ENOMEM && device_drop_reserve(dev))
		rc = qcow2_commit(dev->img);
	atomic_fetch_sub(&dev->committer.underway, 1);
	if (rc < 0)
		return commit_failed(dev, rc);
	is_news(dev, rc);
	return rc;
}

/* Where zeroing overwrites bytes, no pointer on disk may cover them any more. */
int zone_erase_image(struct zq_device *dev, uint32_t zone)
{
	uint64_t start = zq_zone_start(&dev->geo, zone), len = zq_zone_len(&dev->geo, zone);
	int rc = 0;

	if (qcow2_zero_in_place(dev->img, start, len)) {
		rc = qcow2_wp_settle(dev->img);
		if (rc < 0)
			rc = commit_failed(dev, rc);
	}
	return rc < 0 ? rc : qcow2_zero(dev->img, start, len);
}
