/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: no block device. In linux/blk_plug.h since 7.3. */
#ifndef _LINUX_BLKDEV_H
#define _LINUX_BLKDEV_H

/* --- Duplicate --- */

struct blk_plug {};

/* --- No-op --- */

static inline void blk_start_plug(struct blk_plug *plug)
{
}

static inline void blk_finish_plug(struct blk_plug *plug)
{
}

#endif /* _LINUX_BLKDEV_H */
