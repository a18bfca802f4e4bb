/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: the maple tree is the kernel's own, cut, except for its debugging. */
#ifndef _LINUX_MAPLE_TREE_H
#define _LINUX_MAPLE_TREE_H

struct lockdep_map;
struct ma_state;
struct ma_wr_state;

/* --- Duplicate --- */

typedef struct lockdep_map *lockdep_map_p;

/* --- No-op --- */

static inline struct lockdep_map *mas_lockdep_map(struct ma_state *mas)
{
	return (void *)0;
}

/* A macro: 6.1 is told no format. */
#define mt_dump(...) do {} while (0)

static inline void mas_dump(const struct ma_state *mas)
{
}

static inline void mas_wr_dump(const struct ma_wr_state *wr_mas)
{
}

#endif /* _LINUX_MAPLE_TREE_H */
