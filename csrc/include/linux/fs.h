/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stand-in: a file is plain, and has no operation of its own. Its tree of VMAs is the kernel's own,
 * cut; the lock of that is observed by the page-table code alone, when it is taken for reading.
 */
#ifndef _LINUX_FS_H
#define _LINUX_FS_H

#include <linux/mm.h>
#include "stubs/hook.h"

/* --- Custom --- */

struct address_space {
	struct rb_root_cached i_mmap;
#ifdef RMAP_PAGES
	struct inode *host;
	unsigned long flags;
	gfp_t gfp_mask;
	const struct address_space_operations *a_ops;
	uint32_t readers;		/* of the lock of the tree */
	uint16_t readers_of;		/* the tasks among them, a bit each */
	uint16_t written;		/* by a task: its bit */
#endif
};

#ifdef RMAP_VMA_LAYER

struct vm_area_desc;

struct file_operations {
	int (*mmap)(struct file *file, struct vm_area_struct *vma);
	int (*mmap_prepare)(struct vm_area_desc *desc);
	unsigned long (*get_unmapped_area)(struct file *file, unsigned long addr, unsigned long len,
					   unsigned long pgoff, unsigned long flags);
};

struct file {
	struct address_space *f_mapping;
	const struct file_operations *f_op;
	struct address_space mapping;
#ifdef RMAP_PAGES
	unsigned int f_mode;
#endif
};

static const struct file_operations plain_file_operations;

static inline void i_mmap_lock_write(struct address_space *mapping)
{
#ifdef RMAP_PAGES
	hook(RMAP_POINT_LOCK, RMAP_POINT_OF_FILE, RMAP_NONE);
	may_wait();
	lock_order(RMAP_POINT_OF_FILE);
	if ((mapping->written | mapping->readers_of) & task_bit())
		broken_rule(RMAP_RULE_SELF_DEADLOCK, RMAP_NONE);
	else if (runs_beside_others())
		wait_while(mapping->written || mapping->readers, RMAP_POINT_OF_FILE, RMAP_NONE);
	mapping->written = task_bit();
	current_world->task.pages.nr_files++;
#endif
}

static inline void i_mmap_unlock_write(struct address_space *mapping)
{
#ifdef RMAP_PAGES
	hook(RMAP_POINT_UNLOCK, RMAP_POINT_OF_FILE, RMAP_NONE);
	if (mapping->written != task_bit()) {
		broken_rule(RMAP_RULE_UNBALANCED_UNLOCK, RMAP_NONE);
		return;
	}
	current_world->task.pages.nr_files--;
	mapping->written = 0;
#endif
}

/* --- No-op --- */

static inline struct file *get_file(struct file *f)
{
	return f;
}

static inline int mapping_map_writable(struct address_space *mapping)
{
	return 0;
}

static inline void mapping_unmap_writable(struct address_space *mapping)
{
}

static inline void mapping_allow_writable(struct address_space *mapping)
{
}

static inline int call_mmap(struct file *file, struct vm_area_struct *vma)
{
	return 0;
}

static inline int vfs_mmap_prepare(struct file *file, struct vm_area_desc *desc)
{
	return 0;
}

static inline int compat_vma_mmap(struct file *file, struct vm_area_struct *vma)
{
	return 0;
}

static inline bool vma_is_dax(const struct vm_area_struct *vma)
{
	return false;
}

#endif

#endif /* _LINUX_FS_H */
