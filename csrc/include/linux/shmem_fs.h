/* SPDX-License-Identifier: GPL-2.0-only */
/* Stand-in: no file is one of shmem. */
#ifndef _LINUX_SHMEM_FS_H
#define _LINUX_SHMEM_FS_H

#include <linux/types.h>

struct file;
struct vm_area_struct;

/* --- No-op --- */

static inline bool shmem_file(struct file *file)
{
	return false;
}

static inline int shmem_zero_setup(struct vm_area_struct *vma)
{
	return 0;
}

#endif /* _LINUX_SHMEM_FS_H */
