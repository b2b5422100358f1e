/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reader of /proc/self/mountinfo. Owns the list that it returns, keeps nothing between
 * calls. Asks a mount only what it alone can tell: one whose server hangs keeps us waiting then,
 * until we are interrupted, if it is the very one that the caller is about.
 */
#include "cli/ask.h"
#include "cli/mounts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <zqfs/io.h>

#include "util/cleanup.h"
#include "util/file_id.h"
#include "util/size.h"

/* The kernel writes blanks and backslashes in paths as \040: three octal digits. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (; *list; list += strcspn(list, ","), list += *list == ',')
		if (!strncmp(list, word, len) && (list[len] == ',' || !list[len]))
			return true;
	return false;
}

/*
 * "36 35 98:0 /root /dir rw,noatime master:1 - type source rw,options": six fields, any
 * number of optional ones, a dash, three more.
 */
static bool parse_line(char *line, struct mount_entry *e)
{
	char *save = NULL, *field[6], *type, *source, *super;
	uint64_t major_nr, minor_nr;
	char *colon;

	line[strcspn(line, "\n")] = '\0';
	for (int i = 0; i < 6; i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return false;
	}
	do {
		type = strtok_r(NULL, " ", &save);
	} while (type && strcmp(type, "-"));
	type = strtok_r(NULL, " ", &save);
	source = strtok_r(NULL, " ", &save);
	super = strtok_r(NULL, " ", &save);
	colon = strchr(field[2], ':');
	if (!type || !source || !colon)
		return false;
	*colon = '\0';
	if (number_parse(field[2], UINT32_MAX, &major_nr) ||
	    number_parse(colon + 1, UINT32_MAX, &minor_nr))
		return false;
	unescape(field[4]);
	unescape(source);
	e->type = strdup(type);
	e->source = strdup(source);
	e->dir = strdup(field[4]);
	e->dev = makedev((unsigned)major_nr, (unsigned)minor_nr);
	e->readonly = has_word(field[5], "ro") || (super && has_word(super, "ro"));
	return true;
}

static void free_entry(struct mount_entry *e)
{
	free(e->type);
	free(e->source);
	free(e->dir);
}

int mounts_load(struct mount_list *list)
{
	return mounts_load_of(list, "self");
}

int mounts_load_of(struct mount_list *list, const char *pid)
{
	char path[64];
	FILE *f;
	char *line CLEANUP_FREE = NULL;
	size_t room = 0, size = 0;
	int ret = 0;

	*list = (struct mount_list){ 0 };
	snprintf(path, sizeof(path), "/proc/%.20s/mountinfo", pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (!ret && getline(&line, &size, f) >= 0) {
		struct mount_entry *bigger, entry = { 0 };

		if (!parse_line(line, &entry))
			continue;
		if (list->nr == room) {
			room = room ? 2 * room : 64;
			bigger = reallocarray(list->e, room, sizeof(*bigger));
			if (!bigger) {
				free_entry(&entry);
				ret = -ENOMEM;
				break;
			}
			list->e = bigger;
		}
		list->e[list->nr++] = entry;
		if (!entry.type || !entry.source || !entry.dir)
			ret = -ENOMEM;
	}
	fclose(f);
	return ret;
}

void mounts_free(struct mount_list *list)
{
	for (size_t i = 0; i < list->nr; i++)
		free_entry(&list->e[i]);
	free(list->e);
	*list = (struct mount_list){ 0 };
}

static bool shows_image(const struct mount_entry *e, const char *id, bool not_known)
{
	char shown[FILE_ID_MAX];

	return mount_ask(e, "user.zone.image", shown, sizeof(shown)) ? !strcmp(shown, id)
								     : not_known;
}

bool mounts_image_locked(const char *path)
{
	struct zq_io *io;
	bool locked;

	if (zq_io_open(path, false, &io, NULL))
		return false; /* gone or unreadable: there is nothing to ask */
	locked = io->ops->lock(io, ZQ_LOCK_READ) == -EAGAIN;
	io->ops->close(io);
	return locked;
}

static const struct mount_entry *by_source(const struct mount_list *list, const char *source,
					   const char *id)
{
	const struct mount_entry *found = NULL;

	for (size_t i = 0; i < list->nr; i++) {
		const struct mount_entry *e = &list->e[i];

		if (mount_is_zqfs(e) && !strcmp(e->source, source) && (!found || found->readonly) &&
		    shows_image(e, id, true))
			found = e;
	}
	return found;
}

const struct mount_entry *mounts_of_image(const struct mount_list *list, const char *path)
{
	char *real CLEANUP_FREE = realpath(path, NULL);
	const struct mount_entry *found;
	char id[FILE_ID_MAX];
	struct stat st;

	if (!real || stat(real, &st) || S_ISDIR(st.st_mode))
		return NULL;
	file_id(&st, id);
	found = by_source(list, real, id);
	/* asks every mount, so only where some process must have the image */
	return found || !mounts_image_locked(real) ? found : ask_for_image(list, id);
}

const struct mount_entry *mounts_at(const struct mount_list *list, const char *dir)
{
	for (size_t i = list->nr; i-- > 0;)
		if (!strcmp(list->e[i].dir, dir))
			return &list->e[i];
	return NULL;
}

const struct mount_entry *mounts_again(const struct mount_list *list, const struct mount_entry *e)
{
	for (size_t i = list->nr; i-- > 0;)
		if (list->e[i].dev == e->dev && mount_is_zqfs(&list->e[i]) &&
		    !strcmp(list->e[i].source, e->source))
			return &list->e[i];
	return NULL;
}

const struct mount_entry *mounts_of_dev(const struct mount_list *list, dev_t dev)
{
	for (size_t i = list->nr; i-- > 0;)
		if (list->e[i].dev == dev)
			return &list->e[i];
	return NULL;
}

char *mounts_resolve(const char *path)
{
	char *real = realpath(path, NULL), *copy CLEANUP_FREE = NULL, *joined = NULL;
	char *parent CLEANUP_FREE = NULL, *slash;
	size_t len = strlen(path);

	if (real || !len)
		return real;
	/* The last component may be a mount whose server is gone; its parent is not. */
	while (len > 1 && path[len - 1] == '/')
		len--;
	copy = strndup(path, len);
	if (!copy)
		return NULL;
	slash = strrchr(copy, '/');
	if (slash == copy) {
		joined = strdup(copy);
		return joined;
	}
	if (slash)
		*slash = '\0';
	parent = realpath(slash ? copy : ".", NULL);
	if (!parent || asprintf(&joined, "%s/%s", strcmp(parent, "/") ? parent : "",
				slash ? slash + 1 : copy) < 0)
		return NULL;
	return joined;
}
