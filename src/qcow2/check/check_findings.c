/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What check says, reads and writes: findings with their counters, reads that report damage,
 * writes that stop at the first failure. The lowest file of this folder.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/check/check_priv.h"
#include "util/random.h"

void check_found(struct check *c, enum zq_finding_kind kind, uint64_t nr, bool fixed,
		 const char *fmt, ...)
{
	struct zq_check_result *res = c->res;
	char line[320];
	va_list ap;

	switch (kind) {
	case ZQ_FOUND_NOTE:
		res->notes += nr;
		break;
	case ZQ_FOUND_LEAK:
		res->leaks += nr;
		res->leaks_fixed += fixed ? nr : 0;
		break;
	case ZQ_FOUND_CORRUPTION:
		res->corruptions += nr;
		res->corruptions_fixed += fixed ? nr : 0;
		break;
	}
	if (!c->opts->found)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	c->opts->found(c->opts->data, kind, fixed, line);
}

void check_progress(struct check *c, double done)
{
	const struct zq_check_opts *o = c->opts;

	if (o->progress)
		o->progress(o->data, done);
	/* at the end it is too late, and a repair is never left half done */
	if (!c->error && done < 1 && o->cancelled && o->cancelled(o->data))
		c->error = -ECANCELED;
}

bool check_read(struct check *c, void *buf, size_t len, uint64_t off, const char *what)
{
	int ret = io_pread(c->io, buf, len, off);

	if (ret) {
		c->unreadable = true;
		check_damage(c, "%s at 0x%" PRIx64 " cannot be read: %s", what, off,
			     strerror(-ret));
	}
	return !ret;
}

bool check_write(struct check *c, const void *buf, size_t len, uint64_t off)
{
	if (!c->error)
		c->error = io_write(c->io, buf, len, off);
	return !c->error;
}

bool check_flush(struct check *c)
{
	if (!c->error)
		c->error = io_flush(c->io);
	return !c->error;
}

/* Overlays must not take a changed image for the disk that they know. One that is just being
 * written down into it hides what changes, and may go on. */
void check_renew_identity(struct check *c)
{
	struct qcow2_identity id = c->hdr->identity;
	uint8_t data[IDENTITY_BYTES];

	if (!id.present || id.unfinished || !check_repairs(c) || c->refs_only || c->renewed)
		return;
	c->renewed = true;
	id.id = random_u64();
	identity_encode(&id, data);
	check_write(c, data, sizeof(data), id.at);
	check_flush(c);
}
