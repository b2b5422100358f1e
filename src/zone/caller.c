/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the library and whoever calls it: which process and which thread may, the calls of the
 * caller's log function, and the sentence for a call that failed. Nothing here knows zones'
 * rules; callers.lock is the last one that is taken.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <syslog.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/math.h"
#include "zone/zone.h"

/* ---- the process ------------------------------------------------------------------------- */

/* A page that is all zeros in a child. NULL where the kernel cannot do that. */
static const atomic_bool *new_alive_page(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	atomic_bool *page =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	/* an emulator may agree to everything and do nothing: to nonsense too */
	if (madvise(page, size, MADV_WIPEONFORK) < 0 || madvise(page, size, -1) == 0) {
		munmap(page, size);
		return NULL;
	}
	atomic_store(page, true);
	return page;
}

int callers_init(struct callers *c)
{
	c->pid = getpid();
	c->alive = new_alive_page();
	return -pthread_mutex_init(&c->lock, NULL);
}

void callers_destroy(struct callers *c)
{
	if (c->alive)
		munmap((void *)c->alive, (size_t)sysconf(_SC_PAGESIZE));
	pthread_mutex_destroy(&c->lock);
}

bool device_is_forked(const struct zq_device *dev)
{
	const struct callers *c = &dev->callers;

	return c->alive ? !atomic_load_explicit(c->alive, memory_order_relaxed)
			: c->pid != getpid();
}

/* ---- the log function ------------------------------------------------------------------------ */

/* A call of it that is under way, on its thread's stack. */
struct log_call {
	pthread_t thread;
	struct log_call *next;
};

static void end_log_call(struct callers *c, const struct log_call *call)
{
	struct log_call *at;

	SCOPE_LOCK(&c->lock);
	at = atomic_load(&c->logging);
	if (at == call) {
		atomic_store(&c->logging, call->next);
		return;
	}
	while (at->next != call)
		at = at->next;
	at->next = call->next;
}

void device_log_line(struct zq_device *dev, int priority, const char *line)
{
	struct callers *c = &dev->callers;
	struct log_call call = { .thread = pthread_self() };

	if (!dev->opts.log)
		return;
	pthread_mutex_lock(&c->lock);
	call.next = atomic_load(&c->logging);
	atomic_store(&c->logging, &call);
	pthread_mutex_unlock(&c->lock);
	dev->opts.log(dev->opts.log_data, priority, line);
	end_log_call(c, &call);
}

void device_log(struct zq_device *dev, int priority, const char *fmt, ...)
{
	char msg[256], line[512];
	va_list ap;

	if (!dev->opts.log)
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	snprintf(line, sizeof(line), "%.200s: %s", qcow2_name(dev->img), msg);
	device_log_line(dev, priority, line);
}

/* Is this thread in the log function? */
static bool is_logging(struct callers *c)
{
	SCOPE_LOCK(&c->lock);
	for (struct log_call *at = atomic_load(&c->logging); at; at = at->next)
		if (pthread_equal(at->thread, pthread_self()))
			return true;
	return false;
}

int device_check_caller(struct zq_device *dev)
{
	if (device_is_forked(dev))
		return -ESTALE;
	return is_logging(&dev->callers) ? -EDEADLK : 0;
}

int iovec_length(const struct iovec *iov, int niov, uint64_t *len)
{
	*len = 0;
	if (niov < 0 || (niov && !iov))
		return -EINVAL;
	for (int i = 0; i < niov; i++)
		if ((!iov[i].iov_base && iov[i].iov_len) || !add_u64(*len, iov[i].iov_len, len) ||
		    *len > SSIZE_MAX)
			return -EINVAL;
	return 0;
}

/* ---- why a call failed --------------------------------------------------------------------- */

static void default_reason(struct zq_device *dev, uint32_t zone, int rc, char *buf, size_t size)
{
	const struct zq_geometry *g = &dev->geo;
	bool exists = zone < g->nr_zones;

	if (rc == -EROFS)
		snprintf(buf, size, "the device is read-only: %s", zq_device_readonly_reason(dev));
	else if (rc == -EINVAL && zone != ZONE_NONE && !exists)
		snprintf(buf, size, "there is no such zone, the last is %u", g->nr_zones - 1);
	else if ((rc == -EPERM || rc == -EINVAL) && exists)
		snprintf(buf, size, "not possible, the zone is %s",
			 zq_state_name(zone_state(dev, zone)));
	else if (rc == -EFBIG && exists && !zq_zone_is_conv(g, zone))
		snprintf(buf, size, "behind the zone's capacity of %" PRIu64, zq_zone_cap(g, zone));
	else if (rc == -EFBIG)
		snprintf(buf, size, "behind the conventional zones");
	else if (rc == -EBUSY)
		snprintf(buf, size,
			 "no open or active zone is left (max_open_zones %u, "
			 "max_active_zones %u)",
			 g->max_open, g->max_active);
	else
		snprintf(buf, size, "%s", strerror(-rc));
}

static struct call_failure *failure_of(struct callers *c, pthread_t thread)
{
	for (unsigned i = 0; i < ARRAY_SIZE(c->failure); i++)
		if (c->failure[i].why[0] && pthread_equal(c->failure[i].thread, thread))
			return &c->failure[i];
	return NULL;
}

static void keep_failure(struct callers *c, const char *sentence)
{
	struct call_failure *f;

	SCOPE_LOCK(&c->lock);
	f = failure_of(c, pthread_self());
	if (!f) {
		f = &c->failure[c->oldest];
		c->oldest = (c->oldest + 1) % ARRAY_SIZE(c->failure);
	}
	f->thread = pthread_self();
	snprintf(f->why, sizeof(f->why), "%s", sentence);
}

int call_failed(struct zq_device *dev, const struct call *c, int rc, const char *why)
{
	char reason[sizeof(dev->why_readonly) + 32], label[ZQ_ZONE_LABEL_MAX],
		zone[ZQ_ZONE_LABEL_MAX + 2] = "", sentence[sizeof(dev->callers.failure[0].why)];

	if (why && rc != -EINVAL)
		snprintf(reason, sizeof(reason), "%s: %s", why, strerror(-rc));
	else if (why)
		snprintf(reason, sizeof(reason), "%s", why);
	else
		default_reason(dev, c->zone, rc, reason, sizeof(reason));
	if (c->zone < dev->geo.nr_zones)
		snprintf(zone, sizeof(zone),
			 "%s: ", zq_zone_label(dev->geo.nr_conv, c->zone, label));
	else if (c->zone != ZONE_NONE)
		snprintf(zone, sizeof(zone), "zone %u: ", c->zone);
	if (c->len || c->off)
		snprintf(sentence, sizeof(sentence), "%s%s of %" PRIu64 " bytes at %" PRIu64 ": %s",
			 zone, c->name, c->len, c->off, reason);
	else
		snprintf(sentence, sizeof(sentence), "%s%s: %s", zone, c->name, reason);
	keep_failure(&dev->callers, sentence);
	return rc;
}

void zq_last_error(struct zq_device *dev, struct zq_error *err)
{
	const struct call_failure *f;

	if (!err)
		return;
	if (device_is_forked(dev)) {
		zq_fail(err, 0, "the device belongs to the process that opened it");
		return;
	}
	SCOPE_LOCK(&dev->callers.lock);
	f = failure_of(&dev->callers, pthread_self());
	zq_fail(err, 0, "%s", f ? f->why : "");
}

const char *zq_device_readonly_reason(const struct zq_device *dev)
{
	/* the text is complete before the flag is set, and does not change afterwards */
	return device_check_writable(dev) < 0 ? dev->why_readonly : "";
}
