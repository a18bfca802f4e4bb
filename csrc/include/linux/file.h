/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: files live as long as their world. */
#ifndef _LINUX_FILE_H
#define _LINUX_FILE_H

struct file;

/* --- No-op --- */

static inline void fput(struct file *file)
{
}

#endif /* _LINUX_FILE_H */
