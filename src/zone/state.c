/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The zone state machine and the names of the states. Pure: no I/O, no locks, no memory.
 *
 * Where the standards differ: closing an empty, closed or full zone succeeds and does
 * nothing, as ZBC and the kernel's zone management have it (ZNS makes it an error), since a
 * last close must not fail because a write filled the zone. Explicitly opening a full zone is
 * impossible in all of them.
 */
#include <errno.h>
#include <string.h>

#include "util/math.h"
#include "zone/state.h"

/* Can one more zone become active? */
static bool active_free(const struct zone_slots *s, const struct zone_limits *l)
{
	uint64_t active = (uint64_t)s->implicit + s->explicit + s->closed;

	return !l->max_active || active < l->max_active;
}

/* An open slot for a zone that has none. */
static int get_open(const struct zone_slots *s, const struct zone_limits *l, bool *evict)
{
	*evict = false;
	if (!l->max_open || (uint64_t)s->implicit + s->explicit < l->max_open)
		return 0;
	if (!s->implicit)
		return -EBUSY;
	*evict = true;
	return 0;
}

/* What opening a zone in this state takes; the zone that makes room stays active. */
static int get_slots(enum zq_zone_state state, const struct zone_slots *s,
		     const struct zone_limits *l, bool *evict)
{
	*evict = false;
	if (state == ZQ_EMPTY && !active_free(s, l))
		return -EBUSY;
	if (state == ZQ_EMPTY || state == ZQ_CLOSED)
		return get_open(s, l, evict);
	return 0;
}

static enum zq_zone_state after_close(enum zq_zone_state state, bool at_start)
{
	if (state != ZQ_IMPLICIT_OPEN && state != ZQ_EXPLICIT_OPEN)
		return state;
	return at_start ? ZQ_EMPTY : ZQ_CLOSED;
}

static enum zq_zone_state after_write(enum zq_zone_state state, bool fills)
{
	if (fills)
		return ZQ_FULL;
	return state == ZQ_EXPLICIT_OPEN ? ZQ_EXPLICIT_OPEN : ZQ_IMPLICIT_OPEN;
}

int zone_step(enum zq_zone_state state, enum zone_op op, bool at_start, bool fills,
	      const struct zone_slots *slots, const struct zone_limits *limits,
	      struct zone_step *step)
{
	struct zone_step s = { .next = state };
	int rc = 0;

	if (state == ZQ_READ_ONLY || state == ZQ_OFFLINE)
		return -EPERM;
	if (state >= ZQ_NR_STATES || state == ZQ_NOT_WP)
		return -EINVAL;
	switch (op) {
	case ZONE_OP_WRITE:
		if (state == ZQ_FULL)
			return -EINVAL;
		rc = get_slots(state, slots, limits, &s.evict);
		s.next = after_write(state, fills);
		break;
	case ZONE_OP_OPEN:
		if (state == ZQ_FULL)
			return -EINVAL;
		rc = get_slots(state, slots, limits, &s.evict);
		s.next = ZQ_EXPLICIT_OPEN;
		break;
	case ZONE_OP_CLOSE:
		s.next = after_close(state, at_start);
		break;
	case ZONE_OP_FINISH:
		rc = get_slots(state, slots, limits, &s.evict);
		s.next = ZQ_FULL;
		break;
	case ZONE_OP_RESET:
		s.next = state == ZQ_EXPLICIT_OPEN ? ZQ_EXPLICIT_OPEN : ZQ_EMPTY;
		break;
	case ZONE_NR_OPS:
	default:
		return -EINVAL;
	}
	if (rc == 0)
		*step = s;
	return rc;
}

static const char *const state_names[ZQ_NR_STATES] = {
	[ZQ_NOT_WP] = "not-wp",
	[ZQ_EMPTY] = "empty",
	[ZQ_IMPLICIT_OPEN] = "implicit-open",
	[ZQ_EXPLICIT_OPEN] = "explicit-open",
	[ZQ_CLOSED] = "closed",
	[ZQ_FULL] = "full",
	[ZQ_READ_ONLY] = "read-only",
	[ZQ_OFFLINE] = "offline",
};

const char *zq_state_name(enum zq_zone_state state)
{
	return state < ZQ_NR_STATES ? state_names[state] : "unknown";
}

int zq_state_from_name(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(state_names); i++)
		if (strcmp(name, state_names[i]) == 0)
			return (int)i;
	return -EINVAL;
}
