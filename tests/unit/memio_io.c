/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * struct zq_io on a memio: every operation is counted, may be made to fail, and is logged
 * when it changes the file. m->lock is never held while the hook runs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memio_priv.h"
#include "util/cleanup.h"
#include "util/math.h"

struct mem_file { /* an open io */
	struct zq_io io;
	struct memio *m;
	struct mem_file *next;
	unsigned mode; /* enum zq_lock */
	char name[256];
};

/* ---- log; with the lock held -------------------------------------------------------------- */

void log_drop(struct memio *m)
{
	for (size_t i = 0; i < m->nr_log; i++)
		free(m->log[i].data);
	m->nr_log = 0;
}

static void log_add(struct memio *m, enum memio_op op, uint64_t off, uint64_t len, uint8_t *data)
{
	if (m->nr_log == m->cap_log) {
		m->cap_log = m->cap_log ? 2 * m->cap_log : 64;
		m->log = memio_must(realloc(m->log, m->cap_log * sizeof(*m->log)));
	}
	m->log[m->nr_log++] = (struct memio_entry){ op, off, len, data };
}

/* ---- the io ---------------------------------------------------------------------------------- */

static struct memio *of(struct zq_io *io)
{
	return ((struct mem_file *)io)->m;
}

/*
 * Counts the operation and asks the hook and the faults. 0, or the error that it shall
 * return; *apply is then the part of a write that arrives nevertheless.
 */
static int before(struct memio *m, enum memio_op op, uint64_t off, uint64_t len, uint64_t *apply)
{
	memio_hook hook;
	void *data;
	int ret = 0;

	*apply = 0;
	pthread_mutex_lock(&m->lock);
	hook = m->hook;
	data = m->hook_data;
	m->stats.ops[op]++;
	pthread_mutex_unlock(&m->lock);

	if (hook)
		ret = hook(data, op, off, len, apply);

	pthread_mutex_lock(&m->lock);
	if (!ret && m->fault[op].err && !m->fault[op].after) {
		ret = -m->fault[op].err;
		*apply = m->fault[op].apply;
		if (!m->fault[op].sticky)
			m->fault[op].err = 0;
		m->failures[op]++;
	} else if (m->fault[op].err && m->fault[op].after) {
		m->fault[op].after--;
	}
	if (!ret)
		m->stats.bytes[op] += len;
	pthread_mutex_unlock(&m->lock);
	*apply = min_u64(*apply, len);
	return ret;
}

static int mem_pread(struct zq_io *io, void *buf, size_t len, uint64_t off)
{
	uint64_t apply;
	int ret = before(of(io), MEMIO_READ, off, len, &apply);

	if (ret)
		return ret;
	SCOPE_LOCK(&of(io)->lock);
	content_read(of(io), off, buf, len);
	return 0;
}

static int mem_pwritev(struct zq_io *io, const struct iovec *iov, int niov, uint64_t off)
{
	struct memio *m = of(io);
	uint64_t len = 0, done = 0, apply;
	uint8_t *copy;
	int ret;

	for (int i = 0; i < niov; i++)
		len += iov[i].iov_len;
	copy = memio_must(malloc(len + 1));
	for (int i = 0; i < niov; i++) {
		memcpy(copy + done, iov[i].iov_base, iov[i].iov_len);
		done += iov[i].iov_len;
	}
	ret = io->writable ? before(m, MEMIO_WRITE, off, len, &apply) : -EBADF;
	if (!ret)
		apply = len;
	else if (!io->writable)
		apply = 0;

	SCOPE_LOCK(&m->lock);
	if (!ret && content_fit(m, off, len) < len) {
		ret = -ENOSPC;
		apply = content_fit(m, off, len);
	}
	content_write(m, off, copy, apply);
	cache_note(m, MEMIO_WRITE, off, apply);
	if (m->logging && apply)
		log_add(m, MEMIO_WRITE, off, apply, copy);
	else
		free(copy);
	return ret;
}

static int mem_flush(struct zq_io *io)
{
	struct memio *m = of(io);
	uint64_t began = memio_log_count(m), apply;
	int ret = before(m, MEMIO_FLUSH, 0, 0, &apply);

	SCOPE_LOCK(&m->lock);
	cache_flush(m, !ret);
	if (!ret && m->logging)
		log_add(m, MEMIO_FLUSH, began, 0, NULL);
	return ret;
}

static int mem_punch(struct zq_io *io, uint64_t off, uint64_t len)
{
	struct memio *m = of(io);
	uint64_t apply;
	int ret = before(m, MEMIO_PUNCH, off, len, &apply);

	SCOPE_LOCK(&m->lock);
	if (!ret && m->no_punch)
		ret = -EOPNOTSUPP;
	if (!ret && !io->writable)
		ret = -EBADF;
	if (ret)
		return ret;
	content_punch(m, off, len);
	cache_note(m, MEMIO_PUNCH, off, len);
	if (m->logging)
		log_add(m, MEMIO_PUNCH, off, len, NULL);
	return 0;
}

static int mem_reserve(struct zq_io *io, uint64_t off, uint64_t len)
{
	struct memio *m = of(io);
	uint64_t apply;
	int ret = before(m, MEMIO_RESERVE, off, len, &apply);

	SCOPE_LOCK(&m->lock);
	if (!ret && !io->writable)
		ret = -EBADF;
	if (!ret && m->no_reserve)
		ret = -EOPNOTSUPP;
	if (!ret && content_fit(m, off, len) < len)
		ret = -ENOSPC;
	if (ret || m->device)
		return ret;
	content_reserve(m, off, len);
	if (off + len <= m->size)
		return 0;
	content_resize(m, off + len);
	cache_note(m, MEMIO_TRUNCATE, off + len, 0);
	if (m->logging)
		log_add(m, MEMIO_TRUNCATE, off + len, 0, NULL);
	return 0;
}

static int mem_seek(struct zq_io *io, uint64_t off, bool hole, uint64_t *found)
{
	struct memio *m = of(io);
	uint64_t apply;
	int ret = before(m, MEMIO_SEEK, off, 0, &apply);

	if (ret)
		return ret;
	SCOPE_LOCK(&m->lock);
	return content_seek(m, off, hole, found);
}

static int mem_size(struct zq_io *io, uint64_t *size)
{
	uint64_t apply;
	int ret = before(of(io), MEMIO_SIZE, 0, 0, &apply);

	if (!ret)
		*size = memio_size(of(io));
	return ret;
}

static int mem_truncate(struct zq_io *io, uint64_t size)
{
	struct memio *m = of(io);
	uint64_t apply;
	int ret = before(m, MEMIO_TRUNCATE, size, 0, &apply);

	SCOPE_LOCK(&m->lock);
	if (!ret && !io->writable)
		ret = -EBADF;
	if (!ret && m->limit && size > m->limit)
		ret = -ENOSPC;
	if (ret || m->device)
		return ret;
	content_resize(m, size);
	cache_note(m, MEMIO_TRUNCATE, size, 0);
	if (m->logging)
		log_add(m, MEMIO_TRUNCATE, size, 0, NULL);
	return 0;
}

static int mem_usage(struct zq_io *io, uint64_t *bytes)
{
	uint64_t apply;
	int ret = before(of(io), MEMIO_USAGE, 0, 0, &apply);

	if (!ret)
		*bytes = memio_used(of(io));
	return ret;
}

static bool modes_conflict(unsigned a, unsigned b)
{
	bool a_locks = a == ZQ_LOCK_READ || a == ZQ_LOCK_WRITE;
	bool b_locks = b == ZQ_LOCK_READ || b == ZQ_LOCK_WRITE;

	return a_locks && b_locks && (a == ZQ_LOCK_WRITE || b == ZQ_LOCK_WRITE);
}

static int mem_lock(struct zq_io *io, unsigned mode)
{
	struct mem_file *self = (struct mem_file *)io;
	uint64_t apply;
	int ret = before(self->m, MEMIO_LOCK, 0, 0, &apply);

	SCOPE_LOCK(&self->m->lock);
	for (struct mem_file *f = self->m->open; f && !ret; f = f->next)
		if (f != self && modes_conflict(mode, f->mode))
			ret = -EAGAIN;
	if (!ret)
		self->mode = mode;
	return ret;
}

static int mem_cold_start(struct zq_io *io)
{
	struct memio *m = of(io);

	SCOPE_LOCK(&m->lock);
	m->stats.cold_starts++;
	cache_drop(m);
	return 0;
}

static void mem_close(struct zq_io *io)
{
	struct mem_file *self = (struct mem_file *)io;
	struct memio *m = self->m;
	struct mem_file **f = &m->open;

	pthread_mutex_lock(&m->lock);
	m->stats.ops[MEMIO_CLOSE]++;
	while (*f != self)
		f = &(*f)->next;
	*f = self->next;
	pthread_mutex_unlock(&m->lock);
	free(self);
}

static const struct zq_io_ops mem_ops = {
	.pread = mem_pread,
	.pwritev = mem_pwritev,
	.flush = mem_flush,
	.punch = mem_punch,
	.reserve = mem_reserve,
	.seek = mem_seek,
	.size = mem_size,
	.truncate = mem_truncate,
	.usage = mem_usage,
	.lock = mem_lock,
	.close = mem_close,
	.struct_size = sizeof(struct zq_io_ops),
	.cold_start = mem_cold_start,
};

struct zq_io *memio_open(struct memio *m, const char *name, bool writable)
{
	struct mem_file *f = memio_must(calloc(1, sizeof(*f)));

	snprintf(f->name, sizeof(f->name), "%s", name);
	f->io = (struct zq_io){ .ops = &mem_ops, .name = f->name, .writable = writable };
	f->m = m;
	SCOPE_LOCK(&m->lock);
	f->next = m->open;
	m->open = f;
	return &f->io;
}

unsigned memio_open_count(struct memio *m)
{
	unsigned n = 0;

	SCOPE_LOCK(&m->lock);
	for (struct mem_file *f = m->open; f; f = f->next)
		n++;
	return n;
}

/* ---- settings and counters ------------------------------------------------------------ */

void memio_set_hook(struct memio *m, memio_hook hook, void *data)
{
	SCOPE_LOCK(&m->lock);
	m->hook = hook;
	m->hook_data = data;
}

void memio_fail(struct memio *m, enum memio_op op, uint64_t n, int err, bool sticky, uint64_t apply)
{
	SCOPE_LOCK(&m->lock);
	m->fault[op] = (struct fault){ n, apply, err, sticky };
}

uint64_t memio_failures(struct memio *m, enum memio_op op)
{
	SCOPE_LOCK(&m->lock);
	return m->failures[op];
}

void memio_set_limit(struct memio *m, uint64_t bytes)
{
	SCOPE_LOCK(&m->lock);
	m->limit = bytes;
}

void memio_set_room(struct memio *m, uint64_t bytes)
{
	SCOPE_LOCK(&m->lock);
	m->room = bytes / MEMIO_PAGE;
}

void memio_set_device(struct memio *m, uint64_t bytes)
{
	SCOPE_LOCK(&m->lock);
	m->device = true;
	m->limit = m->size = bytes;
}

void memio_set_no_reserve(struct memio *m, bool no_reserve)
{
	SCOPE_LOCK(&m->lock);
	m->no_reserve = no_reserve;
}

void memio_set_no_punch(struct memio *m, bool no_punch)
{
	SCOPE_LOCK(&m->lock);
	m->no_punch = no_punch;
}

void memio_get_stats(struct memio *m, struct memio_stats *st)
{
	SCOPE_LOCK(&m->lock);
	*st = m->stats;
}

void memio_clear_stats(struct memio *m)
{
	SCOPE_LOCK(&m->lock);
	memset(&m->stats, 0, sizeof(m->stats));
}

/* ---- log and replay ------------------------------------------------------------------- */

void memio_log_start(struct memio *m)
{
	SCOPE_LOCK(&m->lock);
	log_drop(m);
	m->logging = true;
}

void memio_log_stop(struct memio *m)
{
	SCOPE_LOCK(&m->lock);
	m->logging = false;
}

size_t memio_log_count(struct memio *m)
{
	SCOPE_LOCK(&m->lock);
	return m->nr_log;
}

const struct memio_entry *memio_log_get(struct memio *m, size_t i)
{
	SCOPE_LOCK(&m->lock);
	return i < m->nr_log ? &m->log[i] : NULL;
}

void memio_replay(struct memio *from, size_t first, size_t last, struct memio *to,
		  bool (*keep)(void *data, size_t i, const struct memio_entry *e, uint64_t *len),
		  void *data)
{
	for (size_t i = first; i < last; i++) {
		const struct memio_entry *e = memio_log_get(from, i);
		uint64_t len;

		if (!e)
			return;
		len = e->len;
		if (keep && !keep(data, i, e, &len))
			continue;
		SCOPE_LOCK(&to->lock);
		if (e->op == MEMIO_WRITE)
			content_write(to, e->off, e->data, min_u64(len, e->len));
		else if (e->op == MEMIO_PUNCH)
			content_punch(to, e->off, e->len);
		else if (e->op == MEMIO_TRUNCATE)
			content_resize(to, e->off);
	}
}

size_t memio_log_last_flush(struct memio *m, size_t at)
{
	size_t best = 0;

	SCOPE_LOCK(&m->lock);
	for (size_t i = min_u64(at, m->nr_log); i > best; i--) {
		const struct memio_entry *e = &m->log[i - 1];

		if (e->op == MEMIO_FLUSH) /* with nothing in between, it is safe itself */
			best = max_u64(best, e->off == i - 1 ? i : e->off);
	}
	return best;
}
