/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The end of a source and of a target.
 */
#include "convert/disk.h"

#include <stdlib.h>

void disk_source_close(struct disk_source *s)
{
	if (!s)
		return;
	s->ops->close(s);
	free(s->zone);
	free(s);
}

void disk_target_end(struct disk_target *t)
{
	if (!t)
		return;
	t->ops->close(t);
	free(t);
}
