/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The zone state machine: pure. A state, an operation, the counters and the limits in; the
 * new state, what must be done first, or an error out. No I/O, no locks, no memory.
 * What a user sees of it is in fs/SEMANTICS.
 */
#ifndef ZQ_ZONE_STATE_H
#define ZQ_ZONE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <zqfs/device.h>

enum zone_op {
	ZONE_OP_WRITE, /* implicit open; becomes full when the pointer reaches the capacity */
	ZONE_OP_OPEN,  /* explicit open */
	ZONE_OP_CLOSE,
	ZONE_OP_FINISH,
	ZONE_OP_RESET,
	ZONE_NR_OPS,
};

struct zone_limits {
	uint32_t max_open, max_active; /* 0: no limit */
};

struct zone_slots { /* how many zones are in each state that takes a slot */
	uint32_t implicit, explicit, closed;
};

struct zone_step {
	enum zq_zone_state next;
	bool evict; /* an implicitly open zone must be closed first to make room */
};

/*
 * What op does to a zone in this state. at_start: the write pointer stands at the zone's
 * start; fills (for ZONE_OP_WRITE): the write reaches the capacity.
 * 0 and *step; -EBUSY: no open or active slot can be had; -EINVAL: not possible in this
 * state (a write to a full zone, its explicit open, anything on a conventional zone); -EPERM: the
 * zone is read-only or offline. On error *step is untouched. Closing an empty, closed or full
 * zone and finishing a full one succeed and change nothing.
 */
int zone_step(enum zq_zone_state state, enum zone_op op, bool at_start, bool fills,
	      const struct zone_slots *slots, const struct zone_limits *limits,
	      struct zone_step *step);

#endif
